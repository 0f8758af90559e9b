"""Keep the chatter of C++ libraries off the terminal, and keep it at hand for an error message.

TFLite and TensorFlow write notes such as "Created TensorFlow Lite XNNPACK delegate" straight to
file descriptor 2, past Python. A person who asked for a result should see the result.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


class Captured:
    """What was written to stderr within a `quiet_stderr` block; complete once the block is left."""

    def __init__(self) -> None:
        self.text = ""


@contextlib.contextmanager
def quiet_stderr() -> Iterator[Captured]:
    """Send everything that is written to file descriptor 2 into the `Captured` that is yielded.

    The descriptor belongs to the whole process: keep the block short, and out of other threads' way.
    """
    captured = Captured()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as aside:
        kept = os.dup(2)
        try:
            os.dup2(aside.fileno(), 2)
            yield captured
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            aside.seek(0)
            captured.text = aside.read().decode("utf-8", errors="replace")
