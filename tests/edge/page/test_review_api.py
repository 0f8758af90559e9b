"""A slide reviewed through the page's addresses, from the first look to the signature and beyond."""

import hashlib
from pathlib import Path

import pytest

from alledge.journal.reading import JournalReader
from alledge.journal.verification import verify_journal
from alledge.strict_json import Json
from alledge.types import Call
from tests.edge.journal.made import WALL
from tests.edge.page.bench import Bench
from tests.edge.page.made import browser
from tests.edge.review.made import begin_slide, tracked


def events(bench: Bench, kind: str) -> list[dict[str, Json]]:
    with JournalReader(bench.journal.path) as reader:
        return [event.fields() for event in reader.events(kind=kind, limit=1000)]


def test_cells_come_as_columns_of_one_length_with_the_models_call_and_no_word(bench: Bench) -> None:
    told = bench.browser.cells(bench.slide)
    columns = [value for key, value in told.items() if key not in ("as_of", "withdrawn", "labels")]
    assert {len(column) for column in columns} == {6}
    assert [told["labels"][call] for call in told["call"]] == ["blast", "normal", "blast"] * 2
    assert told["review"] == [0, 0, 1] * 2
    assert told["word"] == [-2] * 6


def test_a_cell_that_its_threshold_calls_otherwise_tells_its_likeliest_label_too(tmp_path: Path) -> None:
    torn = Call("normal", {"normal": 0.29, "blast": 0.71}, review=True, reason="close to the threshold")
    journal, _, slide = begin_slide(tmp_path, ended=False)
    journal.append_field(slide, tracked(9, [(99, torn, True, True)]))
    with browser(tmp_path) as asked:
        asked.enter()
        told = asked.cells(slide)
    journal.close()
    assert told["labels"][told["call"][-1]] == "normal"
    assert told["labels"][told["guess"][-1]] == "blast"
    assert (told["p"][-1], told["guess_p"][-1]) == (0.29, 0.71)


def test_a_word_an_undo_and_what_changed_since(bench: Bench) -> None:
    asked, slide = bench.browser, bench.slide
    before = asked.cells(slide)["as_of"]
    changed = asked.say(slide, [0, 2], "monocyte").json()
    assert changed["index"] == [0, 2]
    assert [changed["labels"][word] for word in changed["word"]] == ["monocyte"] * 2
    assert asked.get(f"/api/slides/{slide}/cells?since={before}").json()["index"] == [0, 2]
    assert asked.post(f"/api/slides/{slide}/undo").json()["word"] == [-2, -2]
    answer = asked.post(f"/api/slides/{slide}/undo")
    assert answer.status_code == 404
    cell = asked.get(f"/api/slides/{slide}/cells/0").json()
    assert [(word["who"], word["stands"], word["undoes"] is None) for word in cell["history"]] == [
        ("Ada", False, True),
        ("Ada", True, False),
    ]


def test_no_cell_is_a_word_and_the_cell_leaves_the_count(bench: Bench) -> None:
    changed = bench.browser.say(bench.slide, [1], None).json()
    assert changed["word"] == [-1]
    summary = bench.browser.get(f"/api/slides/{bench.slide}").json()
    assert (summary["excluded"], summary["overridden"]) == (1, 1)


def test_two_reviewers_of_one_cell_the_later_is_told_and_sees_the_first_word(bench: Bench) -> None:
    with browser(bench.folder) as other:
        other.enter("Ben")
        told = other.cells(bench.slide)
        bench.browser.say(bench.slide, [0], "monocyte")
        seen = {"field": told["field"][0], "position": told["position"][0], "seen": told["seen"][0]}
        answer = other.post(f"/api/slides/{bench.slide}/words", {"cells": [seen], "label": "normal"})
        assert (answer.status_code, answer.json()["code"]) == (409, "review-conflict")
        news = other.get(f"/api/slides/{bench.slide}/cells?since={told['as_of']}").json()
        assert (news["index"], news["who"]) == ([0], ["Ada"])


def test_sign_off_says_why_not_then_signs_then_the_slide_is_read_only(bench: Bench) -> None:
    asked, path = bench.browser, f"/api/slides/{bench.slide}"
    summary = asked.get(path).json()
    assert summary["refusal"]["what"] == "2 cells wait for a person."
    assert asked.post(f"{path}/sign-off", {"as_of": summary["as_of"]}).status_code == 409
    assert "disabled" in asked.get(f"/slides/{bench.slide}/sign-off").text
    asked.say(bench.slide, [2, 5], "blast")
    stale = asked.post(f"{path}/sign-off", {"as_of": summary["as_of"]})
    assert stale.json()["code"] == "review-conflict"
    signed = asked.post(f"{path}/sign-off", {"as_of": asked.get(path).json()["as_of"]}).json()
    assert signed["signed"]["who"] == "Ada"
    assert asked.say(bench.slide, [0], "normal").json()["code"] == "slide-signed"
    told = asked.cells(bench.slide)
    place = {"field": told["field"][0], "position": told["position"][0]}
    amended = asked.post(f"{path}/amendments", {**place, "label": "normal", "reason": "Second look."}).json()
    assert [(entry["kind"], entry["label"]) for entry in amended["entries"]] == [("amendment", "normal")]
    assert amended["counts"] == signed["counts"]
    assert "Second look." in asked.get(f"/slides/{bench.slide}/sign-off").text
    withdrawn = asked.post(f"{path}/sign-off/withdrawal", {"reason": "Wrong slide."}).json()
    assert withdrawn["signed"] is None
    assert verify_journal(bench.journal.path).broken is None


@pytest.mark.parametrize(
    ("kind", "starts"),
    [("pdf", b"%PDF-"), ("html", b"<!doctype html>"), ("json", b"{"), ("fhir", b"{"), ("csv", b"")],
)
def test_each_view_of_a_report_is_noted_with_the_name(bench: Bench, kind: str, starts: bytes) -> None:
    answer = bench.browser.get(f"/slides/{bench.slide}/report.{kind}")
    assert answer.content.lower().startswith(starts.lower())
    (noted,) = events(bench, "report-viewed")
    assert (noted["slide_id"], noted["who"], noted["format"]) == (bench.slide, "Ada", kind)
    assert noted["sha256"] == hashlib.sha256(answer.content).hexdigest()


def test_when_cells_turn_out_to_be_others_the_page_is_told_to_begin_anew(bench: Bench) -> None:
    before = bench.browser.cells(bench.slide)
    bench.journal.append_event("cells-withdrawn", {"slide_id": bench.slide, "cells": [[4, 1]]}, WALL)
    news = bench.browser.get(f"/api/slides/{bench.slide}/cells?since={before['as_of']}").json()
    assert (before["withdrawn"], news["withdrawn"]) == (0, 1)
    assert len(bench.browser.cells(bench.slide)["index"]) == 5


def test_a_patch_is_named_by_its_hash_and_may_be_kept_forever(bench: Bench) -> None:
    told = bench.browser.cells(bench.slide)
    path = f"/patches/{told['field'][0]}/{told['position'][0]}/{told['patch'][0]}.png"
    answer = bench.browser.get(path)
    assert answer.content.startswith(b"\x89PNG")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_many_patches_come_with_one_request_and_one_that_is_gone_is_empty(bench: Bench) -> None:
    told = bench.browser.cells(bench.slide)
    places = [f"{told['field'][i]}.{told['position'][i]}" for i in (5, 0)]
    data = bench.browser.get(f"/patches?at={','.join([*places, '999.0'])}").content
    sizes = []
    while data:
        size = int.from_bytes(data[:4], "big")
        sizes.append(size)
        assert data[4 : 4 + size].startswith(b"\x89PNG") or not size
        data = data[4 + size :]
    assert [size > 0 for size in sizes] == [True, True, False]


@pytest.mark.parametrize("at", ["", "3", "-1.0", "3.0,", "3.-1", "1.1;", ",".join(["3.0"] * 129)])
def test_places_that_are_none_are_refused(bench: Bench, at: str) -> None:
    assert bench.browser.get(f"/patches?at={at}").status_code == 422


def test_the_wider_field_without_a_picture_tells_the_cells_around_in_micrometres(bench: Bench) -> None:
    told = bench.browser.get(f"/api/slides/{bench.slide}/cells/1/wider").json()
    assert told["picture"] is None
    own = [cell for cell in told["cells"] if cell["index"] == 1]
    assert (own[0]["dx_um"], own[0]["dy_um"]) == (0.0, 0.0)


def test_without_a_service_the_page_says_so_and_orders_are_refused(bench: Bench) -> None:
    assert bench.browser.get("/api/status").json()["state"] == "unreachable"
    answer = bench.browser.post("/api/orders", {"order": "pause"})
    assert (answer.status_code, answer.json()["code"]) == (503, "service-unreachable")


def test_without_a_journal_the_page_waits_for_one(tmp_path: Path) -> None:
    with browser(tmp_path) as asked:
        asked.enter()
        assert asked.get("/api/slides").json()["code"] == "path-unusable"
        assert asked.get("/").status_code == 200
        assert asked.get("/slides/2").status_code == 503
        assert not (tmp_path / "journal.sqlite3").exists()


def test_a_refusal_speaks_the_readers_language_where_a_person_reads_it(bench: Bench) -> None:
    assert "The journal has no slide 9999." in bench.browser.get("/slides/9999").text
    bench.browser.client.cookies.set("language", "de")
    german = bench.browser.get("/slides/9999").text
    assert "Diesen Objektträger" in german
    assert "The journal" not in german
    told = bench.browser.get("/api/slides/9999").json()
    assert told["what"] == "The journal has no slide 9999.", "programs are told in English"


def test_the_page_speaks_the_readers_language(bench: Bench) -> None:
    bench.browser.client.cookies.set("language", "de")
    html = bench.browser.get(f"/slides/{bench.slide}").text
    assert '<html lang="de">' in html
    assert "Nur für die Forschung" in html
    bench.browser.client.cookies.set("language", "../../etc")
    assert '<html lang="en">' in bench.browser.get("/").text
