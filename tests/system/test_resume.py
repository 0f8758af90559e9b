"""A slide goes on after its service was killed: each cell counted once, by the truth of the phantom slide."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from alledge.clock import SystemClock
from alledge.images import encode_image
from alledge.journal import JOURNAL_NAME, open_journal
from alledge.journal.reading import JournalReader
from alledge.phantom.hand import hand_path
from alledge.phantom.slide import PhantomSlide
from alledge.phantom.slide_spec import parse_slide_spec
from alledge.phantom.tally import CountVerdict, FoundSpot, Tally, TrueSpot
from tests.system.processes import run_command
from tests.system.running_service import Service, Start, codes, model_file, start

__all__ = ["model_file", "start"]

UM = 0.2
SPEC = f"slide=3,width_px=640,height_px=480,pixel_um={UM},hand=1,overlap=0.4"
N_FIELDS = 12


@dataclass(frozen=True)
class Walk:
    """Fields of one slide as a hand shows them, as image files, with what is true of each."""

    folder: Path
    corners_um: dict[str, tuple[float, float]]
    slide: PhantomSlide


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    folder = tmp_path_factory.mktemp("walk")
    asked = parse_slide_spec(SPEC)
    p = asked.parameters
    slide, corners = PhantomSlide(p), {}
    path = hand_path(asked.hand_seed, p.width_um, p.height_um, asked.habits)
    for number in range(N_FIELDS):
        stop = next(path)
        name = str(folder / f"{number:02d}.png")
        Path(name).write_bytes(encode_image(slide.photograph(stop.x_um, stop.y_um, number), ".png"))
        corners[name] = (stop.x_um, stop.y_um)
    return Walk(folder, corners, slide)


@pytest.fixture
def slowly(tmp_path: Path, start: Start) -> Start:
    """Serves five fields a second, so that there is a middle to be killed in."""
    (tmp_path / "alledge.toml").write_text("frames_per_s = 5.0\n")
    return start


def kill(service: Service) -> None:
    service.process.kill()
    service.process.communicate()


def judge(walk: Walk, folder: Path, slide_id: int) -> CountVerdict:
    """The count that the journal has of a slide, by the truth of the phantom."""
    tally = Tally()
    with JournalReader(folder / JOURNAL_NAME) as reader:
        for _, field in reader.all_fields(slide_id):
            x0, y0 = walk.corners_um[field.result.source]
            x1, y1 = x0 + field.result.width * UM, y0 + field.result.height * UM
            truth = [
                TrueSpot(number, cell.x_um, cell.y_um)
                for number, cell in (
                    (hash((c.x_um, c.y_um)), c) for c in walk.slide.cells_within(x0, y0, x1, y1)
                )
            ]
            found = [
                FoundSpot(
                    x_um=x0 + stored.cell.x * UM,
                    y_um=y0 + stored.cell.y * UM,
                    cell_id=stored.sighting.cell_id,
                    is_new=stored.sighting.is_new,
                    is_cut=stored.cell.touches_border,
                )
                for stored in field.cells
                if stored.sighting is not None
            ]
            tally.add_field(truth, found)
        return tally.verdict(reader.withdrawn(slide_id))


def test_each_cell_is_counted_once_though_the_service_is_killed_again_and_again(
    slowly: Start, walk: Walk
) -> None:
    n_cells = 0
    for turn, n_fields in enumerate((4, 9, 9 + N_FIELDS)):
        service = slowly(f"file:{walk.folder}", slide=() if turn else ("--slide", "A 17"))
        status = service.wait(lambda told, n=n_fields: told["slide"]["fields"] >= n, f"{n_fields} fields")  # type: ignore[misc]
        assert status["slide"]["cells"] >= n_cells, "what was counted before is counted still"
        assert "slide-not-resumed" not in codes(status)
        ledger = status["ledger"]
        settled = ledger["analysed"] + sum(ledger["dropped"].values())
        assert ledger["captured"] == settled + ledger["in_flight"]
        kill(service)
        n_cells = status["slide"]["cells"]
        with JournalReader(service.folder / JOURNAL_NAME) as reader:
            (slide,) = reader.slides()
        assert (slide.identifier, slide.ended) == ("A 17", None)
    # The last one served the archive to its end: what it told is all there is.
    assert slide.n_cells == n_cells
    verdict = judge(walk, service.folder, slide.slide_id)
    assert verdict.n_countable == n_cells
    assert verdict.n_countable >= 10
    assert (verdict.n_double, verdict.n_lost) == (0, 0)
    run_command("alledge", "verify-log", "--data", service.folder).must_succeed()


def test_the_differential_after_a_restart_is_that_of_the_journal(start: Start, walk: Walk) -> None:
    service = start(f"file:{walk.folder}")
    service.wait(lambda told: told["slide"]["fields"] >= 6, "six fields")
    service.stop()
    calls = {}
    with JournalReader(service.folder / JOURNAL_NAME) as reader:
        (slide,) = reader.slides()
        for _, field in reader.all_fields(slide.slide_id):
            for stored in field.cells:
                if stored.sighting is not None and stored.sighting.cell_id and stored.sighting.is_sharper:
                    calls[stored.sighting.cell_id] = stored.call
    again = start("v4l2:/dev/video99", slide=())
    told = again.wait(lambda told: told["slide"]["number"], "the slide told")["slide"]
    assert (told["identifier"], told["number"]) == ("A 17", slide.slide_id)
    assert told["cells"] == len(calls)
    assert told["review"] == sum(call is not None and call.review for call in calls.values())


def test_a_clean_stop_leaves_the_slide_on_the_stage_and_another_name_ends_it(start: Start) -> None:
    service = start()
    service.wait_for_fields(1)
    assert service.stop()[0] == 0
    service = start(slide=("--slide", "B 18"))
    service.wait_for_fields(1)
    assert service.stop()[0] == 0
    with JournalReader(service.folder / JOURNAL_NAME) as reader:
        newer, older = reader.slides()
    assert (newer.identifier, newer.ended) == ("B 18", None)
    assert older.identifier == "A 17"
    assert older.ended is not None


@pytest.mark.parametrize("where", [0, 4096])
def test_a_damaged_journal_is_set_aside_whole_and_work_goes_on(start: Start, where: int) -> None:
    service = start()
    service.wait_for_fields(2)
    assert service.stop()[0] == 0
    journal = service.folder / JOURNAL_NAME
    open_journal(journal, SystemClock()).close()  # a log that a hard stop leaves would mend the file
    run_command("alledge", "verify-log", "--data", service.folder).must_succeed()
    with journal.open("r+b") as file:
        file.seek(where)
        file.write(b"\xff" * 4096)
    damaged = journal.read_bytes()
    service = start()
    status = service.wait_for_fields(1)
    assert "journal-damaged" in codes(status)
    assert service.stop()[0] == 0
    aside = service.folder / f"{JOURNAL_NAME}.damaged-1"
    assert aside.read_bytes()[where : where + 4096] == damaged[where : where + 4096]
    with JournalReader(journal) as reader:
        kinds = [event.kind for event in reader.events()]
        news = [json.loads(event.body) for event in reader.events(kind="trouble")]
    assert kinds[:2] == ["journal-started", "rows-missing"], "the new chain says that rows are gone"
    assert any(told["code"] == "journal-damaged" for told in news)
