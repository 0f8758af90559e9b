"""What the service costs, beside its parts and beside what the field does: `python bench/service.py MODEL`.

All rows of a table come from one run on one machine and take turns, so that their ratios hold where
milliseconds do not; ratios are of processor time, which other programs do not disturb. The fields are
rendered (a phantom slide under a moving hand); times say nothing about how right the calls are.

- `fields`: all of `alledge run` (camera's process, ring, guard, pixel path, slide map, journal with fsync)
  against the sum of its parts: the cell finder with its resizing, and the bare `invoke` of each patch.
- `patterns`: one patch through one interpreter, against what is common: an interpreter built per frame, an
  HTTP request with a JPEG per image, MobileNetV2 at 224 pixels per patch (where allconvert can make it).
- `memory`: resident memory over many fields, and its slope with two standard errors; `--fields 100000`.
- `process`: the same of a real `alledge run` as a process of its own, an archive going round; `--minutes 10`.
- `clean`: frames without a fault through the whole loop; every alarm is a false one; `--clean 100000`.
"""

import argparse
import http.client
import http.server
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from alledge.cameras import open_camera
from alledge.cells import find_cells
from alledge.classifier import Int8Network, open_classifier
from alledge.clock import SystemClock
from alledge.faults.world import PIXEL_UM as WORLD_UM
from alledge.faults.world import FaultPlan, SilentInbox, World, make_scenery
from alledge.health import read_health
from alledge.illumination import Illumination, estimate_illumination
from alledge.journal import open_journal
from alledge.model_file import ModelFile, read_model
from alledge.patches import cut_patches
from alledge.service.camera_keeper import CameraKeeper, CameraLimits
from alledge.service.camera_process import CameraProcess
from alledge.service.config import Config
from alledge.service.control import Order, ask
from alledge.service.loop import Ports, Station
from alledge.service.run import open_analyst
from alledge.types import U8

PIXEL_UM = 0.13
CAMERA = f"phantom:slide=1,width_px=1640,height_px=1232,pixel_um={PIXEL_UM}"
SMALL_UM = 0.2
SMALL_CAMERA = f"phantom:slide=1,width_px=640,height_px=480,pixel_um={SMALL_UM}"
N_FIELDS = 16
ROUNDS = 4
SAMPLES = 40
ROUND_TRIPS = 2000


@dataclass
class Spent:
    """Seconds for `n` pieces of work: of the wall clock, and of this process on the processor."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    n: int = 0

    @contextmanager
    def timing(self, n: int) -> Iterator[None]:
        """Add what the block takes for `n` pieces."""
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        yield
        self.wall_s += time.perf_counter() - wall_s
        self.cpu_s += time.process_time() - cpu_s
        self.n += n

    def tell(self, name: str, beside: "Spent | None" = None) -> None:
        """One row; the ratio to `beside`, of processor time."""
        wall_ms, cpu_ms = 1e3 * self.wall_s / self.n, 1e3 * self.cpu_s / self.n
        ratio = f"{cpu_ms * beside.n / (1e3 * beside.cpu_s):9.2f} x" if beside else ""
        print(f"{name:44s} {wall_ms:9.3f} ms wall {cpu_ms:9.3f} ms cpu {1e3 / wall_ms:9.1f} a second {ratio}")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="What the service costs.")
    parser.add_argument("model", type=Path, help="A model file, as from `allconvert quantize`.")
    parser.add_argument("--fields", type=int, default=2000, help="Fields for the memory row.")
    parser.add_argument("--clean", type=int, default=5000, help="Clean frames through the loop.")
    parser.add_argument("--minutes", type=float, default=2.0, help="How long the process row runs.")
    parser.add_argument("--small", action="store_true", help="Fields of 640 x 480 in the process row.")
    parser.add_argument("--mobilenet", action="store_true", help="With MobileNetV2-224 (needs TensorFlow).")
    parser.add_argument("--only", choices=["fields", "patterns", "memory", "process", "clean"])
    options = parser.parse_args()
    cv2.setNumThreads(1)
    model = read_model(options.model)
    tables: dict[str, Callable[[], None]] = {
        "fields": lambda: bench_fields(options.model, model),
        "patterns": lambda: bench_patterns(model, with_mobilenet=options.mobilenet),
        "memory": lambda: bench_memory(options.model, model, options.fields),
        "process": lambda: bench_process(options.model, options.minutes, is_small=options.small),
        "clean": lambda: bench_clean(model, options.clean),
    }
    for name, table in tables.items():
        if options.only in (None, name):
            print(f"\n{name}")
            table()


# The whole service against its parts.


@dataclass
class Field:
    """A rendered field with what the parts need and do not have to work out."""

    pixels: U8
    light: Illumination
    patches: U8


def bench_fields(path: Path, model: ModelFile) -> None:
    """The service and the sum of its parts, in turns."""
    network = Int8Network(model.flatbuffer)
    parts, whole, camera = Spent(), Spent(), Spent()
    latencies_ms: list[float] = []
    camera_mb = 0.0
    with tempfile.TemporaryDirectory() as folder:
        fields = render_fields(Path(folder) / "fields")
        for turn in range(ROUNDS):
            with parts.timing(len(fields)):
                for field in fields:
                    find_cells(field.pixels, field.light, PIXEL_UM)
                    network.int8_logits(field.patches)
            config = Config(
                camera=f"file:{folder}/fields", model=str(path), pixel_um=PIXEL_UM, frames_per_s=120.0
            )
            camera_mb = serve(config, Path(folder) / f"data{turn}", whole, camera, latencies_ms)
    parts.tell("parts: finder with resizing, bare invoke")
    whole.tell("service: frame handed over to result stored", parts)
    camera.tell("  camera's process: reads a file, hands over")
    p50, p99 = np.percentile(latencies_ms, (50, 99))
    print(f"asked for to stored: p50 {p50:.0f} ms, p99 {p99:.0f} ms, {len(latencies_ms)} fields")
    print(f"resident (proportional): camera's process {camera_mb:.0f} MB; see `--only process` for ours")


def render_fields(folder: Path, camera: str = CAMERA, pixel_um: float = PIXEL_UM) -> list[Field]:
    """Fields of a phantom slide, in memory and as files that are quick to read."""
    folder.mkdir()
    fields = []
    with open_camera(camera) as source:
        for index in range(N_FIELDS):
            pixels = source.capture().pixels
            light = estimate_illumination(pixels)
            cells = find_cells(pixels, light, pixel_um).cells
            patches = cut_patches(pixels, [(cell.x, cell.y) for cell in cells], pixel_um, light)
            fields.append(Field(pixels, light, patches))
            cv2.imwrite(str(folder / f"{index:03d}.bmp"), pixels)
    height, width = fields[0].pixels.shape[:2]
    n_cells = sum(len(field.patches) for field in fields) / N_FIELDS
    print(f"{N_FIELDS} fields of {width} x {height}, {n_cells:.1f} cells each")
    return fields


def serve(config: Config, data: Path, whole: Spent, child: Spent, latencies_ms: list[float]) -> float:
    """Serve an archive once, the start left out; gives the memory of the camera's process in MB."""
    data.mkdir()
    with running(config, data) as (station, camera):
        while station.published.n_fields < 1:
            station.step(0.1)
        child_s, child_mb = cpu_of(camera.pid), resident_mb(camera.pid)
        before = station.ledger.state().analysed
        with whole.timing(0):
            while not is_done(station):
                station.step(0.1)
                child_mb = max(child_mb, resident_mb(camera.pid))
                child_s = max(child_s, cpu_of(camera.pid))
        child.cpu_s += child_s
        child.wall_s += child_s
        child.n += N_FIELDS
        latencies_ms += list(station.published.latencies_ms)[1:]
        assert station.ledger.state().adds_up
        whole.n += station.ledger.state().analysed - before
    return child_mb


def is_done(station: Station) -> bool:
    """Whether every file of the archive has a result, or a reason for none."""
    state = station.ledger.state()
    return state.captured == N_FIELDS and state.in_flight == 0


@contextmanager
def running(config: Config, data: Path) -> Iterator[tuple[Station, CameraProcess]]:
    """The loop of the service with everything real, in this process."""
    analyst, _ = open_analyst(config, data)
    clock = SystemClock()
    journal = open_journal(data / "journal.sqlite3", clock)
    camera = CameraProcess(config.camera, least_interval_s=1.0 / config.frames_per_s)
    keeper = CameraKeeper(camera, CameraLimits())
    station = Station(Ports(camera, keeper, analyst, journal, clock, SilentInbox(), read_health), "bench")
    try:
        yield station, camera
    finally:
        station.stop()
        camera.close()
        journal.close()


def cpu_of(pid: int | None) -> float:
    """Processor time that a process has used, in seconds; 0 when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    user, system = stat.rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int | None, kind: str = "Pss") -> float:
    """Memory of a process, what it shares counted in part (Pss) or whole (Rss); 0 when there is none."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


# One patch: ours against the patterns of the field.


def bench_patterns(model: ModelFile, *, with_mobilenet: bool) -> None:
    """One patch a call, every way in turn."""
    patches = model.golden.patches
    network = Int8Network(model.flatbuffer)
    ways: dict[str, Callable[[U8], object]] = {"one interpreter, built once": network.int8_logits}
    ways["an interpreter built per frame"] = lambda patch: Int8Network(model.flatbuffer).int8_logits(patch)
    if with_mobilenet:
        from allconvert.other_networks import MOBILENET_PX, mobilenet_flatbuffer

        large = Int8Network(mobilenet_flatbuffer())
        side = (MOBILENET_PX, MOBILENET_PX)
        ways["MobileNetV2-224 int8, built once"] = lambda patch: large.int8_logits(
            np.asarray(cv2.resize(patch[0], side), np.uint8)[np.newaxis]
        )
    else:
        print("MobileNetV2-224 is left out: give --mobilenet.")
    spent = {name: Spent() for name in [*ways, "an HTTP request with a JPEG per image"]}
    with http_server(model) as ask:
        ways["an HTTP request with a JPEG per image"] = ask
        for _ in range(ROUNDS):
            for name, way in ways.items():
                way(patches[:1])
                with spent[name].timing(SAMPLES):
                    for row in range(SAMPLES):
                        way(patches[row : row + 1])
    ours = spent["one interpreter, built once"]
    for name, seconds in spent.items():
        seconds.tell(name, None if seconds is ours else ours)


@contextmanager
def http_server(model: ModelFile) -> Iterator[Callable[[U8], object]]:
    """What many demonstrators do: a JPEG is posted, decoded, called, and JSON comes back.

    Server and client share this process, so that its processor time holds both; the interpreter is built
    once even so. A thread a request, as Flask serves by default.
    """
    network = Int8Network(model.flatbuffer)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            body = json.dumps(network.int8_logits(np.asarray(pixels, np.uint8)[np.newaxis]).tolist()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def ask(patch: U8) -> object:
        connection = http.client.HTTPConnection(*server.server_address[:2])
        jpeg = cv2.imencode(".jpg", patch[0])[1].tobytes()
        connection.request("POST", "/", jpeg, {"Content-Type": "image/jpeg"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    yield ask
    server.shutdown()
    server.server_close()


# Memory and false alarms over many fields.


def bench_memory(path: Path, model: ModelFile, n_fields: int) -> None:
    """Resident memory of the real loop with journal and slide map, small fields, one slide per 500 fields."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(model=str(path), pixel_um=WORLD_UM)
        analyst, _ = open_analyst(config, Path(folder))
        scenery = make_scenery(model, open_classifier(model))
        clock = SystemClock()
        journal = open_journal(Path(folder) / "journal.sqlite3", clock)
        world = World(scenery, FaultPlan(), seed=1)
        ports = Ports(world.camera, world.keeper, analyst, journal, world.clock, SilentInbox())
        station = Station(ports, "0")
        at, mb = [], []
        while station.published.n_fields < n_fields:
            station.step(0.1)
            world.spoilt.clear()
            done = station.published.n_fields
            if done and done % 500 == 0 and (not at or at[-1] != done):
                station.begin_next_slide(str(done))
            if done and done % max(10, n_fields // 200) == 0 and (not at or at[-1] != done):
                at.append(done)
                mb.append(resident_mb(os.getpid()))
        journal.close()
    tell_slope(np.array(at, float), np.array(mb))


def bench_process(path: Path, minutes: float, *, is_small: bool) -> None:
    """Resident memory of a real service, sampled while the fields of an archive go round."""
    with tempfile.TemporaryDirectory() as folder:
        fields, archive, data = (Path(folder) / name for name in ("fields", "archive", "data"))
        pixel_um = SMALL_UM if is_small else PIXEL_UM
        render_fields(fields, SMALL_CAMERA if is_small else CAMERA, pixel_um)
        archive.mkdir()
        pictures = sorted(fields.iterdir())
        for number in range(ROUND_TRIPS * len(pictures)):
            (archive / f"{number:06d}.bmp").hardlink_to(pictures[number % len(pictures)])
        config = Path(folder) / "alledge.toml"
        config.write_text("frames_per_s = 120.0\n")
        command = ["alledge", "run", "--config", config, "--camera", f"file:{archive}", "--model", path]
        command += ["--data", data, "--pixel-um", pixel_um, "--slide", "0"]
        with subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL) as service:
            at, mb = sample_memory(service.pid, data / "status.json", minutes)
            service.terminate()
    tell_slope(np.array(at, float), np.array(mb))


def sample_memory(pid: int, status: Path, minutes: float) -> tuple[list[int], list[float]]:
    """(fields analysed, RSS in MB) of a service every other second; each 500 fields a new slide is laid."""
    at: list[int] = []
    mb: list[float] = []
    end_s, slide = time.monotonic() + 60.0 * minutes, 0
    while time.monotonic() < end_s:
        time.sleep(2.0)
        done = json.loads(status.read_text())["ledger"]["analysed"] if status.exists() else 0
        if done:
            at.append(done)
            mb.append(resident_mb(pid, "Rss"))
        if done // 500 > slide:
            slide = done // 500
            ask(status.with_name("control.sock"), Order.NEW_SLIDE, str(slide))
    return at, mb


def tell_slope(at: np.ndarray, mb: np.ndarray) -> None:
    """The line through the second half, by when everything has been built that is built once."""
    late = at > at[-1] / 2
    x, y = at[late] - at[late].mean(), mb[late]
    slope = float((x * y).sum() / (x * x).sum())
    residual = y - y.mean() - slope * x
    error = float(np.sqrt((residual**2).sum() / (len(x) - 2) / (x * x).sum()))
    print(f"resident {mb[late].mean():.1f} MB, most {mb.max():.1f} MB, over {at[-1]:.0f} fields")
    print(f"slope {1e6 * slope:+.0f} +- {2e6 * error:.0f} MB a million fields (two standard errors)")


def bench_clean(model: ModelFile, n_frames: int) -> None:
    """Clean frames on a simulated clock, the stage moved at every third; alarms are counted by code."""
    world = World(make_scenery(model, open_classifier(model)), FaultPlan(), seed=1, still=3)
    alarms: dict[str, int] = {}
    while world.camera.captured < n_frames:
        world.step()
        for code in world.codes:
            alarms[code] = alarms.get(code, 0) + 1
        world.memory.fields.clear()
        world.spoilt.clear()
    state = world.station.ledger.state()
    dropped = ", ".join(f"{n} {reason.value}" for reason, n in state.dropped.items())
    print(f"{state.captured} clean frames: {state.analysed} analysed, {dropped}; adds up: {state.adds_up}")
    print(f"false alarms: {alarms or 'none'}")


if __name__ == "__main__":
    main()
