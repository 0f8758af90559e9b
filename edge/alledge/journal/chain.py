"""The chain: every event carries a SHA-256 over itself and over the hash of the event before it.

    hash = SHA-256(previous hash, newline, number, newline, kind, newline, body)

all as text, hashes in lower-case hexadecimal. So one changed, removed, inserted or exchanged event breaks
every hash after it, and one hash kept elsewhere (the head) vouches for everything before it. It is no
signature: whoever can write the file can compute a new chain, which is why a head should be kept elsewhere.

This is Haber and Stornetta's linking ("How to time-stamp a digital document", J. Cryptology 3, 1991).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alledge.strict_json import Json

HASH_HEX: Final = 64
NO_HASH: Final = "0" * HASH_HEX
"""What stands for the hash before the first event."""

_KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the journal. number: 1, 2, 3 ... without a gap. body: canonical JSON, one ASCII line."""

    number: int
    kind: str
    body: str
    previous_hash: str
    hash: str

    @property
    def is_whole(self) -> bool:
        """Whether the hash is the one that the rest of the event asks for."""
        return self.hash == event_hash(self.number, self.kind, self.body, self.previous_hash)

    def fields(self) -> dict[str, Json]:
        """The body as an object."""
        fields: Json = json.loads(self.body)
        if not isinstance(fields, dict):
            raise TypeError(f"the body of event {self.number} is no JSON object")
        return fields


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many events it has, and the hash of the last."""

    count: int
    hash: str


EMPTY: Final = Head(0, NO_HASH)
"""The head of a journal that holds nothing."""


def link(head: Head, kind: str, body: Mapping[str, Json]) -> Event:
    """The event that follows `head`. Raises ValueError for a kind that is no lower-case word, or a NaN."""
    if not _KIND.fullmatch(kind):
        raise ValueError(f"an event's kind is a lower-case word with hyphens, not {kind!r}")
    text = canonical_json(body)
    number = head.count + 1
    return Event(number, kind, text, head.hash, event_hash(number, kind, text, head.hash))


def event_hash(number: int, kind: str, body: str, previous_hash: str) -> str:
    """The hash that an event must carry. No part holds a newline, so no two events read alike."""
    return hashlib.sha256(f"{previous_hash}\n{number}\n{kind}\n{body}".encode()).hexdigest()


def canonical_json(body: Mapping[str, Json]) -> str:
    """One way to write an object: keys sorted, no blanks, ASCII, numbers as Python's `repr`, no NaN."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def picture_hash(data: bytes) -> str:
    """The name of a picture in the journal: SHA-256 of its bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
