"""`--require-support`: margins that so few patches cannot show are objections too."""

from dataclasses import replace

from allconvert.commands.quantize import hold_to_support
from allconvert.fidelity import Margins, compare
from allconvert.quantise import Proof


def judged_by(proof: Proof, margins: Margins) -> Proof:
    """The same calls, held to other margins."""
    return replace(
        proof,
        margins=margins,
        on_test_folds=compare(proof.pairs, margins, "test folds"),
        on_validation=compare(proof.pairs_on_validation, margins, "validation"),
        objections=(),
    )


def test_margins_that_are_shown_leave_the_model_alone(converted: tuple[Proof, bytes]) -> None:
    wide = judged_by(converted[0], Margins(0.5, 0.5))
    assert hold_to_support(wide, b"model") == (wide, b"model")


def test_margins_that_are_not_shown_become_objections_with_the_number_that_would_do(
    converted: tuple[Proof, bytes],
) -> None:
    strict = judged_by(converted[0], Margins(0.001, 0.0001))
    held, data = hold_to_support(strict, b"model")
    assert data is None
    assert held.objections == (*strict.on_test_folds.unsupported, *strict.on_validation.unsupported)
    assert any("takes about" in objection for objection in held.objections)


def test_a_model_that_was_refused_stays_refused(converted: tuple[Proof, bytes]) -> None:
    refused = replace(judged_by(converted[0], Margins(0.5, 0.5)), objections=("another reason",))
    held, data = hold_to_support(refused, None)
    assert held.objections == ("another reason",)
    assert data is None
