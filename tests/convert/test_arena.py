"""The memory plan: nothing overlaps that lives together, and no planner could do with less than the bound."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allconvert.arena import ALIGNMENT_BYTES, plan_arena, tensor_bytes
from alledge.flatbuffer import Graph, Operation, Tensor, read_graph
from tests.edge.tiny_model import TinyNetwork


def tensor(*shape: int, kind: str = "int8", n_bytes: int = 0) -> Tensor:
    return Tensor(f"{kind}{shape}", kind, shape, n_bytes, (1.0,), 0)


def chain(*sizes: int) -> Graph:
    """One tensor after the other, each read by the next operation only."""
    tensors = tuple(tensor(1, size) for size in sizes)
    steps = tuple(Operation("CONV_2D", (at,), (at + 1,)) for at in range(len(sizes) - 1))
    return Graph(tensors, tensors[:1], tensors[-1:], steps)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Operations that read any earlier tensors, as branches and additions do."""
    sizes = draw(st.lists(st.integers(1, 5000), min_size=2, max_size=14))
    tensors = tuple(tensor(1, size) for size in sizes)
    steps = []
    for at in range(1, len(sizes)):
        read = draw(st.sets(st.integers(0, at - 1), min_size=1, max_size=3))
        steps.append(Operation("ADD", tuple(sorted(read)), (at,)))
    return Graph(tensors, tensors[:1], tensors[-1:], tuple(steps))


@given(graphs())
def test_what_lives_together_does_not_overlap_and_is_aligned(graph: Graph) -> None:
    arena = plan_arena(graph)
    assert all(one.offset_bytes % ALIGNMENT_BYTES == 0 for one in arena.placements)
    for one, other in combinations(arena.placements, 2):
        apart = one.end_bytes <= other.offset_bytes or other.end_bytes <= one.offset_bytes
        assert apart or not one.meets(other)


@given(graphs())
def test_the_plan_lies_between_the_bound_and_a_place_for_each(graph: Graph) -> None:
    arena = plan_arena(graph)
    everything = sum(-(-one.n_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES for one in arena.placements)
    assert arena.least_bytes <= arena.n_bytes <= everything


def test_a_tensor_gives_its_place_to_one_that_comes_later() -> None:
    arena = plan_arena(chain(64, 640, 6400, 640, 64))
    # Beside input and largest there is room for one more, and the first of 640 gives it to the second.
    assert arena.n_bytes == arena.least_bytes == 64 + 6400 + 640


def test_input_and_output_are_never_overwritten() -> None:
    placements = {one.tensor: one for one in plan_arena(chain(100, 50, 50, 50, 7)).placements}
    assert (placements[0].first, placements[0].last) == (0, 3)
    assert placements[4].last == 3


def test_weights_are_not_in_the_arena() -> None:
    source, weights, sink = tensor(1, 10), tensor(2, 10, n_bytes=20), tensor(1, 2)
    graph = Graph(
        (source, weights, sink), (source,), (sink,), (Operation("FULLY_CONNECTED", (0, 1, -1), (2,)),)
    )
    assert [one.tensor for one in plan_arena(graph).placements] == [0, 2]


@pytest.mark.parametrize(("kind", "n_bytes"), [("int8", 24), ("int16", 48), ("float32", 96), ("int64", 192)])
def test_an_element_takes_what_its_type_takes(kind: str, n_bytes: int) -> None:
    assert tensor_bytes(tensor(1, 4, 6, kind=kind)) == n_bytes


def test_a_file_of_two_operations_is_planned() -> None:
    arena = plan_arena(read_graph(TinyNetwork().build()))
    assert arena.least_bytes == 7500 + 7500 + 2
    assert arena.n_bytes >= arena.least_bytes
