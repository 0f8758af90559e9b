"""The Observations of a FHIR report: one a class, the share of blasts, and the same corrected.

Every share is told in percent with its exact interval as components, never as a reference range: a range says
what is normal, an interval how sure the count is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from alledge.differential import Differential, Share
from alledge.report.contents import RESEARCH_WORDS, SlideReport
from alledge.report.latin import visible
from alledge.report.tally import share_of
from alledge.strict_json import Json

LOINC: Final = "http://loinc.org"
CODES: Final = "urn:allscope:code"
UCUM: Final = "http://unitsofmeasure.org"
BLASTS: Final = ("26446-5", "Blasts/100 leukocytes in Blood")

_BANDS: Final = "band neutrophil"
_OF_LEUKOCYTES: Final = {
    "lymphocyte": ("26478-8", "Lymphocytes/100 leukocytes in Blood"),
    "monocyte": ("26485-3", "Monocytes/100 leukocytes in Blood"),
    "eosinophil": ("26450-7", "Eosinophils/100 leukocytes in Blood"),
    "basophil": ("30180-4", "Basophils/100 leukocytes in Blood"),
    "neutrophil": ("26511-6", "Neutrophils/100 leukocytes in Blood"),
    _BANDS: ("26508-2", "Band form neutrophils/100 leukocytes in Blood"),
    "immature granulocyte": ("38518-7", "Immature granulocytes/100 leukocytes in Blood"),
    "plasma cell": ("13047-6", "Plasma cells/100 leukocytes in Blood"),
}
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_DECIMALS: Final = 2

Resource = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Told:
    """One Observation, without specimen, device and time. role: its name within the report.

    rests_on_the_first: it is derived from the first one, the share of blasts.
    """

    role: str
    resource: Resource
    rests_on_the_first: bool = False


def observations(report: SlideReport, status: str) -> Iterator[Told]:
    """Everything that was counted, the share of blasts first."""
    told = report.amended or report.told
    if told is not None and told.blast_share is not None:
        yield Told("blasts", _blasts(told, told.blast_share, status))
    if told is not None and told.corrected is not None:
        code = _own("blasts-corrected", "Share of blasts, corrected for the model's errors (Rogan-Gladen)")
        yield Told("blasts-corrected", _observation(code, told.corrected, status), rests_on_the_first=True)
    for label, n, by_person, share in _classes(report, told):
        components = [_number("cells", "Cells of this class", n)]
        if by_person is not None:
            components.append(_number("cells-by-person", "Of them on a person's word", by_person))
        code = _code_of(label, report)
        yield Told(f"class-{label}", _observation(code, share, status, components))


def conclusion(report: SlideReport) -> str:
    """The result in one sentence."""
    told = report.amended or report.told
    share = None if told is None else told.blast_share
    if told is None or share is None:
        return f"{report.n_called} white cells with a label; no share of blasts."
    low, high = (f"{100 * end:.1f}" for end in share.ci95)
    waiting = f", {told.n_review} more wait for a person" if told.n_review else ""
    return (
        f"{100 * share.value:.1f} % blasts (95 % interval {low} to {high} %) among {told.n_called} white "
        f"cells with a label{waiting}."
    )


def _classes(report: SlideReport, told: Differential | None) -> Iterator[tuple[str, int, int | None, Share]]:
    """(label, cells, of them by a person, share) of each class; with amendments the amended counts."""
    if report.amended is not None and told is not None:
        for label, n in told.counts.items():
            share = share_of(n, told.n_called)
            if share is not None:
                yield label, n, None, share
        return
    for count in report.counts:
        if count.share is not None:
            yield count.label, count.n, count.n_by_person, count.share


def _code_of(label: str, report: SlideReport) -> Json:
    """LOINC's code where it means the same share; neutrophils without their bands have none."""
    counted_apart = any(count.label == _BANDS and count.n for count in report.counts)
    known = None if label == "neutrophil" and counted_apart else _OF_LEUKOCYTES.get(label)
    if known is None:
        return _own("class-share", "Share of a class among the white cells with a label", label)
    return {"coding": [_coding(LOINC, *known)], "text": visible(label)}


def _blasts(told: Differential, share: Share, status: str) -> Resource:
    code: Json = {"coding": [_coding(LOINC, *BLASTS)], "text": "Share of blasts"}
    components = [
        _number("cells-called", "White cells with a label", told.n_called),
        _number("cells-waiting", "White cells that wait for a person", told.n_review),
    ]
    if told.if_review_none is not None and told.if_review_all is not None:
        none, every = told.if_review_none.value, told.if_review_all.value
        components.append(_percent("if-waiting-none", "Share if those that wait are no blasts", none))
        components.append(_percent("if-waiting-all", "Share if those that wait are blasts", every))
    return _observation(code, share, status, components)


def _observation(code: Json, share: Share, status: str, components: list[Json] | None = None) -> Resource:
    laboratory: Json = {"system": _CATEGORY, "code": "laboratory", "display": "Laboratory"}
    low, high = share.ci95
    interval = [
        _percent("interval-low", "Lower end of the 95 % interval", low),
        _percent("interval-high", "Upper end of the 95 % interval", high),
    ]
    return {
        "resourceType": "Observation",
        "status": status,
        "category": [{"coding": [laboratory]}],
        "code": code,
        "valueQuantity": _quantity(share.value),
        "method": {"text": "Microscopy, cells called by a model and reviewed by a person"},
        "note": [{"text": RESEARCH_WORDS}],
        "component": [*interval, *(components or [])],
    }


def _percent(code: str, words: str, share: float) -> Json:
    return {"code": _own(code, words), "valueQuantity": _quantity(share)}


def _number(code: str, words: str, n: int) -> Json:
    return {"code": _own(code, words), "valueInteger": n}


def _quantity(share: float) -> Json:
    return {"value": round(100 * share, _DECIMALS), "unit": "%", "system": UCUM, "code": "%"}


def _own(code: str, words: str, text: str | None = None) -> Json:
    return {"coding": [_coding(CODES, code, words)], "text": visible(text or words)}


def _coding(system: str, code: str, display: str) -> Json:
    return {"system": system, "code": code, "display": display}
