"""A scan cut into slices for several machines, which know nothing of each other and need no server.

Shard K of N has the K-th of N slices of the sorted list, so the shards one after the other are the whole
list in its order, and joining them needs no sorting. Each machine lists the same images; the hash over
that list is in every shard, so that shards of different lists are never joined.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from alledge.errors import PathUnusable
from alledge.scanning.refusals import ScanDiffers, ShardMissing
from alledge.scanning.work import Answer
from alledge.scanning.working_file import Header, read_answers, read_header

START_ANEW: Final = (
    "Scan everything with the same images and settings, or take the older file away and start anew."
)
_NAMED: Final = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Shard:
    """Slice `number` (from 1) of `n_shards`."""

    number: int = 1
    n_shards: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `2/4`. Raises ValueError for anything that is no such slice."""
        match = _NAMED.fullmatch(text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"{text} is no shard: give K/N with K from 1 to N, such as 2/4")
        return cls(int(match[1]), int(match[2]))

    @property
    def is_all(self) -> bool:
        """Whether there is only this one."""
        return self.n_shards == 1

    def slice_of(self, n_images: int) -> range:
        """Places in the list of all images, from 0; sizes of shards differ by one image at most."""
        ends = (n_images * k // self.n_shards for k in (self.number - 1, self.number))
        return range(*ends)

    def working_file(self, out: Path) -> Path:
        """Where it is written while it runs; that of a shard stays, for `--merge`."""
        name = "scanning" if self.is_all else f"shard-{self.number}-of-{self.n_shards}"
        return out.with_name(f"{out.name}.{name}")


WHOLE: Final = Shard()


def shards_beside(out: Path) -> tuple[Path, ...]:
    """The shards that were written for a results file. Raises ShardMissing when there is none."""
    found = tuple(sorted(out.parent.glob(f"{_glob_escaped(out.name)}.shard-*-of-*")))
    if not found:
        raise ShardMissing(
            f"There is no shard {out}.shard-*.", "Scan with --shard K/N and the same --out first."
        )
    return found


def check_shards(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The same paths in the order of the shards, when they are all the shards of one scan, and finished.

    Raises:
        ShardMissing: one is not there or not finished.
        ScanDiffers: two are of different images or settings, or the same.
        ScanForeign: one is no shard.
    """
    for path in paths:
        if not path.is_file():
            raise PathUnusable(f"{path} does not exist.", "Give the shards of one scan.")
    headers = {path: read_header(path) for path in paths}
    ordered = sorted(paths, key=lambda path: headers[path].shard)
    first = ordered[0]
    for path in ordered[1:]:
        require_same(headers[first], headers[path], f"{path} and {first}")
    numbers = [headers[path].shard for path in ordered]
    n_shards = headers[first].n_shards
    for number in range(1, n_shards + 1):
        if number not in numbers:
            raise ShardMissing(f"Shard {number}/{n_shards} is not there.", "Run it, then merge again.")
    if len(numbers) != n_shards:
        raise ScanDiffers("A shard was given twice.", "Give each once.")
    return tuple(ordered)


def read_shards(paths: Sequence[Path]) -> Iterator[Answer]:
    """Every image of checked shards, in the order of the images, one in memory at a time.

    Raises ShardMissing at the end of a shard that is not finished.
    """
    for path in paths:
        header = read_header(path)
        n_read = 0
        for answer in read_answers(path):
            n_read += 1
            yield answer
        if n_read != header.n_here:
            shard = f"Shard {header.shard}/{header.n_shards} ({path})"
            raise ShardMissing(
                f"{shard} is not finished: {n_read} of {header.n_here} images.",
                "Run it again with --resume, then merge again.",
            )


def require_same(was: Header, now: Header, what: str) -> None:
    """Raises ScanDiffers that names the first setting, or the list of images, in which two scans differ."""
    for name in was.fingerprint | now.fingerprint:
        one, other = was.fingerprint.get(name, "unknown"), now.fingerprint.get(name, "unknown")
        if one != other:
            raise ScanDiffers(f"{what} differ in {name}: {one} and {other}.", START_ANEW)
    if was.n_images != now.n_images:
        raise ScanDiffers(f"{what} differ in the images: {was.n_images} and {now.n_images}.", START_ANEW)
    if was.images_sha256 != now.images_sha256:
        raise ScanDiffers(f"{what} differ in the names of the images.", START_ANEW)
    if was.n_shards != now.n_shards:
        raise ScanDiffers(
            f"{what} differ in the number of shards: {was.n_shards} and {now.n_shards}.", START_ANEW
        )


def _glob_escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
