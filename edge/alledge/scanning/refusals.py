"""Why a scan was not begun, not gone on with, or not joined: one class and one code a cause."""

from alledge.errors import InputError, RefusedError


class ScanUnfinished(InputError):
    """An earlier scan to the same results file was interrupted, and nobody said whether to go on with it."""

    code = "scan-unfinished"


class ScanDiffers(InputError):
    """A scan that is to be gone on with, or joined, had other images, another model or other settings."""

    code = "scan-differs"


class ScanForeign(InputError):
    """A file that should be the working file of a scan is something else."""

    code = "scan-foreign"


class ScanRunning(InputError):
    """Another process scans into the same working file."""

    code = "scan-running"


class ShardMissing(InputError):
    """A shard of a scan is not there, or not finished."""

    code = "shard-missing"


class WorkersFailed(RefusedError):
    """The processes that look at images end before they look at one."""

    code = "workers-failed"
