"""The few static files, read into memory once and named by their hash: no request names a path on disk."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from alledge.strings import LANGUAGES, Strings

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All static files by name. version: changes when any of them does, so they may be kept forever."""

    version: str
    by_name: dict[str, Asset]

    def path(self, name: str) -> str:
        """Where a page finds a file. Raises KeyError when there is none."""
        assert name in self.by_name, name
        return f"/static/{self.version}/{name}"


@cache
def load_assets() -> Assets:
    """The files of `static`, and the catalogue of each language as a script module."""
    by_name: dict[str, Asset] = {}
    for file in sorted((files(__package__) / "static").iterdir(), key=lambda entry: entry.name):
        kind = file.name.rpartition(".")[2]
        if kind in _TYPES:
            by_name[file.name] = Asset(file.read_bytes(), _TYPES[kind])
    for language in LANGUAGES:
        texts = json.dumps(dict(Strings.load(language)), ensure_ascii=False, sort_keys=True)
        by_name[f"strings-{language}.js"] = Asset(f"export default {texts};\n".encode(), _TYPES["js"])
    together = hashlib.sha256()
    for name, asset in by_name.items():
        together.update(name.encode() + b"\0" + asset.data)
    return Assets(together.hexdigest()[:16], by_name)
