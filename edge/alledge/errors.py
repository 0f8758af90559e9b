"""Every error a person can meet: a code, what happened, and what to do next.

One base class, two families by exit status, one small class for each rule broken:

    AllscopeError
    ├── InputError (exit 2: what was given is wrong)
    │   ├── ImageUnreadable, FolderEmpty, PathUnusable, CameraUnavailable
    │   ├── DatasetUnrecognised, DatasetTooSmall, OneClassOnly, GroupsMissing, RunUnusable
    │   ├── ModelUnreadable, ModelDamaged, ModelNotInt8, ModelLabelsDiffer, RuntimeMissing
    │   ├── JournalForeign, JournalTooNew, SlideUnusable
    │   └── CalibrationMissing, CalibrationDamaged
    └── RefusedError (exit 1: the work was done and did not pass)
        ├── FidelityRefused, SelfTestFailed, LeakProven
        ├── CalibrationRefused
        ├── StorageFailed
        ├── JournalUnavailable: JournalFull, JournalReadOnly, JournalIoFailed, JournalBusy
        └── JournalDamaged, LogBroken

Third-party errors are translated into these at one boundary per library, so the command line
never shows a traceback for something that a person can fix.
"""

from typing import ClassVar


class AllscopeError(Exception):
    """Base of all errors. `str(error)` is one line: what happened, then what to do."""

    code: ClassVar[str] = "allscope"
    exit_status: ClassVar[int] = 1

    def __init__(self, what_happened: str, next_step: str) -> None:
        super().__init__(f"{what_happened} {next_step}")
        self.what_happened = what_happened
        self.next_step = next_step


class InputError(AllscopeError):
    """What the user gave cannot be used; exit status 2."""

    code = "input"
    exit_status = 2


class RefusedError(AllscopeError):
    """The work was refused on its merits; exit status 1."""

    code = "refused"
    exit_status = 1


class ImageUnreadable(InputError):
    """A file that should be an image cannot be decoded."""

    code = "image-unreadable"


class FolderEmpty(InputError):
    """A folder holds nothing that could be used."""

    code = "folder-empty"


class PathUnusable(InputError):
    """A path does not exist, or is not of the kind that is needed."""

    code = "path-unusable"


class CameraUnavailable(InputError):
    """The camera named cannot be opened or gives no frame."""

    code = "camera-unavailable"


class DatasetUnrecognised(InputError):
    """A folder has none of the layouts that alltrain knows."""

    code = "dataset-unrecognised"


class DatasetTooSmall(InputError):
    """Too few cells or groups to fit and judge a model."""

    code = "dataset-too-small"


class OneClassOnly(InputError):
    """All labelled cells belong to one class."""

    code = "one-class-only"


class GroupsMissing(InputError):
    """No patient, slide or session is known and --no-groups was not given."""

    code = "groups-missing"


class RunUnusable(InputError):
    """A RUN folder lacks a file or holds one that contradicts the others."""

    code = "run-unusable"


class ModelUnreadable(InputError):
    """A file is no allscope model."""

    code = "model-unreadable"


class ModelDamaged(InputError):
    """A model file was altered since it was written."""

    code = "model-damaged"


class ModelNotInt8(InputError):
    """A model is float, dynamic-range or otherwise not full-integer int8."""

    code = "model-not-int8"


class ModelLabelsDiffer(InputError):
    """A model was fitted for other labels than the ones asked for."""

    code = "model-labels-differ"


class RuntimeMissing(InputError):
    """Neither LiteRT nor tflite-runtime can be imported."""

    code = "runtime-missing"


class JournalForeign(InputError):
    """A file that should be a journal is something else."""

    code = "journal-foreign"


class JournalTooNew(InputError):
    """A journal was written by a newer version than this one."""

    code = "journal-too-new"


class SlideUnusable(InputError):
    """The journal has no slide, field or cell of that number, or the slide is closed."""

    code = "slide-unusable"


class CalibrationMissing(InputError):
    """There is no calibration where one is needed."""

    code = "calibration-missing"


class CalibrationDamaged(InputError):
    """A calibration was altered since it was written, or was never one."""

    code = "calibration-damaged"


class CameraControlsRefused(CameraUnavailable):
    """A camera does not take the exposure, gain or colour gains that it is to be locked to, or lost them."""

    code = "camera-controls"


class CameraFinished(CameraUnavailable):
    """An archive that stands in for a camera has served its last image."""

    code = "camera-finished"


class ConfigUnusable(InputError):
    """A configuration file cannot be read, or says something that is not allowed."""

    code = "config-unusable"


class AlreadyRunning(InputError):
    """Another `alledge run` works in the same data folder."""

    code = "already-running"


class ServiceUnreachable(InputError):
    """No `alledge run` answers at the control socket."""

    code = "service-unreachable"


class ControlRefused(InputError):
    """The service does not know a command, or cannot obey it now."""

    code = "control-refused"


class RootNeeded(InputError):
    """A command changes the system and was not called by root."""

    code = "root-needed"


class FidelityRefused(RefusedError):
    """The int8 model is not as good as the float model."""

    code = "fidelity-refused"


class SelfTestFailed(RefusedError):
    """A model answered its golden vectors wrongly on a runtime."""

    code = "self-test-failed"


class LeakProven(RefusedError):
    """A study has the same picture, cell or group on both sides of a fold."""

    code = "leak-proven"


class CalibrationRefused(RefusedError):
    """A picture shown to `alledge calibrate` is not what the step needs."""

    code = "calibration-refused"


class StorageFailed(RefusedError):
    """A file could not be written whole: disk full, read-only, or no permission."""

    code = "storage-failed"


class CommandFailed(RefusedError):
    """A command of the system, such as systemctl, refused what was needed."""

    code = "command-failed"


class ClassifierFailed(RefusedError):
    """The network gave no answer, or answered its golden patch wrongly."""

    code = "classifier-failed"


class JournalUnavailable(RefusedError):
    """The journal cannot be written now; nothing of the attempt is in it, and trying again later is right."""

    code = "journal-unavailable"


class JournalFull(JournalUnavailable):
    """The disk that holds the journal is full."""

    code = "journal-full"


class JournalReadOnly(JournalUnavailable):
    """The journal, its folder or its disk is read-only."""

    code = "journal-read-only"


class JournalIoFailed(JournalUnavailable):
    """The disk that holds the journal answers with errors."""

    code = "journal-io"


class JournalBusy(JournalUnavailable):
    """Another process holds the journal for writing."""

    code = "journal-busy"


class JournalDamaged(RefusedError):
    """The journal's file is no longer a whole database."""

    code = "journal-damaged"


class LogBroken(RefusedError):
    """What the journal holds is not what was written: changed, deleted, inserted, reordered or cut off."""

    code = "log-broken"
