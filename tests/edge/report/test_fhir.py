"""The FHIR Bundle holds to R4: read by a library, and by the rules that the library leaves to its user."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from alledge.report.contents import SlideReport
from alledge.report.fhir import fhir_bundle, report_to_fhir
from tests.edge.report.made import a_journal, amendment, report_of, reviewed_slide, say, wall

UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
def report(tmp_path: Path) -> SlideReport:
    with a_journal(tmp_path) as journal:
        return report_of(journal, reviewed_slide(journal)[0])


def resources(report: SlideReport, kind: str) -> list[dict[str, Any]]:
    bundle = json.loads(report_to_fhir(report))
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def walk(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield name, item
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


def test_a_library_reads_it_and_drops_nothing(report: SlideReport) -> None:
    written = report_to_fhir(report)
    read = json.loads(Bundle.model_validate_json(written).model_dump_json())
    assert sorted(name for name, _ in walk(read)) == sorted(name for name, _ in walk(json.loads(written)))


def test_every_reference_leads_into_the_bundle_and_every_address_is_used_once(report: SlideReport) -> None:
    bundle = json.loads(report_to_fhir(report))
    addresses = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(addresses)) == len(addresses)
    assert all(UUID.fullmatch(address) for address in addresses)
    assert all(entry["fullUrl"].endswith(entry["resource"]["id"]) for entry in bundle["entry"])
    assert {value for name, value in walk(bundle) if name == "reference"} <= set(addresses)


def test_nothing_is_empty_which_r4_forbids(report: SlideReport) -> None:
    empty: tuple[object, ...] = ("", None, [], {})
    assert [name for name, value in walk(json.loads(report_to_fhir(report))) if value in empty] == []


def test_there_is_no_patient_and_no_subject(report: SlideReport) -> None:
    bundle = json.loads(report_to_fhir(report))
    assert not {"subject", "patient"} & {name for name, _ in walk(bundle)}
    (specimen,) = resources(report, "Specimen")
    assert specimen["identifier"][0]["value"] == "S-1"
    assert all(found["specimen"] for found in resources(report, "Observation"))


def test_everything_is_tagged_as_research_only(report: SlideReport) -> None:
    bundle = json.loads(report_to_fhir(report))
    for told in [bundle, *(entry["resource"] for entry in bundle["entry"])]:
        assert told["meta"]["tag"][0]["code"] == "research-use-only"


def test_the_share_of_blasts_has_loincs_code_and_its_interval(report: SlideReport) -> None:
    (blasts,) = [o for o in resources(report, "Observation") if o["code"]["coding"][0]["code"] == "26446-5"]
    assert blasts["valueQuantity"] == {
        "value": 72.73, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%",
    }  # fmt: skip
    parts = {part["code"]["coding"][0]["code"]: part for part in blasts["component"]}
    assert (
        parts["interval-low"]["valueQuantity"]["value"]
        < 72.73
        < parts["interval-high"]["valueQuantity"]["value"]
    )
    assert parts["cells-called"]["valueInteger"] == 11
    assert "referenceRange" not in blasts


def test_the_corrected_share_is_derived_from_the_counted_one(report: SlideReport) -> None:
    found = resources(report, "Observation")
    corrected = next(o for o in found if o["code"]["coding"][0]["code"] == "blasts-corrected")
    assert corrected["derivedFrom"] == [{"reference": f"urn:uuid:{found[0]['id']}"}]


def test_no_component_repeats_the_code_of_its_observation(report: SlideReport) -> None:
    for found in resources(report, "Observation"):  # R4, rule obs-7
        codes = {part["code"]["coding"][0]["code"] for part in found["component"]}
        assert found["code"]["coding"][0]["code"] not in codes


def test_the_model_is_a_device_known_by_its_hash(report: SlideReport) -> None:
    model = resources(report, "Device")[-1]
    assert model["identifier"][0]["value"] == report.origin.models[0].sha256
    assert {o["device"]["reference"] for o in resources(report, "Observation")} == {f"urn:uuid:{model['id']}"}


def test_neutrophils_without_their_bands_have_no_code_of_loinc(report: SlideReport) -> None:
    first = replace(report.counts[0], label="neutrophil")
    alone = replace(report, counts=(first, *report.counts[1:]))
    apart = replace(alone, counts=(*alone.counts, replace(first, label="band neutrophil")))

    def codes(told: SlideReport) -> set[str]:
        return {o["code"]["coding"][0]["code"] for o in resources(told, "Observation")}

    assert "26511-6" in codes(alone)
    assert "26511-6" not in codes(apart)
    assert "26508-2" in codes(apart)


def test_the_status_follows_the_signature_and_its_amendments(tmp_path: Path) -> None:
    def status(told: SlideReport) -> set[str]:
        kinds = ("DiagnosticReport", "Observation")
        return {found["status"] for kind in kinds for found in resources(told, kind)}

    with a_journal(tmp_path) as journal:
        slide_id, fields = reviewed_slide(journal)
        assert status(report_of(journal, slide_id)) == {"preliminary"}
        journal.append_event("sign-off", {"slide_id": slide_id, "who": "Dr A"}, wall(30))
        signed = report_of(journal, slide_id)
        assert status(signed) == {"final"}
        assert resources(signed, "DiagnosticReport")[0]["resultsInterpreter"] == [{"display": "Dr A"}]
        body = amendment(slide_id, fields[0], "normal", "r")
        journal.append_event("amendment", body, wall(31))
        amended = report_of(journal, slide_id)
        assert status(amended) == {"amended"}
        assert resources(amended, "Observation")[0]["valueQuantity"]["value"] == pytest.approx(63.64)
        Bundle.model_validate(fhir_bundle(amended))
        journal.append_event("sign-off-withdrawn", {"slide_id": slide_id, "who": "Dr A"}, wall(32))
        assert status(report_of(journal, slide_id)) == {"preliminary"}
        say(journal, fields[0], 0, "normal")


def test_a_slide_without_cells_is_still_a_report(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        empty = report_of(journal, journal.start_slide("", wall(0)))
    Bundle.model_validate_json(report_to_fhir(empty))
