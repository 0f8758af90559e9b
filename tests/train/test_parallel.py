"""Many images at once, in order, with few of them open; every patch held once."""

import threading
import time

import numpy as np
import pytest

from alltrain.datasets.parallel import PatchStore, in_parallel, n_cores


def test_results_come_in_the_order_of_the_items_however_long_each_takes() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item % 4 == 0 else 0)
        return item * item

    assert list(in_parallel(slow_first, range(40), n_workers=4)) == [item * item for item in range(40)]


def test_no_more_items_are_open_at_once_than_there_are_workers() -> None:
    lock, is_open, most = threading.Lock(), 0, 0

    def work(item: int) -> None:
        nonlocal is_open, most
        with lock:
            is_open += 1
            most = max(most, is_open)
        time.sleep(0.002)
        with lock:
            is_open -= 1

    list(in_parallel(work, range(50), n_workers=3))
    assert most == 3


def test_results_do_not_pile_up_behind_a_slow_consumer() -> None:
    begun: list[int] = []
    results = in_parallel(begun.append, range(1000), n_workers=2)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 8
    results.close()
    assert len(begun) <= 8


def test_an_error_is_raised_in_its_turn_and_the_rest_is_dropped() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 5:
            raise ValueError("image 5")
        return item

    got: list[int] = []
    with pytest.raises(ValueError, match="image 5"):
        got.extend(result for result in in_parallel(work, range(1000), n_workers=2))
    assert len(begun) < 30


def test_all_cores_are_used_unless_told_otherwise() -> None:
    assert n_cores() >= 1
    seen = set()

    def work(item: int) -> None:
        seen.add(threading.get_ident())
        time.sleep(0.005)

    list(in_parallel(work, range(8 * n_cores())))
    assert len(seen) == n_cores()


@pytest.mark.parametrize("sizes", [(0,), (3, 0, 5), (1000, 100, 3000, 1)])
def test_a_store_gives_back_what_was_put_in_and_nothing_beside(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    given = [rng.integers(0, 256, (n, 50, 50, 3), dtype=np.uint8) for n in sizes]
    store = PatchStore()
    for patches in given:
        store.add(patches)
    taken = store.take()
    np.testing.assert_array_equal(taken, np.concatenate(given))
    assert taken.base is None
    assert len(store.take()) == 0
