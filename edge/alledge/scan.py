"""An archive of images through the same pixel path as the camera: one line of JSON a field.

An image that cannot be read does not stop the others; it is a line of its own in `OUT.errors`. What is
done is kept in a working file beside the results, so that a scan of days survives whatever ends it; the
results file itself appears whole or not at all.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alledge.durable import make_folder, replace_whole
from alledge.errors import AllscopeError, ImageUnreadable, InputError, PathUnusable
from alledge.images import list_images
from alledge.scanning.cluster import Cluster, ClusterWorkers
from alledge.scanning.crew import Crew, in_order
from alledge.scanning.pool import Workers, n_cores
from alledge.scanning.refusals import ScanDiffers
from alledge.scanning.settings import ScanSettings
from alledge.scanning.shards import START_ANEW, WHOLE, Shard, check_shards, read_shards, require_same
from alledge.scanning.work import Answer, Task, is_unchanged
from alledge.scanning.working_file import Header, WorkingFile, images_sha256, read_answers

_TOLD: Final = 20  # errors told in words at the end; all of them are in the file


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What a scan did, for the person who started it.

    unreadable: (code, line) of the first images that nothing could be said about; n_unreadable of all.
    """

    n_fields: int
    n_cells: int
    n_refused: int
    n_unreadable: int
    unreadable: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """What is to be scanned, and where to.

    images: all images of all shards, in order. n_jobs: processes; None is one a core. cluster: whose workers
    look at them; None is those processes.
    """

    images: Sequence[Path]
    out: Path
    settings: ScanSettings
    shard: Shard = WHOLE
    n_jobs: int | None = None
    cluster: Cluster | None = None

    @property
    def working_file(self) -> Path:
        """Where what is done is kept while the scan runs."""
        return self.shard.working_file(self.out)

    def header(self) -> Header:
        """What the working file says of itself."""
        here = self.shard.slice_of(len(self.images))
        return Header(
            fingerprint=self.settings.fingerprint(),
            n_images=len(self.images),
            images_sha256=images_sha256(self.images),
            shard=self.shard.number,
            n_shards=self.shard.n_shards,
            first=here.start,
            n_here=len(here),
        )


def find_images(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Lists the images that paths (files or folders) stand for, each once, in the order given.

    Raises:
        PathUnusable: a path does not exist.
        FolderEmpty: a folder holds no image.
    """
    images: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            images |= dict.fromkeys(list_images(path))
        elif path.is_file():
            images[path] = None
        else:
            raise PathUnusable(f"{path} does not exist.", "Give image files or folders of images.")
    return tuple(images)


def scan_images(
    scan: Scan,
    progress: Callable[[int, int], None],
    *,
    resume: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> ScanReport:
    """Analyses images on several cores and writes one field a line, in the order of the images.

    The bytes written do not depend on the number of processes or machines, nor on what was killed on the way.

    Args:
        scan: what, and where to.
        progress: called with (images done, images of this shard) at the start and after every image.
        resume: go on with the working file where there is one.
        say: called with a line for a person when a cluster keeps us waiting.

    Raises:
        ScanUnfinished: there is a working file, and `resume` was not asked for.
        ScanDiffers: the working file is of other images, another model or other settings.
        ImageUnreadable, PathUnusable: not a single image could be read.
        StorageFailed: the results or a picture cannot be written; what is done is kept.
        ClusterUnreachable and others of `ClusterWorkers`, where there is a cluster; what is done is kept.
    """
    if scan.settings.pictures is not None:
        make_folder(scan.settings.pictures)
    header, path = scan.header(), scan.working_file
    with WorkingFile(path, header, resume=resume) as done:
        _require_unchanged(done, header, scan.images)
        progress(done.n_done, header.n_here)
        tasks = list(_tasks(scan.images))[header.first + done.n_done : header.first + header.n_here]
        with _crew(scan, tasks, say) as crew:
            for answer in in_order(crew, tasks):
                done.append(answer)
                progress(done.n_done, header.n_here)
        done.flush()
        return _finish(scan, path)


def _crew(scan: Scan, tasks: Sequence[Task], say: Callable[[str], None]) -> Crew:
    """Who looks at the images; nobody far away where none is left."""
    if scan.cluster is not None and tasks:
        return ClusterWorkers(scan.cluster, scan.settings, tasks, say)
    return Workers(scan.settings, min(scan.n_jobs or n_cores(), len(tasks)))


def _finish(scan: Scan, path: Path) -> ScanReport:
    """A shard stays what it is until it is merged; a whole scan becomes its results."""
    if not scan.shard.is_all:
        return _report((path,))
    try:
        report = _write_results((path,), scan.out)
    except InputError:  # nothing could be read, so that nothing is lost
        path.unlink()
        raise
    path.unlink()
    return report


def merge_shards(shards: Sequence[Path], out: Path) -> ScanReport:
    """Joins finished shards into the results that one process would have written, byte for byte.

    Raises ShardMissing, ScanDiffers, ScanForeign, StorageFailed; then there is no results file.
    """
    return _write_results(check_shards(shards), out)


def _require_unchanged(done: WorkingFile, now: Header, images: Sequence[Path]) -> None:
    """Raises ScanDiffers, naming what is not as it was when the scan began."""
    if done.header.images_sha256 != now.images_sha256:
        for answer in read_answers(done.path):
            if answer.index >= len(images) or str(images[answer.index]) != answer.source:
                raise ScanDiffers(
                    f"{answer.source} was image {answer.index + 1} when the scan began and is not now.",
                    START_ANEW,
                )
    require_same(done.header, now, "The scan so far and this one")
    for answer in read_answers(done.path):
        path = images[answer.index]
        if not is_unchanged(path, answer.identity):
            raise ScanDiffers(f"{path} has changed since it was looked at.", START_ANEW)


def _write_results(shards: Sequence[Path], out: Path) -> ScanReport:
    """Fields to `out`, in one step; images without a field to `out`.errors, which is there only with such."""
    report = _report(shards)
    errors = out.with_name(f"{out.name}.errors")
    if report.n_unreadable and not report.n_fields:
        raise _as_error(report.unreadable[0])
    if report.n_unreadable:
        _write_lines(errors, (answer.text for answer in read_shards(shards) if answer.error))
    else:
        errors.unlink(missing_ok=True)
    _write_lines(out, (answer.text for answer in read_shards(shards) if not answer.error))
    return report


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with replace_whole(path) as file:
        for line in lines:
            file.write(f"{line}\n".encode())


def _report(shards: Sequence[Path]) -> ScanReport:
    n_fields = n_cells = n_refused = n_unreadable = 0
    first: list[Answer] = []
    for answer in read_shards(shards):
        n_fields += not answer.error
        n_cells += answer.n_cells
        n_refused += answer.is_refused
        n_unreadable += bool(answer.error)
        if answer.error and len(first) < _TOLD:
            first.append(answer)
    return ScanReport(n_fields, n_cells, n_refused, n_unreadable, tuple(first))


def _as_error(answer: Answer) -> AllscopeError:
    """What ends a scan in which not one image could be looked at."""
    kind = PathUnusable if answer.error == PathUnusable.code else ImageUnreadable
    return kind(answer.message, "No other image could be looked at either.")


def _tasks(images: Sequence[Path]) -> Iterator[Task]:
    """With a name for every picture: that of folder and file, since archives repeat file names."""
    seen: Counter[str] = Counter()
    for index, path in enumerate(images):
        name = f"{path.parent.name}-{path.stem}" if path.parent.name else path.stem
        seen[name] += 1
        unique = name if seen[name] == 1 else f"{name}-{seen[name]}"
        yield Task(index, str(path), unique)
