"""Work shared out over all cores, results in order, and never more of it under way than there is use for.

A field of a microscope camera takes tens of megabytes while cells are looked for in it. So only as many
are open as there are cores, and only as many results wait as keep the cores busy while an earlier, slower
image is finished. Threads will do: OpenCV and numpy let go of the interpreter while they work.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

import numpy as np

from alledge.patches import PATCH_PX
from alledge.types import U8

_T = TypeVar("_T")
_R = TypeVar("_R")

_AHEAD: Final = 4  # jobs asked for, for each core
_GROWTH: Final = 1.5
_FIRST_PATCHES: Final = 1024


def n_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parallel(work: Callable[[_T], _R], items: Iterable[_T], n_workers: int | None = None) -> Iterator[_R]:
    """Results in the order of the items. An error of `work` is raised in its turn; what waits is dropped.

    n_workers: all cores by default.
    """
    n_workers = n_workers or n_cores()
    under_way: deque[Future[_R]] = deque()
    with ThreadPoolExecutor(max_workers=n_workers) as pool:
        try:
            for item in items:
                under_way.append(pool.submit(work, item))
                if len(under_way) == _AHEAD * n_workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class PatchStore:
    """Patches of one image after the other in one array, which grows in place.

    Joining a list of arrays at the end would hold every patch twice.
    """

    def __init__(self) -> None:
        self._patches = _empty(_FIRST_PATCHES)
        self._n = 0

    def add(self, patches: U8) -> None:
        """Copy in the (n, 50, 50, 3) uint8 patches of an image."""
        n = self._n + len(patches)
        if n > len(self._patches):
            self._resize(max(n, round(_GROWTH * len(self._patches))))
        self._patches[self._n : n] = patches
        self._n = n

    def take(self) -> U8:
        """All (N, 50, 50, 3) patches, and no memory beside them; the store is empty afterwards."""
        self._resize(self._n)
        patches, self._patches, self._n = self._patches, _empty(0), 0
        return patches

    def _resize(self, n: int) -> None:
        # Nobody else holds this array, so it may move; the system then remaps its pages, copying none.
        self._patches.resize((n, PATCH_PX, PATCH_PX, 3), refcheck=False)


def _empty(n: int) -> U8:
    return np.empty((n, PATCH_PX, PATCH_PX, 3), dtype=np.uint8)
