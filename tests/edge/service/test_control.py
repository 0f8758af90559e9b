"""The control socket: orders in, answers at once, and nobody made to wait by a loop that is busy."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alledge.errors import ControlRefused, PathUnusable, ServiceUnreachable
from alledge.service.control import ControlSocket, Order, ask, parse_request
from alledge.strict_json import Json


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def control(path: Path) -> Iterator[ControlSocket]:
    control = ControlSocket(path, lambda: {"state": "running"})
    yield control
    control.close()


class Loop(threading.Thread):
    """Obeys what is asked, as the loop of the service does."""

    def __init__(self, control: ControlSocket) -> None:
        super().__init__(daemon=True)
        self.control, self.orders, self.is_over = control, list[tuple[Order, str]](), False

    def run(self) -> None:
        while not self.is_over:
            for request in self.control.take():
                self.orders.append((request.order, request.slide))
                request.obeyed.set()
            time.sleep(0.005)


def test_the_status_is_told_though_the_loop_does_nothing(control: ControlSocket, path: Path) -> None:
    assert ask(path, Order.STATUS) == {"ok": True, "status": {"state": "running"}}
    assert control.take() == []


def test_an_order_is_done_once_the_loop_has_obeyed(control: ControlSocket, path: Path) -> None:
    loop = Loop(control)
    loop.start()
    assert ask(path, Order.PAUSE)["done"]
    assert ask(path, Order.NEW_SLIDE, "A 17")["done"]
    loop.is_over = True
    assert loop.orders == [(Order.PAUSE, ""), (Order.NEW_SLIDE, "A 17")]


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"dance", b"[]", b"null", b"7", b'{"order": "dance"}', b'{"order": null}',
        b'{"slide": "A"}',
        b'{"order": "new-slide"}', b'{"order": "new-slide", "slide": ""}',
        b'{"order": "new-slide", "slide": 7}',
        b'{"order": "pause", "slide": "' + b"x" * 201 + b'"}', b"[" * 100_000, b"\xff\xfe",
    ],
)  # fmt: skip
def test_what_is_no_order_is_refused(line: bytes) -> None:
    with pytest.raises(ControlRefused):
        parse_request(line)


def test_nonsense_gets_an_answer_and_the_next_one_is_heard(control: ControlSocket, path: Path) -> None:
    for sent in (b"dance\n", b"\x00" * 5000, b"\n"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(path))
            connection.sendall(sent)
            answer: dict[str, Json] = json.loads(connection.recv(4096))
        assert (answer["ok"], answer["code"]) == (False, "control-refused")
    assert ask(path, Order.STATUS)["ok"]


def test_who_hangs_up_without_a_word_holds_nobody_up(control: ControlSocket, path: Path) -> None:
    for _ in range(3):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(path))
    assert ask(path, Order.STATUS)["ok"]


def test_what_a_killed_service_left_is_in_nobodys_way(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))
    control = ControlSocket(path, dict)
    assert ask(path, Order.STATUS)["ok"]
    control.close()
    assert not path.exists()


def test_without_a_service_that_is_said(path: Path) -> None:
    with pytest.raises(ServiceUnreachable, match="No service answers"):
        ask(path, Order.STATUS)


def test_a_folder_whose_name_is_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(PathUnusable, match="cannot be made"):
        ControlSocket(tmp_path / ("x" * 120) / "control.sock", dict)


def test_others_than_owner_and_group_may_not_speak(control: ControlSocket, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize(
    ("typed", "kept"), [("  A  17 ", "A 17"), ("Präparat 🩸", "Präparat 🩸"), ("a\tb", "a b")]
)
def test_a_slide_keeps_its_name_without_slips_of_the_hand(typed: str, kept: str) -> None:
    line = json.dumps({"order": "new-slide", "slide": typed}).encode()
    assert parse_request(line).slide == kept


@pytest.mark.parametrize("typed", ["", "   ", "a\x07b", "x" * 201, "\u202ereversed"])
def test_a_name_that_nobody_could_read_is_refused(typed: str) -> None:
    with pytest.raises(ControlRefused, match="needs a name"):
        parse_request(json.dumps({"order": "new-slide", "slide": typed}).encode())
