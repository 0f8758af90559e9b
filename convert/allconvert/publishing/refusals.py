"""Why nothing was published: one code a cause."""

from alledge.errors import InputError


class RepositoryExists(InputError):
    """There is a repository already where a new one was to be made."""

    code = "repository-exists"


class RepositoryUnusable(InputError):
    """A folder is no repository, or one of its files cannot be used."""

    code = "repository-unusable"


class RepositoryBusy(InputError):
    """Somebody else publishes into the same folder."""

    code = "repository-busy"


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
