"""The control socket: a few words a person or a page may say to the running service, one JSON line each way.

A thread answers, so that a question is answered at once whatever the loop does. `status` is answered from the
last snapshot; all else is handed to the loop through a short queue, and a full queue says so at once
instead of making anybody wait.
"""

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from alledge.errors import ControlRefused, PathUnusable, ServiceUnreachable
from alledge.strict_json import Json

_MOST_WAITING: Final = 16
_MOST_BYTES: Final = 4096
_PATIENCE_S: Final = 2.0
_LONGEST_NAME: Final = 200


class Order(StrEnum):
    """What the service can be asked for."""

    STATUS = "status"
    PAUSE = "pause"
    RESUME = "resume"
    NEW_SLIDE = "new-slide"
    END_SLIDE = "end-slide"  # and look at nothing until the next one is begun
    SNAP = "snap"  # analyse the field under the objective again, moved or not
    STOP = "stop"


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """An order on its way to the loop. slide: the name, for NEW_SLIDE. obeyed: set by the loop."""

    order: Order
    slide: str = ""
    obeyed: threading.Event = field(default_factory=threading.Event)


class ControlSocket:
    """Listens at a Unix socket in a thread of its own; the loop takes what was asked from `take`."""

    def __init__(self, path: Path, snapshot: Callable[[], dict[str, Json]]) -> None:
        self._path = path
        self._snapshot = snapshot
        self._asked: queue.Queue[Request] = queue.Queue(_MOST_WAITING)
        self._listener = _listen(path)
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def take(self) -> list[Request]:
        """What was asked since the last call, oldest first; never waits."""
        asked = []
        while True:
            try:
                asked.append(self._asked.get_nowait())
            except queue.Empty:
                return asked

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._listener.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed: the service ends
            with connection:
                connection.settimeout(_PATIENCE_S)
                with contextlib.suppress(OSError):
                    answer = self._answer(_read_line(connection))
                    connection.sendall(json.dumps(answer, allow_nan=False).encode() + b"\n")

    def _answer(self, line: bytes) -> dict[str, Json]:
        try:
            request = parse_request(line)
        except ControlRefused as error:
            return {"ok": False, "code": error.code, "what": error.what_happened, "next": error.next_step}
        if request.order is Order.STATUS:
            return {"ok": True, "status": self._snapshot()}
        try:
            self._asked.put_nowait(request)
        except queue.Full:
            return {"ok": False, "code": "busy", "what": "The service is busy.", "next": "Ask again."}
        return {"ok": True, "done": request.obeyed.wait(_PATIENCE_S)}


def parse_request(line: bytes) -> Request:
    """The order that a line of JSON gives, as `{"order": "new-slide", "slide": "A 17"}`.

    Raises:
        ControlRefused: no JSON object, no order that is known, or a slide without a name.
    """
    known = ", ".join(order.value for order in Order)
    try:
        told = json.loads(line)
        order = Order(told["order"])
        slide = told.get("slide", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ControlRefused("That is no order.", f"Known orders: {known}.") from error
    if not isinstance(slide, str):
        raise ControlRefused("A slide's name is a text.", "Give it as `slide`.")
    return Request(order, plain_name(slide) if slide or order is Order.NEW_SLIDE else "")


def plain_name(name: str) -> str:
    """A slide's name as it is kept: blanks at the ends and doubled ones are a slip of the hand.

    Raises:
        ControlRefused: nothing is left, or it cannot be shown in a line.
    """
    plain = " ".join(name.split())
    if not plain or not plain.isprintable() or len(plain) > _LONGEST_NAME:
        raise ControlRefused(
            "A slide needs a name that can be read.",
            f"Give at most {_LONGEST_NAME} letters, digits or signs.",
        )
    return plain


def ask(path: Path, order: Order, slide: str = "") -> dict[str, Json]:
    """Ask the service that listens at `path`.

    Raises:
        ServiceUnreachable: none does, or it does not answer.
        ControlRefused: it says no.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2 * _PATIENCE_S)
            connection.connect(str(path))
            connection.sendall(json.dumps({"order": order.value, "slide": slide}).encode() + b"\n")
            answer: dict[str, Json] = json.loads(_read_line(connection, 1 << 20))
    except (OSError, ValueError) as error:
        raise ServiceUnreachable(
            f"No service answers at {path} ({error}).", "Start `alledge run`, or name its folder."
        ) from error
    if not answer.get("ok"):
        raise ControlRefused(str(answer.get("what")), str(answer.get("next")))
    return answer


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What lies there is of a service that was killed: the lock on the data folder keeps two apart.
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(8)
    except OSError as error:
        listener.close()
        raise PathUnusable(
            f"The control socket {path} cannot be made ({error}).", "Name a short, writable --runtime folder."
        ) from error
    return listener


def _read_line(connection: socket.socket, most: int = _MOST_BYTES) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) < most:
        part = connection.recv(4096)
        if not part:
            break
        data += part
    return data
