"""A slide's report as FHIR R4: a Bundle with DiagnosticReport, Observations, Specimen and Devices.

There is no Patient and no `subject`: the device knows a slide by its identifier and nobody's name, R4 allows
no Specimen as the subject of a report, and a slide's identifier in a patient's place would be filed as one.
Who knows the patient adds them; `specimen` names the slide.

A report is preliminary until somebody signs the slide off, then final, and amended once there are amendments;
an amended report tells the amended counts. Codes are LOINC's where LOINC has the very share that is told,
else our own. Identifiers are UUIDs computed from journal and slide (RFC 4122, version 5): none is random.
"""

import json
import uuid
from typing import Final

from alledge.clock import WallTime
from alledge.report.contents import RESEARCH_WORDS, ModelUse, SlideReport
from alledge.report.fhir_observations import LOINC, conclusion, observations
from alledge.report.latin import visible
from alledge.strict_json import Json

SLIDE_SYSTEM: Final = "urn:allscope:slide"
JOURNAL_SYSTEM: Final = "urn:allscope:journal"
SHA256_SYSTEM: Final = "urn:allscope:sha256"
USE_SYSTEM: Final = "urn:allscope:use"
"""What our own identifiers and tags belong to."""

_PANEL: Final = ("69738-3", "Differential panel, method unspecified - Blood")
_CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:allscope")

Resource = dict[str, Json]


def report_to_fhir(report: SlideReport) -> bytes:
    """The Bundle as JSON, UTF-8; the same bytes for the same report."""
    return (json.dumps(fhir_bundle(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def fhir_bundle(report: SlideReport) -> Resource:
    """The Bundle (type collection) as plain values."""
    software = _entry(report, "device-software", _software(report))
    models = [_entry(report, f"device-model-{use.sha256}", _model(use)) for use in report.origin.models]
    specimen = _entry(report, "specimen", _specimen(report))
    parts = {"specimen": _reference(specimen), "device": _reference((models or [software])[0])}
    found: list[Resource] = []
    for told in observations(report, report_status(report)):
        rests: Resource = {"derivedFrom": [_reference(found[0])]} if told.rests_on_the_first else {}
        body = {**told.resource, **parts, **_period(report), **rests}
        found.append(_entry(report, f"observation-{told.role}", body))
    result: list[Json] = [_reference(entry) for entry in found]
    head = _entry(report, "report", _diagnostic_report(report, result, _reference(specimen)))
    entries: list[Json] = [head, *found, specimen, software, *models]
    bundle: Resource = {
        "resourceType": "Bundle",
        "meta": _meta(),
        "identifier": {
            "system": JOURNAL_SYSTEM,
            "value": f"{report.journal_id or 'unknown'}/{report.slide.slide_id}/{report.as_of.count}",
        },
        "type": "collection",
        **_stamped("timestamp", report.as_of_wall),
        "entry": entries,
    }
    return bundle


def report_status(report: SlideReport) -> str:
    """R4's word for how far the report may be relied on."""
    if report.signed is None:
        return "preliminary"
    return "amended" if report.amendments else "final"


def _diagnostic_report(report: SlideReport, result: list[Json], specimen: Json) -> Resource:
    hematology: Json = {"system": _CATEGORIES, "code": "HM", "display": "Hematology"}
    told: Resource = {
        "resourceType": "DiagnosticReport",
        "identifier": [{"system": JOURNAL_SYSTEM, "value": report.as_of.hash}],
        "status": report_status(report),
        "category": [{"coding": [hematology]}],
        "code": {"coding": [{"system": LOINC, "code": _PANEL[0], "display": _PANEL[1]}]},
        **_period(report),
        **_stamped("issued", report.as_of_wall),
        "specimen": [specimen],
        "conclusion": f"{conclusion(report)} {RESEARCH_WORDS}",
    }
    if result:
        told["result"] = result
    if report.signed is not None:
        told["resultsInterpreter"] = [{"display": visible(report.signed.who) or "not named"}]
    return told


def _specimen(report: SlideReport) -> Resource:
    slide = report.slide
    identifier = visible(slide.identifier).strip() or f"slide {slide.slide_id}"
    return {
        "resourceType": "Specimen",
        "identifier": [{"system": SLIDE_SYSTEM, "value": identifier}],
        "type": {"text": "Stained peripheral blood smear on a slide"},
        "note": [{"text": f"Slide {slide.slide_id} of journal {report.journal_id or 'unknown'}."}],
    }


def _software(report: SlideReport) -> Resource:
    versions: list[Json] = [{"value": version} for version in report.origin.software]
    device: Resource = {
        "resourceType": "Device",
        "deviceName": [{"name": "allscope", "type": "manufacturer-name"}],
        "type": {"text": "Software that finds and counts white cells under a microscope"},
    }
    return device | ({"version": versions} if versions else {})


def _model(use: ModelUse) -> Resource:
    return {
        "resourceType": "Device",
        "identifier": [{"system": SHA256_SYSTEM, "value": use.sha256}],
        "deviceName": [{"name": visible(use.name) or "model", "type": "model-name"}],
        "type": {"text": "Model that calls white cells"},
        "version": [{"type": {"text": "SHA-256 of the model file"}, "value": use.sha256}],
    }


def _entry(report: SlideReport, role: str, resource: Resource) -> Resource:
    """A resource in the bundle, under a UUID that the same report has every time."""
    name = f"{report.journal_id}:{report.slide.slide_id}:{role}"
    number = str(uuid.uuid5(_NAMESPACE, name))
    kind = resource.pop("resourceType")
    body: Resource = {"resourceType": kind, "id": number, "meta": _meta(), **resource}
    return {"fullUrl": f"urn:uuid:{number}", "resource": body}


def _reference(entry: Resource) -> Json:
    return {"reference": entry["fullUrl"]}


def _meta() -> Json:
    return {"tag": [{"system": USE_SYSTEM, "code": "research-use-only", "display": RESEARCH_WORDS}]}


def _period(report: SlideReport) -> Resource:
    """From the slide's start to its end, as far as the clock could tell."""
    ends = {"start": report.slide.started, "end": report.slide.ended}
    told: Resource = {name: wall.iso for name, wall in ends.items() if wall is not None and _is_time(wall)}
    in_order = report.slide.ended is None or report.slide.started.unix_s <= report.slide.ended.unix_s
    return {"effectivePeriod": told} if told and in_order else {}


def _stamped(name: str, wall: WallTime) -> Resource:
    return {name: wall.iso} if _is_time(wall) else {}


def _is_time(wall: WallTime) -> bool:
    return wall.iso.endswith("Z")
