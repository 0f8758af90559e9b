"""What each figure is called and what it means, in the words of a report.

One place, so that the report of a fit, of an evaluation and of a comparison say the same.
"""

from typing import Final

ACRONYMS: Final = frozenset({"auroc", "auprc", "f1", "mcc", "ece", "npv"})

_AT_FIXED: Final = {
    f"{wanted}_at_{fixed}_{percent}": (
        f"greatest {wanted} of any threshold with {fixed} 0.{percent} on these cells, not of the one used"
    )
    for wanted, fixed in (("sensitivity", "specificity"), ("specificity", "sensitivity"))
    for percent in (90, 95)
}

MEANINGS: Final = {
    "accuracy": "share of cells called by their label",
    "accuracy_without_review": "the same among cells that were not sent to review",
    "review_share": "share of cells on which the model abstained",
    "baseline_accuracy": "accuracy of always saying the commonest label",
    "balanced_accuracy": "mean recall of the labels",
    "sensitivity": "share of positive cells called positive",
    "specificity": "share of negative cells called negative",
    "precision": "share of positive calls that are right (PPV); holds for the mixture of cells judged here",
    "npv": "share of negative calls that are right; holds for the mixture of cells judged here",
    "auroc": "chance that a positive cell scores above a negative one",
    "macro_auroc": "mean over labels of one label against the others",
    "macro_precision": "mean precision of the labels",
    "macro_f1": "mean F1 of the labels",
    "auprc": "average precision of the positive side",
    "f1": "harmonic mean of precision and sensitivity",
    "mcc": "Matthews correlation of truth and call, 0 by chance",
    "ece": "expected calibration error, 0 is best",
    "brier": "mean squared error of the probabilities, 0 is best",
    **_AT_FIXED,
}

_OF_LABEL: Final = {
    "recall": "share of {label} cells called {label}",
    "precision": "share of calls of {label} that are right",
    "f1": "harmonic mean of precision and recall of {label}",
    "auroc": "chance that a {label} cell scores higher for {label} than another cell",
}


def title_and_meaning(name: str) -> tuple[str, str]:
    """("Balanced accuracy", "mean recall of the labels"), for any name that metrics.json uses.

    Raises:
        KeyError: no figure has this name.
    """
    if name in MEANINGS:
        return _title(name), MEANINGS[name]
    kind, _, label = name.partition("_")
    return f"{_title(kind)}: {label}", _OF_LABEL[kind].format(label=label)


def _title(name: str) -> str:
    words = name.removesuffix("_90").removesuffix("_95").split("_")
    shown = [word.upper() if word in ACRONYMS else word for word in words]
    percent = f" 0.{name[-2:]}" if name in _AT_FIXED else ""
    return " ".join([shown[0][:1].upper() + shown[0][1:], *shown[1:]]) + percent
