"""What the audit concludes: proven leaks, wrong labels, and suspicions, each as one sentence.

A leak is proven when the same picture, the same cell or the same group stands on both sides of a fold:
no opinion is needed for that, and figures of such a study mean nothing. Twins within one fold harm no
figure. Twins with different labels prove that one label is wrong. Everything statistical (a camera that
goes with the class, a probe that tells it) is a suspicion and stays one.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from alledge.strict_json import Json
from alledge.types import I64
from alltrain.audit.correlates import Correlate
from alltrain.audit.probes import CELL, IMAGE, Judged, Probe
from alltrain.audit.twins import TwinKind
from alltrain.datasets.dataset import PatchSet

_NO_LETTER_OR_DIGIT = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Twin:
    """Two images or two patches that show the same thing.

    level: "image" or "patch". first, second: their names. folds, labels: None where there is none.
    images: the images that they are, or were cut from.
    """

    level: str
    first: str
    second: str
    kind: TwinKind
    correlation: float
    detail: float
    change: str
    groups: tuple[str, str]
    folds: tuple[int | None, int | None]
    labels: tuple[str | None, str | None]
    images: tuple[str, str]

    @property
    def is_split(self) -> bool:
        """Whether the two stand in different folds, one training on what the other tests."""
        return None not in self.folds and self.folds[0] != self.folds[1]

    @property
    def labels_differ(self) -> bool:
        """Whether both have a label, and not the same."""
        return None not in self.labels and self.labels[0] != self.labels[1]

    def as_json(self) -> dict[str, Json]:
        """The pair as audit.json holds it."""
        return {
            "level": self.level,
            "first": self.first,
            "second": self.second,
            "kind": str(self.kind),
            "correlation": round(self.correlation, 4),
            "detail": round(self.detail, 4),
            "change": self.change,
            "groups": [*self.groups],
            "folds": [*self.folds],
            "labels": [*self.labels],
            "split": self.is_split,
            "labels_differ": self.labels_differ,
        }


@dataclass(frozen=True, slots=True)
class Leak:
    """One finding. proven: the same thing lies on both sides of a fold; the rest are suspicions.

    code: "twins-split", "group-split", "labels-differ", "groups-alike", "class-correlated", "shortcut",
    "group-shortcut".
    """

    code: str
    sentence: str
    proven: bool

    def as_json(self) -> dict[str, Json]:
        """The finding as audit.json holds it."""
        return {"code": self.code, "sentence": self.sentence, "proven": self.proven}


def find_leaks(
    patch_set: PatchSet,
    fold_of_patch: I64,
    twins: Sequence[Twin],
    correlates: Sequence[Correlate],
    probes: Sequence[Probe],
) -> tuple[Leak, ...]:
    """All findings, proven ones first."""
    return (
        *_split_twins(twins),
        *_split_groups(patch_set, fold_of_patch),
        *_wrong_labels(twins),
        *_groups_alike(patch_set, fold_of_patch),
        *(Leak("class-correlated", one.sentence(), proven=False) for one in correlates if one.tells),
        *_shortcuts(probes),
    )


def _split_twins(twins: Sequence[Twin]) -> list[Leak]:
    found = []
    for level, what in (("image", "images"), ("patch", "cells")):
        split = [twin for twin in twins if twin.level == level and twin.is_split]
        if split:
            worst = split[0]
            found.append(
                Leak(
                    "twins-split",
                    f"{_count(split)} of twin {what} stand in different folds, so that a model is tested on "
                    f"what it was trained on ({_by_kind(split)}), such as {worst.first} and {worst.second}.",
                    proven=True,
                )
            )
    return found


def _split_groups(patch_set: PatchSet, fold_of_patch: I64) -> list[Leak]:
    folds = _folds_by(patch_set.groups, fold_of_patch)
    split = sorted(group for group, found in folds.items() if len(found) > 1)
    if not split:
        return []
    what = "group" if len(split) == 1 else "groups"
    sentence = (
        f"{len(split)} {what} (patient, slide or session) in several folds: {_some(split)}; cells of one "
        "smear share stain, lamp and patient."
    )
    return [Leak("group-split", sentence, proven=True)]


def _wrong_labels(twins: Sequence[Twin]) -> list[Leak]:
    found = []
    for level, what in (("image", "images"), ("patch", "cells")):
        wrong = [twin for twin in twins if twin.level == level and twin.labels_differ]
        if wrong:
            one = wrong[0]
            found.append(
                Leak(
                    "labels-differ",
                    f"{_count(wrong)} of twin {what} have different labels, so one of each is wrong: "
                    f"{one.first} is {one.labels[0]}, {one.second} is {one.labels[1]}.",
                    proven=False,
                )
            )
    return found


def _groups_alike(patch_set: PatchSet, fold_of_patch: I64) -> list[Leak]:
    """Groups whose names differ in case or punctuation only, in different folds."""
    if not patch_set.grouped:
        return []
    spellings: dict[str, set[str]] = defaultdict(set)
    for group in set(patch_set.groups):
        spellings[_NO_LETTER_OR_DIGIT.sub("", group.lower())].add(group)
    folds = _folds_by(patch_set.groups, fold_of_patch)
    alike = [
        sorted(names)
        for plain, names in sorted(spellings.items())
        if plain and len(names) > 1 and len(set().union(*(folds[name] for name in names))) > 1
    ]
    return [
        Leak(
            "groups-alike",
            f"Groups {' and '.join(names)} differ in spelling only and stand in different folds: one group?",
            proven=False,
        )
        for names in alike
    ]


def _shortcuts(probes: Sequence[Probe]) -> list[Leak]:
    """One sentence for each level and kind of folds, naming all probes that tell, best first."""
    found = []
    for level in (CELL, IMAGE):
        of_level = [probe for probe in probes if probe.level == level]
        telling = [(probe.name, probe.grouped) for probe in of_level if probe.tells]
        if telling:
            sentence = f"The class of every {level} is told without any shape by {_best_first(telling)}."
            found.append(Leak("shortcut", sentence, proven=False))
        split = [(probe.name, probe.random) for probe in of_level if probe.tells_the_group]
        known = [(name, judged) for name, judged in split if judged is not None]
        if known:
            sentence = (
                f"Where folds split groups, the class of every {level} is told without any shape by "
                f"{_best_first(known)}: figures from random folds mean nothing here."
            )
            found.append(Leak("group-shortcut", sentence, proven=False))
    return found


def _best_first(judged: Sequence[tuple[str, Judged]]) -> str:
    areas = sorted(
        ((name, one.figures["macro_auroc"]) for name, one in judged), key=lambda pair: -(pair[1].value or 0.0)
    )
    return "; ".join(f"{name}, AUROC {area.in_words()}" for name, area in areas)


def _folds_by(names: Sequence[str], fold_of_patch: I64) -> dict[str, set[int]]:
    folds: dict[str, set[int]] = defaultdict(set)
    for name, fold in zip(names, fold_of_patch, strict=True):
        folds[name].add(int(fold))
    return folds


def _count(twins: Sequence[Twin]) -> str:
    return f"{len(twins)} pair" + ("s" if len(twins) > 1 else "")


def _by_kind(twins: Sequence[Twin]) -> str:
    counts = {kind: sum(twin.kind is kind for twin in twins) for kind in TwinKind}
    return ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
