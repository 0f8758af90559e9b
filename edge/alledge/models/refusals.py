"""Why a model was not taken: one class and one code a cause, so that forty devices can be told apart by grep.

    InputError (exit 2: what was given cannot be used)
    ├── FleetExtraMissing, SourceUnusable, SourceIncomplete, SourceUnreachable, SourceSlow, SourceRedirected
    ├── TrustMissing, TrustUnusable, TrustDiffers
    ├── ModelUnknown, ModelAmbiguous, NoEarlierModel, StoreEmpty
    └── InstallRunning
    RefusedError (exit 1: it was looked at and did not pass)
    ├── SourceLink, SourceNotAFile, SourcePathUnsafe, DownloadEndless
    ├── SignaturesTooFew, MetadataUnreadable, MetadataOtherRole
    ├── MetadataTooOld, MetadataMixed, MetadataMissing
    ├── MetadataExpired: RootExpired, TimestampExpired, SnapshotExpired, TargetsExpired
    ├── ClockBehind
    ├── TargetNameUnsafe, TargetUndescribed, TargetTooLarge, TargetChanged
    ├── SoftwareTooOld, ModelOlder, VersionReused, ModelPinned, ModelFailedHere
    ├── PatchContractDiffers, LabelsSwapped, LabelsChanged, ReleaseDiffers, ExaminationBroke, ModelTooSlow
    └── InstalledModelDamaged, StoreDamaged, EvidenceBroken, TrialFailed

A file that is no model, float, damaged or wrong on its golden vectors is refused with the errors that
`alledge.errors` has for that everywhere.
"""

from alledge.errors import InputError, RefusedError


class FleetExtraMissing(InputError):
    """The packages that signed models need are not installed."""

    code = "fleet-extra-missing"


class SourceUnusable(InputError):
    """What was given is neither a folder nor an http(s) address of a repository."""

    code = "source-unusable"


class SourceIncomplete(InputError):
    """A file that a repository must have is not there."""

    code = "source-incomplete"


class SourceUnreachable(InputError):
    """A server or stick cannot be read."""

    code = "source-unreachable"


class SourceSlow(InputError):
    """A server gives its bytes too slowly, or none."""

    code = "source-slow"


class SourceRedirected(InputError):
    """A server sends elsewhere; a repository is asked where it was said to be."""

    code = "source-redirected"


class TrustMissing(InputError):
    """Nobody gave this device the root that it shall trust."""

    code = "trust-missing"


class TrustUnusable(InputError):
    """A file given as trusted root is none, or is not signed by its own keys to its own threshold."""

    code = "trust-unusable"


class TrustDiffers(InputError):
    """The device trusts another root already."""

    code = "trust-differs"


class ModelUnknown(InputError):
    """The source, or the device, has no model of that name and version."""

    code = "model-unknown"


class ModelAmbiguous(InputError):
    """The source has models of several names and none was chosen."""

    code = "model-ambiguous"


class NoEarlierModel(InputError):
    """There is no last good model to go back to."""

    code = "no-earlier-model"


class StoreEmpty(InputError):
    """No model was installed yet."""

    code = "store-empty"


class InstallRunning(InputError):
    """Another installation works in the same store."""

    code = "install-running"


class SourceLink(RefusedError):
    """A repository on a stick holds a symbolic link where a file or folder must be."""

    code = "source-link"


class SourceNotAFile(RefusedError):
    """A repository on a stick holds a device, a pipe or a folder where a file must be."""

    code = "source-not-a-file"


class SourcePathUnsafe(RefusedError):
    """A name leads out of the repository."""

    code = "source-path-unsafe"


class DownloadEndless(RefusedError):
    """A file goes on beyond the length that is signed or allowed."""

    code = "download-endless"


class SignaturesTooFew(RefusedError):
    """Metadata is not signed by as many trusted keys as the threshold asks for."""

    code = "signatures-too-few"


class MetadataUnreadable(RefusedError):
    """Metadata is no TUF metadata: broken, cut short, of strange numbers, or nested without end."""

    code = "metadata-unreadable"


class MetadataOtherRole(RefusedError):
    """Metadata of one role was offered as another's."""

    code = "metadata-other-role"


class MetadataTooOld(RefusedError):
    """Metadata has a lower version than what this device has seen, or than what is promised."""

    code = "metadata-too-old"


class MetadataMixed(RefusedError):
    """Metadata is not the one that the metadata above it names: parts of two repository states."""

    code = "metadata-mixed"


class MetadataMissing(RefusedError):
    """A snapshot does not name metadata that it has named before, or that is needed."""

    code = "metadata-missing"


class MetadataExpired(RefusedError):
    """Metadata is past its date."""

    code = "metadata-expired"


class RootExpired(MetadataExpired):
    """The newest root is past its date: the key holders must sign a new one."""

    code = "root-expired"


class TimestampExpired(MetadataExpired):
    """The copy is too old to show that nothing newer exists."""

    code = "timestamp-expired"


class SnapshotExpired(MetadataExpired):
    """The list of current metadata is past its date."""

    code = "snapshot-expired"


class TargetsExpired(MetadataExpired):
    """The list of models is past its date."""

    code = "targets-expired"


class ClockBehind(RefusedError):
    """The device's clock stands before a moment that is signed as past."""

    code = "clock-behind"


class TargetNameUnsafe(RefusedError):
    """A signed list names a file as no model of ours is named."""

    code = "target-name-unsafe"


class TargetUndescribed(RefusedError):
    """A signed list says too little, or something impossible, about a model."""

    code = "target-undescribed"


class TargetTooLarge(RefusedError):
    """A model is longer than a device takes."""

    code = "target-too-large"


class TargetChanged(RefusedError):
    """A model file is not the one that was signed."""

    code = "target-changed"


class SoftwareTooOld(RefusedError):
    """A model asks for a newer alledge than this."""

    code = "software-too-old"


class ModelOlder(RefusedError):
    """A model is older than the one that serves."""

    code = "model-older"


class VersionReused(RefusedError):
    """Another file was published under a version that is installed already."""

    code = "version-reused"


class ModelPinned(RefusedError):
    """The device is held to another model."""

    code = "model-pinned"


class ModelFailedHere(RefusedError):
    """The model was installed here before, and failed in its first minutes."""

    code = "model-failed-here"


class PatchContractDiffers(RefusedError):
    """A model wants patches cut otherwise than this device cuts them."""

    code = "patch-contract-differs"


class LabelsSwapped(RefusedError):
    """A model's labels are not those that were signed for it, or in another order."""

    code = "labels-swapped"


class LabelsChanged(RefusedError):
    """A model calls cells by other labels than the one that serves."""

    code = "labels-changed"


class ReleaseDiffers(RefusedError):
    """A model's card is not what was signed about it."""

    code = "release-differs"


class ExaminationBroke(RefusedError):
    """The runtime broke down, or did not end, on a model's golden vectors."""

    code = "examination-broke"


class ModelTooSlow(RefusedError):
    """A model takes so long a cell here that fields could not be judged as they come."""

    code = "model-too-slow"


class InstalledModelDamaged(RefusedError):
    """An installed file is not the one that was installed."""

    code = "installed-model-damaged"


class StoreDamaged(RefusedError):
    """The store does not know any more which model serves."""

    code = "store-damaged"


class EvidenceBroken(RefusedError):
    """The signatures kept with an installed model do not hold."""

    code = "evidence-broken"


class TrialFailed(RefusedError):
    """A new model failed in its first minutes of service."""

    code = "trial-failed"
