"""What the service works with: settings, model, calibration, and the journal that it keeps."""

import sqlite3
import time
from pathlib import Path
from typing import Final

from alledge.calibration import CALIBRATION_FILE, load_calibration
from alledge.cameras.device_spec import parse_device_spec
from alledge.clock import ClockTrust
from alledge.doctor.finding import Check, Finding, fault, fine, unknown, warning
from alledge.doctor.probe import Probe
from alledge.errors import AllscopeError, CalibrationMissing
from alledge.journal import JOURNAL_NAME
from alledge.journal.reading import connect_for_reading
from alledge.model_file import ModelFile, read_model
from alledge.models.serving import INSTALLED, current
from alledge.service.config import CONFIG_FILE

_STALE_DAYS: Final = 30.0  # lamps age and objectives are changed; a month is what laboratories recalibrate by
_DAY_S: Final = 86_400.0
_LOOK_S: Final = 2.5
_STEPS_BETWEEN_LOOKS: Final = 20_000
_CALIBRATE: Final = "sudo -u allscope alledge calibrate"
_MODEL: Final = "sudo install -o allscope -g allscope -m 640 NAME.tflite"


def settings(probe: Probe) -> Finding:
    """The file of settings can be used."""
    if probe.config_error is not None:
        return fault(f"{probe.config_error}", f"sudo nano {CONFIG_FILE}   # docs/service.md lists the keys")
    return fine(f"{CONFIG_FILE}" if probe.has(CONFIG_FILE) else "the defaults")


def camera_spec(probe: Probe) -> Finding:
    """The settings name a camera of a known kind."""
    kind, colon, rest = probe.settings.camera.partition(":")
    if not colon or kind not in ("picamera2", "v4l2", "file", "phantom", "faulty"):
        return fault(f"'{probe.settings.camera}' names no camera.", f"set `camera` in {CONFIG_FILE}")
    if kind in ("file", "phantom", "faulty"):
        return warning(f"'{probe.settings.camera}' is no microscope.", f"set `camera` in {CONFIG_FILE}")
    try:
        parse_device_spec(rest)
    except AllscopeError as error:
        return fault(error.what_happened, error.next_step)
    return fine(probe.settings.camera)


def model_there(probe: Probe) -> Finding:
    """There is a model file, or one was installed."""
    if probe.settings.model == INSTALLED:
        model = _model(probe)
        if isinstance(model, AllscopeError):
            return fault(model.what_happened, model.next_step)
        return fine("an installed model")
    if probe.has(probe.settings.model):
        return fine(probe.settings.model)
    return fault(f"There is no model at {probe.settings.model}.", f"{_MODEL} {probe.settings.model}")


def model_whole(probe: Probe) -> Finding:
    """The model file is whole, int8, and one of ours."""
    model = _model(probe)
    if model is None:
        return unknown("There is no model to look at.")
    if isinstance(model, AllscopeError):
        return fault(model.what_happened, f"{_MODEL} {probe.settings.model}")
    return fine(f"{model.name}, sha256 {model.identity.sha256[:16]}")


def model_labels(probe: Probe) -> Finding:
    """The model calls something a finding, and was not fitted on rendered smears."""
    model = _model(probe)
    if not isinstance(model, ModelFile):
        return unknown("There is no model to look at.")
    if not model.card.positive_labels:
        return warning(
            f"{model.name} calls no label a finding: there will be no blast share.",
            f"{_MODEL} {probe.settings.model}",
        )
    if model.card.phantom and probe.settings.camera.startswith(("picamera2", "v4l2")):
        return fault(
            f"{model.name} was fitted on rendered smears: what it says of blood means nothing.",
            f"{_MODEL} {probe.settings.model}",
        )
    return fine(", ".join(model.card.labels))


def calibration_there(probe: Probe) -> Finding:
    """The microscope was calibrated."""
    if probe.has(f"{probe.settings.data}/{CALIBRATION_FILE}"):
        return fine("calibrated")
    return fault("The microscope was never calibrated.", _CALIBRATE)


def calibration_whole(probe: Probe) -> Finding:
    """The calibration is as it was written."""
    try:
        kept = load_calibration(probe.at(f"{probe.settings.data}/{CALIBRATION_FILE}"))
    except CalibrationMissing:
        return unknown("There is no calibration to look at.")
    except AllscopeError as error:
        return fault(error.what_happened, _CALIBRATE)
    return fine(f"sha256 {kept.sha256[:16]}")


def calibration_age(probe: Probe) -> Finding:
    """The calibration is recent, and of this camera."""
    try:
        kept = load_calibration(probe.at(f"{probe.settings.data}/{CALIBRATION_FILE}"))
    except AllscopeError:
        return unknown("There is no calibration to look at.")
    here, there = (spec.partition(",")[0] for spec in (probe.settings.camera, kept.camera))
    if there.startswith(("picamera2", "v4l2")) and here != there:
        return fault(f"The calibration is of {there}, the service uses {here}.", _CALIBRATE)
    if kept.wall.trust is ClockTrust.WRONG:
        return warning("The clock was wrong when the microscope was calibrated.", _CALIBRATE)
    days = (probe.wall_s() - kept.wall.unix_s) / _DAY_S
    if days > _STALE_DAYS:
        return warning(f"The calibration is {days:.0f} days old.", _CALIBRATE)
    return fine(f"{max(days, 0.0):.0f} days old")


def journal_whole(probe: Probe) -> Finding:
    """The journal is a whole database, as far as two seconds of looking can tell."""
    path = probe.at(f"{probe.settings.data}/{JOURNAL_NAME}")
    try:
        if not path.exists():
            return fine("there is no journal yet")
        said = _quick_check(path)
    except (OSError, AllscopeError, sqlite3.DatabaseError) as error:
        told = error.what_happened if isinstance(error, AllscopeError) else str(error)
        if isinstance(error, PermissionError) or ("open" in told and not probe.is_root):
            return unknown("The journal may not be read.", "sudo alledge doctor")
        return fault(f"The journal is damaged ({told}).", "alledge verify-log names the row; keep the file")
    if said == "ok":
        return fine("a whole database; `alledge verify-log` proves its contents")
    return fault(f"The journal is damaged ({said}).", "alledge verify-log names the row; keep the file")


def _quick_check(path: Path) -> str:
    """The first word of SQLite's own quick check; "ok" where the time is up before it found anything."""
    until = time.monotonic() + _LOOK_S
    connection = connect_for_reading(path)
    try:
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS_BETWEEN_LOOKS)
        try:
            return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                return "ok"
            raise
    finally:
        connection.close()


def _model(probe: Probe) -> ModelFile | AllscopeError | None:
    is_installed = probe.settings.model == INSTALLED
    if not is_installed and not probe.has(probe.settings.model):
        return None
    try:
        return read_model(
            current(probe.at(probe.settings.data)) if is_installed else probe.at(probe.settings.model)
        )
    except AllscopeError as error:
        return error


CHECKS: Final = (
    Check("settings", settings),
    Check("camera-spec", camera_spec),
    Check("model-missing", model_there),
    Check("model-damaged", model_whole),
    Check("model-labels", model_labels),
    Check("calibration-missing", calibration_there),
    Check("calibration-damaged", calibration_whole),
    Check("calibration-stale", calibration_age),
    Check("journal-damaged", journal_whole),
)
