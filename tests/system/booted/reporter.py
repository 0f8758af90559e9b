"""Runs inside the virtual machine as a service: tells over a serial line what is durable, as JSON lines.

First the journal's own word, held to the head that the kernel's command line names: the last that was told
before the power went. Then, again and again, the head of now.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from alledge.errors import AllscopeError
from alledge.journal import JOURNAL_NAME
from alledge.journal.reading import JournalReader

DATA = Path("/var/lib/allscope")
PROGRAM = "/opt/allscope/bin/alledge"


def tell(**told):
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def verify():
    words = Path("/proc/cmdline").read_text().split()
    heads = [word.partition("=")[2] for word in words if word.startswith("allscope.head=")]
    options = ["--head", heads[0]] if heads else []
    done = subprocess.run(
        [PROGRAM, "verify-log", "--json", *options], capture_output=True, text=True, check=False
    )
    tell(verified=done.returncode == 0, said=done.stderr[-500:], held_to=heads)


def watch():
    while True:
        shown = subprocess.run(
            ["systemctl", "show", "alledge", "upgrader", "-p", "ActiveState", "--value"],
            capture_output=True,
            text=True,
            check=False,
        )
        units = dict(zip(("active", "upgrading"), shown.stdout.split(), strict=False))
        try:
            with JournalReader(DATA / JOURNAL_NAME) as reader:
                head = reader.head()
                tell(**units, head=head.hash, events=head.count)
        except AllscopeError as error:
            tell(**units, says=str(error))
        time.sleep(0.3)


if (DATA / JOURNAL_NAME).exists():
    verify()
watch()
