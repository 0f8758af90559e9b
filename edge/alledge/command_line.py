"""What the three commands share: one way to fail, in one line, with the exit code that scripts rely on.

0 done, 1 refused on its merits, 2 wrong input, 130 interrupted. Nobody sees a traceback for
something they can fix; a traceback that does appear is a fault of ours and worth reporting.
"""

import errno
import sys
from typing import Final, NoReturn

import typer

from alledge.errors import AllscopeError, PathUnusable, StorageFailed
from alledge.plain import plain

INTERRUPTED: Final = 130
FULL: Final = {
    errno.ENOSPC: "The disk is full.",
    errno.EDQUOT: "The disk quota is used up.",
    errno.EROFS: "The disk is read-only.",
    errno.EFBIG: "A file grew larger than is allowed here.",
}


def new_app(help_text: str) -> typer.Typer:
    """An empty command; plain help, because drawing boxes takes longer than the help may."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def run_app(app: typer.Typer) -> NoReturn:
    """Run a command and leave the process with its exit code; errors become one line on stderr."""
    try:
        app()
    except AllscopeError as error:
        _fail(error)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    except OSError as error:
        _fail(_translated(error))
    sys.exit(0)


def _fail(error: AllscopeError) -> NoReturn:
    sys.stderr.write(f"error[{error.code}]: {plain(error, longest=sys.maxsize)}\n")
    sys.exit(error.exit_status)


def _translated(error: OSError) -> AllscopeError:
    """Our word for the system's: storage that gave out, or a path that cannot be used."""
    if error.errno in FULL:
        return StorageFailed(FULL[error.errno], "Make room, or give another place, and start again.")
    if error.filename is None:
        raise error
    return PathUnusable(f"{error.filename}: {error.strerror}.", "Check the path and who may use it.")
