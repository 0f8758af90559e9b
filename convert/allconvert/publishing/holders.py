"""Who signs: the private keys that are at hand, and for whom they speak."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.metadata import Root  # type: ignore[attr-defined]

from allconvert.publishing.keys import ONLINE, Passphrase, find_signers, key_files, open_signers
from allconvert.publishing.refusals import AlreadySigned, KeysTooFew


@dataclass(frozen=True, slots=True)
class Holders:
    """Where private keys lie, and how they are opened. All methods raise KeyUnusable."""

    folders: Sequence[Path]
    passphrase: Passphrase

    def enough(self, root: Root, role: str, but: str = "") -> list[CryptoSigner]:
        """As many signers of a role as its threshold asks for. Raises KeysTooFew."""
        told = root.roles[role]
        keyids = [keyid for keyid in told.keyids if keyid != but]
        return find_signers(self.folders, role, keyids, told.threshold, self.passphrase)

    def at_hand(self, root: Root, role: str, signed: Collection[str] = ()) -> list[CryptoSigner]:
        """Signers of a role beside those that signed already; one at least, and no more than are needed.

        Raises AlreadySigned, KeysTooFew.
        """
        told = root.roles[role]
        keyids = [keyid for keyid in told.keyids if keyid not in signed]
        found = open_signers(self.folders, keyids, told.threshold - len(signed), self.passphrase)
        if found:
            return found
        if key_files(self.folders, [*signed]):
            raise AlreadySigned(
                "The holder whose keys are here has signed already.", "Carry the folder to another holder."
            )
        raise KeysTooFew(f"No key that may sign {role} is here.", "Give the folder of a holder: --keys DIR.")

    def have_online(self, root: Root) -> bool:
        """Whether the keys are here that make public what is signed."""
        roles = [root.roles[role] for role in ONLINE]
        return all(len(key_files(self.folders, told.keyids)) >= told.threshold for told in roles)
