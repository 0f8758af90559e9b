"""Runs inside the root: our camera source on the real picamera2; tells what it saw as one line of JSON."""

import json
import sys
import time

import shim  # noqa: F401 - makes picamera2 importable here
from picamera2 import MappedArray, Picamera2

from alledge.calibration import CameraControls
from alledge.cameras import open_camera
from alledge.cameras.picamera2_source import Picamera2Source
from alledge.errors import AllscopeError

SPEC = "picamera2:0,size=1640x1232"


def frames():
    with open_camera(SPEC + ",lores=640x480") as source:
        asked_ns = time.monotonic_ns()
        seen = [source.capture() for _ in range(20)]
        with source.lend_streams() as streams:
            lores = None if streams.lores is None else list(streams.lores.shape)
        with source.lend() as frame:
            writeable = bool(frame.pixels.flags.writeable)
    stamps = [frame.sensor_timestamp_ns for frame in seen]
    return {
        "shape": list(seen[0].pixels.shape),
        "bgr": [float(v) for v in seen[0].pixels[600:632, 800:832].reshape(-1, 3).mean(axis=0)],
        "fresh": all(stamp is not None and stamp >= asked_ns for stamp in stamps),
        "rising": stamps == sorted(set(stamps)),
        "lores": lores,
        "writeable": writeable,
    }


def many():
    with open_camera(SPEC) as source:
        for _ in range(300):
            with source.lend():
                pass
    return {"served": 300}


def reopen():
    for _ in range(3):
        with open_camera(SPEC) as source:
            source.capture()
    return {"opened": 3}


def refused(action):
    try:
        action()
    except AllscopeError as error:
        return {"code": error.code, "says": str(error)}
    return {"code": None}


def second():
    with open_camera(SPEC):
        return refused(lambda: open_camera(SPEC))


def lock():
    with open_camera(SPEC) as source:
        return refused(lambda: source.lock(CameraControls(exposure_us=10_000)))


def stopped():
    camera = Picamera2(0)
    camera.configure(
        camera.create_video_configuration(main={"size": (1640, 1232)}, raw=None, display=None, encode=None)
    )
    source = Picamera2Source(camera, "stopped", lambda r, s: MappedArray(r, s, write=False))
    start = time.monotonic()
    told = refused(source.capture)
    waited_s = time.monotonic() - start
    start = time.monotonic()
    source.close()
    return told | {"waited_s": waited_s, "closed_s": time.monotonic() - start}


def missing():
    return refused(lambda: open_camera("picamera2:7"))


sys.stdout.write(json.dumps(globals()[sys.argv[1]]()) + "\n")
