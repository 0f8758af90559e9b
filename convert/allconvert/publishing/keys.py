"""Private keys in files: Ed25519, PEM, under a passphrase; a file is named after the public half of its key.

    KEYS/offline/root.KEYID.pem ...      three for root, three for targets: two must sign; in drawers
    KEYS/online/timestamp.KEYID.pem ...  one each for snapshot and timestamp: on the machine that renews them
    KEYS/*/1.root.json                   beside them, to see by that nobody changed the repository

Signing and key formats are securesystemslib's and cryptography's.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]

from allconvert.publishing.refusals import KeysTooFew, KeyUnusable
from alledge.durable import make_folder, write_whole

Passphrase: TypeAlias = Callable[[str, bool], bytes | None]
"""Name of a key file, whether it is a new one -> its passphrase; None for a new one that shall have none."""

OFFLINE: Final = ("root", "targets")
ONLINE: Final = ("snapshot", "timestamp")
SHORT: Final = 16  # hex digits of a key's identifier in names of files
_KEY_MODE: Final = 0o600


def make_key(folder: Path, role: str, passphrase: Passphrase) -> CryptoSigner:
    """A new key for a role, its file written. Raises StorageFailed."""
    private = Ed25519PrivateKey.generate()
    signer = CryptoSigner(private)
    place = folder / ("offline" if role in OFFLINE else "online")
    make_folder(place)
    name = f"{role}.{signer.public_key.keyid[:SHORT]}.pem"
    word = passphrase(name, True)
    sealing: KeySerializationEncryption = BestAvailableEncryption(word) if word else NoEncryption()
    before = os.umask(0o077)
    try:
        write_whole(place / name, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealing))
    finally:
        os.umask(before)
    (place / name).chmod(_KEY_MODE)
    return signer


def find_signers(
    folders: Iterable[Path], role: str, keyids: Sequence[str], threshold: int, passphrase: Passphrase
) -> list[CryptoSigner]:
    """As many of a role's private keys as its threshold asks for, from whichever folders hold them.

    Raises KeysTooFew when fewer are there, KeyUnusable when one cannot be opened.
    """
    found = open_signers(folders, keyids, threshold, passphrase)
    if len(found) < threshold:
        wanted = ", ".join(keyid[:SHORT] for keyid in keyids)
        raise KeysTooFew(
            f"{threshold} keys must sign {role}, {len(found)} of {wanted} are here.",
            "Give the folder of each holder: --keys DIR --keys DIR.",
        )
    return found


def open_signers(
    folders: Iterable[Path], keyids: Sequence[str], most: int, passphrase: Passphrase
) -> list[CryptoSigner]:
    """Those private keys that the folders hold, `most` of them at most. Raises KeyUnusable."""
    found: dict[str, CryptoSigner] = {}
    for keyid, path in key_files(folders, keyids).items():
        if len(found) < most:
            found[keyid] = _open(path, keyid, passphrase)
    return list(found.values())


def key_files(folders: Iterable[Path], keyids: Sequence[str]) -> dict[str, Path]:
    """Where the private keys of these identifiers lie, as far as the folders hold them."""
    wanted = {keyid[:SHORT]: keyid for keyid in keyids}
    found: dict[str, Path] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*.pem") if path.is_file()):
        keyid = wanted.get(path.stem.rpartition(".")[2])
        if keyid is not None:
            found.setdefault(keyid, path)
    return found


def _open(path: Path, keyid: str, passphrase: Passphrase) -> CryptoSigner:
    try:
        data = path.read_bytes()
        word = passphrase(path.name, False) if b"ENCRYPTED" in data else None
        private = load_pem_private_key(data, word)
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be read ({error.strerror}).", "Check the file.") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"{path.name} does not open: {error}.", "Check the passphrase.") from error
    if not isinstance(private, Ed25519PrivateKey) or CryptoSigner(private).public_key.keyid != keyid:
        raise KeyUnusable(f"{path.name} holds another key than its name says.", "Use the original file.")
    return CryptoSigner(private)
