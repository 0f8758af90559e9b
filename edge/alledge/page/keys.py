"""The page's secrets: a token for each role and the key that signs sessions, in a file for its owner only.

Made once, at the first start, so that a bookmarked tablet goes on working. Removing the file makes new ones
and ends all sessions.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alledge.errors import InputError, StorageFailed

KEYS_FILE: Final = "page-keys.json"
_OWNER_ONLY: Final = 0o600
_BYTES: Final = 32


class KeysUnusable(InputError):
    """The file of the page's keys is no such file, or others can read it."""

    code = "page-keys"


@dataclass(frozen=True, slots=True)
class Keys:
    """operator, reviewer: tokens that let a person in. signing: signs session cookies."""

    operator: str
    reviewer: str
    signing: str


def fresh_keys() -> Keys:
    """New random keys of 256 bits each."""
    return Keys(*(secrets.token_urlsafe(_BYTES) for _ in range(3)))


def load_keys(data: Path) -> Keys:
    """The keys of a data folder, made where there are none.

    Raises:
        KeysUnusable: the file can be read by others than its owner, or holds no keys.
        StorageFailed: it cannot be made.
    """
    path = data / KEYS_FILE
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be made ({error.strerror}).", "Check the data folder.") from error
    keys = fresh_keys()
    body = {"operator": keys.operator, "reviewer": keys.reviewer, "signing": keys.signing}
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(json.dumps(body) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return keys


def _read(path: Path) -> Keys:
    again = f"Remove {path.name}; new keys are made at the next start."
    try:
        if path.stat().st_mode & 0o077:
            raise KeysUnusable(f"{path} can be read by others.", again)
        told = json.loads(path.read_text(encoding="ascii"))
        keys = Keys(str(told["operator"]), str(told["reviewer"]), str(told["signing"]))
    except OSError as error:
        raise KeysUnusable(f"{path} cannot be read ({error.strerror}).", again) from error
    except (ValueError, KeyError, TypeError) as error:
        raise KeysUnusable(f"{path} holds no keys.", again) from error
    if min(map(len, (keys.operator, keys.reviewer, keys.signing))) < _BYTES:
        raise KeysUnusable(f"{path} holds keys that are too short.", again)
    return keys
