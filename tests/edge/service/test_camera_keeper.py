"""A camera is watched by the monotonic clock, killed when it shows no life, and started again."""

from dataclasses import dataclass, field

import pytest

from alledge.service.camera_keeper import CameraKeeper, CameraLimits
from alledge.service.camera_port import CameraFailure, VitalSigns
from alledge.service.ring import Claimed, Phase
from alledge.service.troubles import Trouble

LIMITS = CameraLimits(open_s=10.0, capture_s=2.0, hand_over_s=1.0)
S = 1_000_000_000


@dataclass
class Camera:
    """Does what a test says; notes what is done to it."""

    done: list[str] = field(default_factory=list)
    signs: VitalSigns = field(default_factory=lambda: VitalSigns(True, Phase.CAPTURING, 0))
    captured: int = 0

    def start(self) -> None:
        self.done.append("start")

    def kill(self) -> None:
        self.done.append("kill")

    def vital_signs(self) -> VitalSigns:
        return self.signs

    def wait(self, timeout_s: float) -> None:
        raise AssertionError("nobody waits here")

    def take(self) -> Claimed | None:
        return None

    def is_intact(self, claimed: Claimed) -> bool:
        return True

    def release(self) -> None:
        pass


@pytest.fixture
def camera() -> Camera:
    return Camera()


@pytest.fixture
def keeper(camera: Camera) -> CameraKeeper:
    keeper = CameraKeeper(camera, LIMITS)
    assert keeper.tend(0) is None
    return keeper


@pytest.mark.parametrize(
    ("phase", "limit_s"),
    [(Phase.STARTING, 10), (Phase.OPENING, 10), (Phase.CAPTURING, 2), (Phase.HANDING_OVER, 1)],
)
def test_each_phase_has_its_patience(
    camera: Camera, keeper: CameraKeeper, phase: Phase, limit_s: int
) -> None:
    camera.signs = VitalSigns(is_running=True, phase=phase, heart_beat_ns=5 * S)
    assert keeper.tend((5 + limit_s) * S) is None
    trouble = keeper.tend((5 + limit_s) * S + 1)
    assert trouble is not None
    assert trouble.code == "camera-hung"
    assert camera.done == ["start", "kill"]


def test_the_first_restart_comes_at_once_and_later_ones_within_two_seconds(
    camera: Camera, keeper: CameraKeeper
) -> None:
    camera.signs = VitalSigns(is_running=False, phase=Phase.CAPTURING, heart_beat_ns=0)
    now_ns, pauses_s = 0, []
    for _ in range(8):
        keeper.tend(now_ns)  # finds it dead
        died_ns, starts = now_ns, camera.done.count("start")
        while camera.done.count("start") == starts:
            keeper.tend(now_ns)
            now_ns += S // 100
        pauses_s.append((now_ns - died_ns) / S)
    assert pauses_s[0] <= 0.02
    assert pauses_s == sorted(pauses_s)
    assert pauses_s[-1] == pytest.approx(2.0, abs=0.05)


def test_a_good_frame_makes_a_camera_well_again(camera: Camera, keeper: CameraKeeper) -> None:
    camera.signs = VitalSigns(is_running=False, phase=Phase.CAPTURING, heart_beat_ns=0)
    assert keeper.tend(1) is not None
    camera.signs = VitalSigns(is_running=True, phase=Phase.CAPTURING, heart_beat_ns=1)
    assert keeper.tend(2) is not None, "starting is no proof"
    keeper.good_frame()
    assert keeper.tend(3) is None
    assert keeper.n_failures == 0


def test_a_camera_that_can_say_why_it_failed_is_quoted(camera: Camera, keeper: CameraKeeper) -> None:
    failure = CameraFailure("camera-unavailable", "Another process has it.", "Stop it.")
    camera.signs = VitalSigns(is_running=False, phase=Phase.FAILED, heart_beat_ns=0, failure=failure)
    assert keeper.tend(1) == Trouble("camera-unavailable", "Another process has it.", "Stop it.")


def test_an_archive_that_is_over_is_no_failure_and_is_not_started_again(
    camera: Camera, keeper: CameraKeeper
) -> None:
    camera.signs = VitalSigns(is_running=False, phase=Phase.FINISHED, heart_beat_ns=0)
    for second in range(1, 60):
        assert keeper.tend(second * S) is None
    assert keeper.is_finished
    assert camera.done == ["start", "kill"]


def test_each_replacement_is_counted_for_the_ledger(camera: Camera, keeper: CameraKeeper) -> None:
    keeper.replace(Trouble("camera-frozen", "", ""), 1)
    keeper.tend(2)
    keeper.replace(Trouble("camera-frozen", "", ""), 3)
    assert keeper.generation == 2


def test_an_archive_that_left_images_out_says_so_for_as_long_as_the_service_runs(
    keeper: CameraKeeper, camera: Camera
) -> None:
    camera.signs = VitalSigns(
        True, Phase.FINISHED, S, CameraFailure("images-skipped", "One image was left out.", "Mend it.")
    )
    for at_ns in (S, 2 * S):
        assert keeper.tend(at_ns) == Trouble("images-skipped", "One image was left out.", "Mend it.")
    assert keeper.is_finished
    assert camera.done == ["start", "kill"], "it is not started again"
