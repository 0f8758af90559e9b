"""A microscope in memory: a stage, a camera, a network, a journal and the real loop between them.

One `World` lives through one fault: it works well, the fault begins, is noticed, ends, and the world works
again. Everything that could have gone wrong is checked on the way, against what the world knows and the loop
does not: which frames were spoilt, and what the clean fields really hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np

from alledge.calibration import Calibration, CameraControls, Scale, ScaleSource
from alledge.cameras import FrameSource
from alledge.classifier import Classifier
from alledge.clock import ClockTrust, WallTime
from alledge.errors import CameraUnavailable
from alledge.faults.camera import CameraFault, FaultySource
from alledge.faults.clocks import SimulatedClock
from alledge.faults.network import FaultyClassifier
from alledge.faults.simulation import RogueRing, SimulatedCamera, Stage, simulated_means
from alledge.faults.storage import FaultyJournal
from alledge.illumination import Illumination, illumination_from_flat_field
from alledge.journal import FieldRecord
from alledge.model_file import ModelFile
from alledge.phantom import parse_phantom_spec, render_field
from alledge.pipeline import FieldAnalysis, FieldModel, analyse_with_evidence
from alledge.reduced import Halvings
from alledge.service.camera_keeper import CameraKeeper, CameraLimits
from alledge.service.control import Request
from alledge.service.loop import Ports, Station
from alledge.service.sentinel import SentinelClassifier
from alledge.service.slide_session import Analyst, SlideSession
from alledge.slide import FieldView, Placement, Sighting
from alledge.strict_json import Json
from alledge.types import U8, Call, Cell, FieldResult, Frame, Verdict

WIDTH_PX: Final = 320
HEIGHT_PX: Final = 240
PIXEL_UM: Final = 0.2
N_PICTURES: Final = 5
_SAME_LEVELS: Final = 2.0  # block means of a clean exposure differ by far less
_CONTROLS: Final = CameraControls(10_000, 1.0, (1.5, 1.5))
_CELLS: Final = (
    "n_red_cells=26,n_lymphocytes=2,n_neutrophils=1,n_monocytes=0,n_blasts_l1=2,n_blasts_l2=0,n_blasts_l3=0,"
    "n_platelets=1,n_smudges=0,n_specks=0"
)


@dataclass(frozen=True, slots=True, eq=False)
class Scenery:
    """What all worlds share, made once: clean fields, what they hold, and the microscope's calibration."""

    pictures: list[U8]
    clean: list[FieldAnalysis]
    calibration: Calibration
    model: ModelFile
    classifier: Classifier


def make_scenery(model: ModelFile, classifier: Classifier) -> Scenery:
    """Render a few fields of one slide and its empty field; takes a few seconds."""
    size = f"width_px={WIDTH_PX},height_px={HEIGHT_PX},pixel_um={PIXEL_UM}"
    empty = render_field(parse_phantom_spec(f"seed=1,{size},{_nothing()}")).pixels
    calibration = Calibration(
        scale=Scale(PIXEL_UM, 0.001, ScaleSource.STAGE_MICROMETER, 20),
        illumination=illumination_from_flat_field(empty),
        controls=_CONTROLS,
        white=(230.0, 230.0, 230.0),
        focus=None,
        objective="simulated",
        camera="stage",
        software_version="0",
        wall=WallTime(0.0, ClockTrust.UNKNOWN),
        sha256="00" * 32,
    )
    pictures: list[U8] = []
    clean: list[FieldAnalysis] = []
    seed = 0
    while len(pictures) < N_PICTURES:
        seed += 1
        pixels = render_field(parse_phantom_spec(f"seed={seed},{size},{_CELLS}")).pixels
        frame = Frame(pixels, f"stage:{len(pictures)}", 1, 10_000, 1.0, (1.5, 1.5))
        analysis = analyse_with_evidence(frame, FieldModel(classifier, model.card), None, calibration)
        if analysis.result.quality.verdict is Verdict.OK and len(analysis.result.cells) > 1:
            pictures.append(pixels)
            clean.append(analysis)
    return Scenery(pictures, clean, calibration, model, classifier)


@dataclass(slots=True)
class MemoryJournal:
    """A journal that forgets everything at the end: for worlds that end within milliseconds."""

    fields: list[FieldRecord] = field(default_factory=list)
    others: list[tuple[object, ...]] = field(default_factory=list)

    def start_slide(self, identifier: str, wall: WallTime) -> int:
        """As `Journal`."""
        return self._note("slide-started", identifier, wall)

    def end_slide(self, slide_id: int, wall: WallTime) -> None:
        """As `Journal`."""
        self._note("slide-ended", slide_id, wall)

    def append_field(self, slide_id: int, record: FieldRecord) -> int:
        """As `Journal`."""
        self.fields.append(record)
        return self._note("field", slide_id)

    def append_event(self, kind: str, body: Mapping[str, Json], wall: WallTime) -> int:
        """As `Journal`."""
        return self._note(kind, body, wall)

    def close(self) -> None:
        """As `Journal`."""

    def _note(self, *event: object) -> int:
        self.others.append(event)
        return len(self.others)


class ApartMap:
    """A slide map for fields that never overlap: every cell is new."""

    withdrawn: Mapping[int, int] = {}

    def __init__(self) -> None:
        self._n_cells = self._n_fields = 0

    def view(self, seen: Halvings, pixel_um: float, illumination: Illumination) -> FieldView:
        """Next to nothing: no field is placed by another."""
        assert illumination.width == seen.pixels.shape[1]
        return FieldView(np.zeros((1, 1), np.uint8), pixel_um, seen.pixels.shape, pixel_um)

    def place_view(self, kept: FieldView) -> Placement:
        """Each field in a region of its own."""
        assert kept.pixel_um > 0
        self._n_fields += 1
        return Placement(self._n_fields, 0.0, 0.0, 1.0, is_jump=True, overlap=0.0)

    def count(
        self, placement: Placement, cells: Sequence[Cell], pixel_um: float, sharpness: Sequence[float]
    ) -> tuple[Sighting, ...]:
        """Each cell new."""
        first = self._n_cells + 1
        self._n_cells += len(cells)
        return tuple(
            Sighting(
                cell_id=first + row,
                x_um=placement.x_um + cell.x * pixel_um,
                y_um=placement.y_um + cell.y * pixel_um,
                is_new=True,
                is_sharper=True,
                sharpness=value,
            )
            for row, (cell, value) in enumerate(zip(cells, sharpness, strict=True))
        )


class SilentInbox:
    """Nobody asks for anything."""

    def take(self) -> list[Request]:
        """Nothing."""
        return []


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """What goes wrong in a world; each part is "" where nothing does.

    camera: a kind of `faults.camera`. opening: "refused" or "hang". ring: "damaged" or "overwritten".
    network: a key of `faults.network.ANSWERS`. storage: a key of `faults.storage.REFUSALS`.
    wall_jump_s: of the wall clock. lasts_s: how long it goes on after it was noticed.
    """

    camera: str = ""
    opening: str = ""
    ring: str = ""
    network: str = ""
    storage: str = ""
    wall_jump_s: float = 0.0
    lasts_s: float = 0.0


class World:
    """A microscope with the plan of a fault; `is_on` switches it."""

    def __init__(self, scenery: Scenery, plan: FaultPlan, seed: int, still: int = 1) -> None:
        self.scenery = scenery
        self.plan = plan
        self.is_on = False
        self.clock = SimulatedClock()
        self.spoilt: dict[int, bool] = {}
        self._seed, self._still = seed, still
        self._source: FaultySource | None = None
        self._rng = np.random.default_rng(seed)
        self._network = FaultyClassifier(scenery.classifier)
        self._sentinel = SentinelClassifier(self._network, scenery.model.golden)
        self._calls: dict[tuple[int, bytes], tuple[Call, ...]] = {}
        self.memory = MemoryJournal()
        self._journal = FaultyJournal(self.memory)
        frame_bytes = WIDTH_PX * HEIGHT_PX * 3
        self.camera = SimulatedCamera(self._open_source, self.clock, frame_bytes, self._tamper)
        self.keeper = CameraKeeper(self.camera, CameraLimits(open_s=5.0, capture_s=1.0, hand_over_s=0.5))
        analyst = Analyst(self._analyse, lambda: None, scenery.model.card, scenery.calibration)
        ports = Ports(self.camera, self.keeper, analyst, self._journal, self.clock, SilentInbox())
        self.station = Station(ports, "simulated", open_slide=lambda name: SlideSession(name, map=ApartMap()))

    def step(self) -> None:
        """One step of the loop, with the fault switched as it should be now."""
        self._network.fault = self.plan.network if self.is_on else ""
        self._journal.fault = self.plan.storage if self.is_on else ""
        self.clock.jump_s = self.plan.wall_jump_s if self.is_on else 0.0
        self.station.step(0.1)

    @property
    def codes(self) -> set[str]:
        """Codes of the troubles that last now."""
        return {trouble.code for trouble, _ in self.station.troubles.active}

    @property
    def n_good(self) -> int:
        """Good fields that are stored."""
        return sum(record.result.quality.verdict is Verdict.OK for record in self.memory.fields)

    def wrong_results(self) -> list[str]:
        """What is stored as good and is not what the stage showed; empty is right."""
        wrong = []
        for record in self.memory.fields:
            result = record.result
            if result.quality.verdict is not Verdict.OK:
                if result.calls or result.cells:
                    wrong.append(f"frame {record.sequence} was refused and has cells")
            elif self.spoilt.get(record.sequence, False):
                wrong.append(f"frame {record.sequence} was spoilt and has a result")
            elif not self._is_true(result):
                wrong.append(f"frame {record.sequence} has another result than {result.source}")
        return wrong

    def _is_true(self, result: FieldResult) -> bool:
        truth = self.scenery.clean[_index(result.source)].result
        return result.cells == truth.cells and result.calls == truth.calls

    def _open_source(self) -> FrameSource:
        if self.is_on and self.plan.opening == "refused":
            raise CameraUnavailable("Another process has the camera.", "Stop it.")
        means = simulated_means()
        if self.is_on and self.plan.opening == "hang":
            means.hang()
        stage = Stage(self.scenery.pictures, self.clock, self._rng, self._still)
        fault = CameraFault(self.plan.camera or "none", seed=self._seed)
        self._source = FaultySource(stage, fault, means, lambda _: self.is_on and bool(self.plan.camera))
        return self._source

    def _tamper(self, ring: RogueRing) -> None:
        """Note what was handed over; damage it where that is the fault."""
        assert self._source is not None
        self.spoilt[ring.captured] = self._source.was_spoilt or (self.is_on and bool(self.plan.ring))
        if self.is_on and self.plan.ring == "damaged":
            ring.damage_newest()

    def _analyse(self, frame: Frame, seen: Halvings) -> FieldAnalysis:
        """The real pixel path for whatever is not a clean exposure; its remembered outcome for what is."""
        index = _index(frame.source)
        if not _shows(frame.pixels, self.scenery.pictures[index]):
            model = FieldModel(self._sentinel, self.scenery.model.card)
            return analyse_with_evidence(frame, model, None, self.scenery.calibration, seen)
        if self.is_on and self.plan.ring == "overwritten":
            self.camera.overwrite_held(frame)
        clean = self.scenery.clean[index]
        answers = self._sentinel.logits(clean.patches)
        truth = self.scenery.classifier.logits(clean.patches)
        calls = clean.result.calls if np.array_equal(answers, truth) else ()
        return replace(clean, result=replace(clean.result, source=frame.source, calls=calls))


def _index(source: str) -> int:
    return int(source.partition(":")[2])


def _shows(pixels: U8, picture: U8) -> bool:
    """Whether an exposure shows a picture as it is."""
    if pixels.shape != picture.shape:
        return False
    blocks = [
        cv2.resize(image, (WIDTH_PX // 8, HEIGHT_PX // 8), interpolation=cv2.INTER_AREA).astype(np.float32)
        for image in (pixels, picture)
    ]
    return float(np.abs(blocks[0] - blocks[1]).max()) < _SAME_LEVELS


def _nothing() -> str:
    return ",".join(part.partition("=")[0] + "=0" for part in _CELLS.split(","))
