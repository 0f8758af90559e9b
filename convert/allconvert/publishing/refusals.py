"""Why nothing was published: one code a cause."""

from alledge.errors import InputError, RefusedError


class RepositoryExists(InputError):
    """There is a repository already where a new one was to be made."""

    code = "repository-exists"


class RepositoryUnusable(InputError):
    """A folder is no repository, or one of its files cannot be used."""

    code = "repository-unusable"


class RepositoryBusy(InputError):
    """Somebody else publishes into the same folder."""

    code = "repository-busy"


class RepositoryChanged(RefusedError):
    """A repository holds what its key holders did not sign; nothing is built upon it."""

    code = "repository-changed"


class RootUnknown(InputError):
    """The ceremony's root does not lie beside the keys, so the repository cannot be verified."""

    code = "root-unknown"


class KeysTooFew(InputError):
    """Fewer private keys are at hand than the threshold asks for."""

    code = "keys-too-few"


class KeyUnusable(InputError):
    """A private key cannot be read, or its passphrase is wrong."""

    code = "key-unusable"


class KeyUnknown(InputError):
    """A role has no key of that name."""

    code = "key-unknown"


class VersionPublished(InputError):
    """A version was published before, or a later one was."""

    code = "version-published"


class NothingStaged(InputError):
    """There is nothing that waits for signatures."""

    code = "nothing-staged"


class StagedAlready(InputError):
    """Something waits for signatures already; two would be two next lists."""

    code = "staged-already"


class StagedOutdated(RefusedError):
    """What waits for signatures was made from another public state than there is now."""

    code = "staged-outdated"


class StagedChanged(RefusedError):
    """What waits for signatures is not what those who signed before saw."""

    code = "staged-changed"


class AlreadySigned(InputError):
    """The holder whose keys are here has signed already."""

    code = "already-signed"


class NotConfirmed(InputError):
    """The person said no to what was shown."""

    code = "not-confirmed"
