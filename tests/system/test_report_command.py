"""`alledge report` and `alledge export` as a user types them."""

import json
from pathlib import Path

import pytest

from alledge.journal.reading import JournalReader
from tests.edge.report.made import a_journal, reviewed_slide
from tests.edge.tiny_model import tiny_model_bytes
from tests.system.processes import run_command


@pytest.fixture
def device(tmp_path: Path) -> tuple[Path, int]:
    """A data folder with one reviewed slide, and its number."""
    with a_journal(tmp_path) as journal:
        return tmp_path, reviewed_slide(journal)[0]


@pytest.mark.parametrize(("name", "start"), [("r.pdf", b"%PDF-"), ("r.html", b"<!doctype html>")])
def test_a_report_is_written_and_is_the_same_file_again(
    device: tuple[Path, int], name: str, start: bytes
) -> None:
    data, slide = device
    files = [data / "first" / name, data / "second" / name]
    for file in files:
        file.parent.mkdir()
        done = run_command("alledge", "report", slide, "--data", data, "--out", file, "--noted-by", "Dr A")
        assert "Not signed off" in done.must_succeed().out
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().startswith(start)
    with JournalReader(data / "journal.sqlite3") as reader:
        assert [event.fields()["who"] for event in reader.events(kind="report-made")] == ["Dr A", "Dr A"]


def test_a_report_changes_nothing_unless_asked_to_note_it(device: tuple[Path, int]) -> None:
    data, slide = device
    with JournalReader(data / "journal.sqlite3") as reader:
        before = reader.head()
        run_command("alledge", "report", slide, "--data", data, "--out", data / "r.html").must_succeed()
        assert reader.head() == before


def test_the_hash_that_a_report_quotes_verifies_the_journal(device: tuple[Path, int]) -> None:
    data, slide = device
    told = data / "r.json"
    run_command("alledge", "export", slide, "--data", data, "--format", "json", "--out", told).must_succeed()
    head = json.loads(told.read_text())["journal"]["hash"]
    run_command("alledge", "report", slide, "--data", data, "--out", data / "r.pdf", "--noted-by", "x")
    run_command("alledge", "verify-log", "--data", data, "--head", head).must_succeed()


def test_the_report_speaks_german(device: tuple[Path, int]) -> None:
    data, slide = device
    out = data / "r.html"
    run_command("alledge", "report", slide, "--data", data, "--language", "de", "--out", out).must_succeed()
    assert "Nicht freigegeben" in out.read_text(encoding="utf-8")


def test_a_model_file_that_did_not_call_the_cells_lends_no_card(device: tuple[Path, int]) -> None:
    data, slide = device
    (data / "model.tflite").write_bytes(tiny_model_bytes())
    out = data / "r.html"
    run_command("alledge", "report", slide, "--data", data, "--out", out).must_succeed()
    assert "The model&#39;s card is not at hand" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("7", "--out", "r.pdf"), "slide-unusable"), (("2", "--out", "r.doc"), "path-unusable"),
     (("2", "--out", "r.pdf", "--language", "xx"), "language-unknown")],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_a_line(
    device: tuple[Path, int], arguments: tuple[str, ...], code: str
) -> None:
    run_command("alledge", "report", *arguments, "--data", device[0], cwd=device[0]).must_refuse(code)


def test_without_a_format_an_export_is_json_lines_as_ever(device: tuple[Path, int]) -> None:
    data, slide = device
    out = data / "fields.jsonl"
    run_command("alledge", "export", slide, "--data", data, "--out", out).must_succeed()
    assert [len(json.loads(line)["cells"]) for line in out.read_text().splitlines()] == [4, 4, 4, 0]


def test_several_slides_are_for_patches_only(device: tuple[Path, int]) -> None:
    data, slide = device
    done = run_command(
        "alledge", "export", slide, slide, "--data", data, "--format", "csv", "--out", data / "c"
    )
    assert done.status == 2


def test_a_slide_may_be_called_by_the_name_on_its_label(device: tuple[Path, int]) -> None:
    data, slide = device
    with JournalReader(data / "journal.sqlite3") as reader:
        name = reader.slide(slide).identifier
    for what, out in (("report", "r.html"), ("export", "r.jsonl")):
        run_command("alledge", what, name, "--data", data, "--out", data / out).must_succeed()
    run_command("alledge", "report", "Z 99", "--data", data, "--out", data / "z.html").must_refuse(
        "slide-unusable"
    )
