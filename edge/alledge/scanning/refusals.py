"""Why a scan was not begun, not gone on with, or not joined: one class and one code a cause."""

import json

from alledge.errors import AllscopeError, InputError, RefusedError


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


class ClusterUnreachable(InputError):
    """No scheduler answers at the address that was given."""

    code = "cluster-unreachable"


class ClusterExtraMissing(InputError):
    """What speaks to a cluster is not installed here."""

    code = "cluster-extra-missing"


class WorkerDiffers(InputError):
    """A worker of the cluster would not give the results that this machine gives."""

    code = "worker-differs"


class ArchiveUnseen(InputError):
    """A worker of the cluster does not see the files that this machine sees."""

    code = "archive-unseen"


class ClusterEmpty(RefusedError):
    """The cluster has no worker, and none came."""

    code = "cluster-empty"


class ClusterLost(RefusedError):
    """The scheduler of the cluster went away during the scan."""

    code = "cluster-lost"


def told_error(error: AllscopeError) -> bytes:
    """An error as a line without newline, for another process to raise."""
    told = {"code": error.code, "what": error.what_happened, "next": error.next_step}
    return json.dumps(told).encode()


def same_error(line: bytes) -> AllscopeError:
    """What `told_error` told, of the same class, so that the exit status is the same too."""
    told = json.loads(line)
    kinds: list[type[AllscopeError]] = [AllscopeError]
    for kind in kinds:
        if kind.code == told["code"]:
            return kind(told["what"], told["next"])
        kinds += kind.__subclasses__()
    return WorkersFailed(told["what"], told["next"])
