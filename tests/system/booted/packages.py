"""Debian packages to upgrade to, made of a real one: the next, one that does not start, one cut short."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.system.booted.container import on_host

NEXT, DEAF, BROKEN = "9.0.1", "9.0.2", "9.0.3"


@dataclass(frozen=True)
class Packages:
    """first: as scripts/debian-package made it. next: another version. broken: nothing of it starts.

    deaf: its commands answer, and its service never starts.
    """

    first: Path
    next: Path
    broken: Path
    deaf: Path
    cut_short: Path


def make_packages(first: Path, folder: Path) -> Packages:
    """All of them from the first, in a folder; unpacked once, and packed without compression, to be quick."""
    tree = folder / "tree"
    on_host("dpkg-deb", "-R", first, tree)
    following = _packed(tree, NEXT, folder)
    package = next(tree.glob("usr/lib/allscope/tree/lib/python3*/site-packages/alledge"))
    _spoil(package / "service/run.py")
    deaf = _packed(tree, DEAF, folder)
    _spoil(package / "cli.py")
    broken = _packed(tree, BROKEN, folder)
    cut_short = folder / "cut_short.deb"
    cut_short.write_bytes(following.read_bytes()[: following.stat().st_size // 2])
    return Packages(first, following, broken, deaf, cut_short)


def _packed(tree: Path, version: str, folder: Path) -> Path:
    """A package of the tree, which says that version wherever a person reads it."""
    _replace(tree / "DEBIAN/control", r"^Version: .*$", f"Version: {version}")
    metadata = next(
        tree.glob("usr/lib/allscope/tree/lib/python3*/site-packages/allscope-*.dist-info/METADATA")
    )
    _replace(metadata, r"^Version: .*$", f"Version: {version}")
    done = folder / f"allscope_{version}.deb"
    on_host("dpkg-deb", "-Znone", "-b", tree, done)
    return done


def _spoil(module: Path) -> None:
    module.write_text('raise SystemExit("this release does not start")\n')


def _replace(file: Path, pattern: str, new: str) -> None:
    text, n_replaced = re.subn(pattern, new, file.read_text(), flags=re.MULTILINE)
    assert n_replaced == 1, file
    file.write_text(text)
