"""What stands after words and undos, by its rules and against a plain model of undo and redo."""

from hypothesis import given
from hypothesis import strategies as st

from alledge.review.opinions import Opinion, in_force, standing
from tests.edge.journal.made import WALL


def opinion(event: int, label: str | None = None, undoes: int | None = None) -> Opinion:
    return Opinion(label, "Ada", WALL, event, undoes)


@st.composite
def histories(draw: st.DrawFn) -> list[Opinion]:
    """Words, and undos of any earlier word or undo."""
    history: list[Opinion] = []
    for event in range(1, draw(st.integers(0, 12)) + 1):
        undoes = draw(st.none() | st.integers(1, event - 1)) if event > 1 else None
        history.append(opinion(event, f"label {event}", undoes))
    return history


def test_without_a_word_nothing_stands() -> None:
    assert standing([]) is None


def test_the_newest_word_stands() -> None:
    assert standing([opinion(1, "a"), opinion(2, "b")]) == opinion(2, "b")


def test_no_cell_is_a_word_too() -> None:
    said = standing([opinion(1, "a"), opinion(2, None)])
    assert said is not None
    assert said.label is None


@given(histories())
def test_an_undo_restores_what_stood_before(history: list[Opinion]) -> None:
    number = len(history) + 1
    said = [*history, opinion(number, "new")]
    assert standing(said) == said[-1]
    assert standing([*said, opinion(number + 1, undoes=number)]) == standing(history)


@given(histories())
def test_an_undo_taken_back_restores_what_it_took(history: list[Opinion]) -> None:
    number = len(history) + 1
    undone = [*history, opinion(number, "new"), opinion(number + 1, undoes=number)]
    assert standing([*undone, opinion(number + 2, undoes=number + 1)]) == undone[-2]


@given(histories())
def test_what_stands_is_the_newest_word_in_force(history: list[Opinion]) -> None:
    words = [word for word in in_force(history) if word.undoes is None]
    assert standing(history) == (words[-1] if words else None)


@given(histories())
def test_what_is_in_force_no_undo_in_force_names(history: list[Opinion]) -> None:
    kept = in_force(history)
    named = {word.undoes for word in kept}
    assert not named & {word.event for word in kept}
    assert all(word in kept or any(undo.undoes == word.event for undo in kept) for word in history)
