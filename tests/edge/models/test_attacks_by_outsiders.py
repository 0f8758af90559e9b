"""What a second pair of eyes tried that the lists of The Update Framework do not name.

Escape codes on their way to a terminal, one holder under two names, files built to fill the memory of whoever
reads them, states and locks that hold up a service: each is refused with a code, in bounded time and memory.
"""

import errno
import fcntl
import io
import json
import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tuf.api.metadata import Key, MetaFile, TargetFile  # type: ignore[attr-defined]

from alledge.classifier import installed_runtimes
from alledge.errors import AllscopeError, ModelUnreadable, StorageFailed
from alledge.model_file import CARD_NAME, GOLDEN_NAME, Golden, pack_model, parse_model
from alledge.models import refusals as no
from alledge.models import store as store_module
from alledge.models.examining import prove_apart
from alledge.models.fetching import FolderFetcher, HttpFetcher, fetcher_for
from alledge.models.installing import Wish, install
from alledge.models.serving import begin_service
from alledge.models.state import Installed, State, fall_back
from alledge.models.store import _digest, format_state, parse_state
from alledge.models.trust import read_root, trust_root
from alledge.plain import plain
from tests.edge.models.conftest import Scene
from tests.edge.models.forge import NOW, SOFTWARE, model_bytes, signed
from tests.edge.models.refusing import refused
from tests.edge.models.test_attacks_by_servers import HEAD, LIMIT_S, Rogue, says
from tests.edge.models.test_attacks_on_models import parts, released, resealed, told, with_card, zipped
from tests.edge.tiny_model import (
    Operator,
    TinyNetwork,
    Type,
    _buffer,
    _code,
    _operator,
    _tensor,
    tiny_card,
    tiny_patches,
)

# Escape codes.


def test_what_is_shown_has_no_escape_codes_and_keeps_its_direction() -> None:
    assert plain("a\x1b[2Jb\x07c\u202ed\ne\0f") == "a?[2Jb?c?d e?f"
    assert len(plain("x" * 9_000)) == 160


def test_metadata_cannot_write_to_the_terminal(scene: Scene) -> None:
    path = scene.stick / "metadata" / "timestamp.json"
    content = json.loads(path.read_bytes())
    content["signed"]["_type"] = "\x1b[2J\x1b]0;all is well\x07"
    path.write_text(json.dumps(content))
    assert str(refused(scene, "metadata-unreadable")).isprintable()


def test_a_server_cannot_write_to_the_terminal(scene: Scene) -> None:
    with Rogue(says(b"\x1b[2J\x1b]0;all is well\x07 HTTP/1.1 200 OK\r\n\r\n")) as rogue:
        assert str(
            refused(scene, "source-unreachable", source=HttpFetcher(rogue.address, 2, 2))
        ).isprintable()


def test_a_card_cannot_write_to_the_terminal(scene: Scene) -> None:
    released(scene, with_card(lambda text: text.replace("{", '{"\\u001b[2J": 1,', 1)))
    assert str(refused(scene, "model-unreadable")).isprintable()


def test_a_state_cannot_write_to_the_terminal(scene: Scene) -> None:
    scene.device.install(scene.stick)
    assert fall_back(scene.device.store.load(), "\x1b[2J").fell_back.isprintable()
    with pytest.raises(ValueError, match="no state"):
        parse_state(format_state(State(fell_back="\x1b[2J")))


# Addresses.


@pytest.mark.parametrize(
    "source",
    [
        "http://[::1/",
        "http://host:99999/",
        "http://host:0/",
        "http://host:words/",
        "http://:hunter2@host/",
        "http://@host/",
        f"http://{'a' * 300}/",
        "http://a..b/",
        "http://host/a b",
        "http://host/a\tb",
        "http://host/\x1b[2J",
        "http://host/ä",
        "http://xn--\udcff/",
        "\0",
        "a" * 5000,
    ],
)
def test_no_address_is_too_strange_to_be_said_to_be_none(source: str) -> None:
    with pytest.raises(no.SourceUnusable) as refusal:
        fetcher_for(source)
    assert str(refusal.value).isprintable()
    assert "hunter2" not in str(refusal.value)


def test_not_modified_is_no_redirection(scene: Scene) -> None:
    with Rogue(says(b"HTTP/1.1 304 Not Modified\r\n\r\n")) as rogue:
        refused(scene, "source-unreachable", source=HttpFetcher(rogue.address, 2, 2))


CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
STRANGE_ANSWERS = {
    "a_part": ("source-unreachable", b"HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\n\r\n{}"),
    "chunks_of_negative_length": ("source-unreachable", CHUNKS + b"-5\r\nhello"),
    "endless_chunks_of_negative_length": ("download-endless", CHUNKS + b"-1\r\n" * 200_000),
    "chunks_of_impossible_length": ("source-unreachable", CHUNKS + b"f" * 30 + b"\r\nhello"),
    "endless_chunks": ("download-endless", CHUNKS + (b"400\r\n" + b" " * 1024 + b"\r\n") * 400),
    "a_length_of_fifty_digits": ("source-unreachable", HEAD.replace(b"900", b"9" * 50) + b"\r\n{}"),
    "a_length_below_nought": ("metadata-unreadable", HEAD.replace(b"900", b"-5") + b"\r\n"),
    "a_login_page_of_an_inn": ("metadata-unreadable", b"HTTP/1.1 200 OK\r\n\r\n<html>Welcome, guest!"),
    "what_is_packed": (
        "metadata-unreadable",
        HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08" + bytes(897),
    ),
}


@pytest.mark.parametrize(("code", "answer"), STRANGE_ANSWERS.values(), ids=STRANGE_ANSWERS)
def test_a_strange_answer_has_a_code(scene: Scene, code: str, answer: bytes) -> None:
    with Rogue(says(answer)) as rogue:
        refused(scene, code, source=HttpFetcher(rogue.address, 2, 2))


def test_endless_promises_to_continue_end_with_the_time(scene: Scene) -> None:
    def promises(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    with Rogue(promises) as rogue:
        refused(scene, "source-slow", source=HttpFetcher(rogue.address, LIMIT_S, LIMIT_S))


def test_a_name_with_many_dead_addresses_keeps_nobody(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(4)]  # they fill the queue: the next one gets no answer
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(deaf.getsockname())
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", deaf.getsockname())] * 500
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        refused(scene, "source-slow", source=HttpFetcher("http://many.example", LIMIT_S, LIMIT_S))
        for each in waiting:
            each.close()


# What thieves of an online key, or single holders, can sign.


def test_no_length_that_a_stolen_key_signs_fills_a_disk(scene: Scene) -> None:
    scene.forge.timestamp.snapshot_meta = MetaFile(3, length=2**40)
    scene.write()
    with (scene.stick / "metadata" / "3.snapshot.json").open("wb") as file:
        file.truncate(2**40)
    assert "takes" in str(refused(scene, "download-endless"))


def twice_in_targets(scene: Scene) -> None:
    """The root counts one targets key under two identifiers."""
    root = scene.forge.root
    first = root.keys[root.roles["targets"].keyids[0]]
    root.keys["ab" * 32] = Key.from_dict("ab" * 32, {**first.to_dict(), "note": "another holder, honestly"})
    root.roles["targets"].keyids.append("ab" * 32)


def test_one_key_under_two_identifiers_is_one_holder(scene: Scene) -> None:
    twice_in_targets(scene)
    scene.forge.next_root(*scene.forge.signers["root"])
    scene.forge.signers["targets"] = scene.forge.signers["targets"][:1]
    scene.forge.add("smearnet", 3, model_bytes(3))
    scene.forge.bump()
    scene.write()
    path = scene.stick / "metadata" / "4.targets.json"
    content = json.loads(path.read_bytes())
    content["signatures"].append({**content["signatures"][0], "keyid": "ab" * 32})
    path.write_text(json.dumps(content))
    refused(scene, "signatures-too-few")


def test_a_root_that_counts_one_key_twice_is_not_trusted(scene: Scene) -> None:
    twice_in_targets(scene)
    data = signed(scene.forge.root, scene.forge.signers["root"])
    with pytest.raises(no.TrustUnusable, match="stands twice for targets"):
        trust_root(scene.device.store, data, replace=True)


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_below_one_is_none(scene: Scene, threshold: int) -> None:
    scene.forge.root.roles["targets"].threshold = threshold
    scene.forge.next_root(*scene.forge.signers["root"])
    scene.write()
    refused(scene, "metadata-unreadable")


def test_a_threshold_that_nobody_can_reach_is_not_reached(scene: Scene) -> None:
    scene.forge.root.roles["targets"].threshold = 10**9
    scene.forge.next_root(*scene.forge.signers["root"])
    scene.write()
    refused(scene, "signatures-too-few")


@pytest.mark.parametrize("value", [None, 5, "zz", "é", "\0", ["a"], "f" * 128])
def test_a_signature_that_is_none_counts_for_nothing(scene: Scene, value: object) -> None:
    path = scene.stick / "metadata" / "timestamp.json"
    content = json.loads(path.read_bytes())
    content["signatures"][0]["sig"] = value
    path.write_text(json.dumps(content))
    refused(scene, "signatures-too-few")


def test_a_model_that_a_delegate_lists_is_not_offered(scene: Scene) -> None:
    from tuf.api.metadata import DelegatedRole, Delegations, Targets  # type: ignore[attr-defined]

    from tests.edge.models.forge import in_days, strangers

    stranger = strangers()[0]
    key = stranger.public_key
    role = DelegatedRole("evil", [key.keyid], 1, True, paths=["*"])
    scene.forge.targets.delegations = Delegations({key.keyid: key}, {"evil": role})
    theirs = Targets(expires=in_days(9))
    target = TargetFile.from_data("smearnet.v3.tflite", model_bytes(3), ["sha256"])
    target.unrecognized_fields["custom"] = told()
    theirs.targets[target.path] = target
    scene.forge.snapshot.meta["evil.json"] = MetaFile(1)
    scene.forge.bump()
    scene.write()
    (scene.stick / "metadata" / "1.evil.json").write_bytes(signed(theirs, (stranger,)))
    (scene.stick / "targets" / f"{target.hashes['sha256']}.{target.path}").write_bytes(model_bytes(3))
    refused(scene, "model-unknown", Wish(version=3))


@pytest.mark.parametrize("year", [1, 9999])
def test_a_day_of_signing_at_the_end_of_the_calendar_breaks_nothing(scene: Scene, year: int) -> None:
    day = datetime(year, 12 if year > 1 else 1, 31 if year > 1 else 1, tzinfo=UTC).isoformat()
    scene.forge.add_raw("smearnet.v3.tflite", model_bytes(3), told(published_utc=day))
    scene.forge.bump()
    scene.write()
    if year == 1:
        assert scene.device.install(scene.stick).version == 3
    else:
        refused(scene, "clock-behind")


def test_as_many_and_as_long_labels_as_may_be_signed_do_not_spoil_the_state(scene: Scene) -> None:
    labels = tuple(f"{n:02d}" + "\U0001f9ec" * 198 for n in range(64))
    golden = Golden(tiny_patches(256), np.zeros((256, 64), np.int8))
    for version in (3, 4):
        network = TinyNetwork(n_labels=64, seed=version).build()
        data = pack_model(network, tiny_card(labels, labels[:63]), golden)
        scene.forge.add("smearnet", version, data)
        scene.forge.bump()
        scene.write()
        assert scene.device.install(scene.stick, Wish(accept_labels=True)).version == version
        assert scene.device.serves() == data
        scene.device.confirm()


# Files that are built to break or to fill whoever reads them.


def corrupt(how: int) -> bytes:
    raw = bytearray(zipped([(CARD_NAME, parts()[CARD_NAME]), (GOLDEN_NAME, parts()[GOLDEN_NAME])], how))
    at = raw.index(CARD_NAME.encode()) + len(CARD_NAME) + (0 if how == zipfile.ZIP_DEFLATED else 14)
    raw[at : at + 40] = b"\xff" * 40
    return resealed(bytes(raw))


def golden_of(header: str | bytes) -> bytes:
    """A golden.npz whose patches have this header and no bytes."""
    if isinstance(header, str):
        text = header.encode()
        text += b" " * (-(len(text) + 11) % 64) + b"\n"
        header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("patches.npy", header)
        archive.writestr("outputs.npy", header)
    return zipped([(CARD_NAME, parts()[CARD_NAME]), (GOLDEN_NAME, buffer.getvalue())])


def shaped(shape: str) -> bytes:
    return golden_of(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}")


def temperature(text: str) -> bytes:
    return with_card(lambda card: card.replace('"temperature": 1.0', f'"temperature": {text}'))


BROKEN: dict[str, Callable[[], bytes]] = {
    "a_card_whose_packing_is_broken": lambda: corrupt(zipfile.ZIP_DEFLATED),
    "a_card_whose_lzma_is_broken": lambda: corrupt(zipfile.ZIP_LZMA),
    "a_card_whose_bzip2_is_broken": lambda: corrupt(zipfile.ZIP_BZIP2),
    "a_number_of_5000_digits": lambda: temperature("1" * 5_000),
    "a_number_beyond_all_floats": lambda: temperature("1" * 400),
    "golden_vectors_of_seven_petabytes": lambda: shaped("(1000000000000, 50, 50, 3)"),
    "golden_vectors_of_forty_gigabytes": lambda: shaped("(6000000, 50, 50, 3)"),
    "golden_vectors_whose_header_never_ends": lambda: golden_of("{'descr': '|u1', "),
    "golden_vectors_whose_header_is_a_maze": lambda: golden_of("(" * 5_000),
    "golden_vectors_that_are_no_arrays": lambda: golden_of(b"hello"),
}


@pytest.mark.parametrize("build", BROKEN.values(), ids=BROKEN)
def test_a_signed_file_built_to_break_its_reader_is_no_model(
    scene: Scene, build: Callable[[], bytes]
) -> None:
    released(scene, build())
    refused(scene, "model-unreadable")


@pytest.mark.parametrize("build", BROKEN.values(), ids=BROKEN)
def test_given_by_hand_it_is_no_model_either(build: Callable[[], bytes]) -> None:
    with pytest.raises(ModelUnreadable):
        parse_model(build(), "m.tflite")


def appended(flatbuffer: bytes) -> bytes:
    """A file of any flatbuffer, with card and golden vectors of an honest model."""
    buffer = io.BytesIO(flatbuffer)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, part in parts().items():
            archive.writestr(name, part)
        archive.comment = b"allscope sha256 " + b"0" * 64
    return resealed(buffer.getvalue())


def huge_activation() -> bytes:
    """A network that spreads one number over a tensor of 4 GiB."""
    network, side = TinyNetwork(seed=3), 2**16
    model = schema.ModelT()
    broadcast = schema.OperatorCodeT()
    broadcast.builtinCode, broadcast.deprecatedBuiltinCode, broadcast.version = Operator.BROADCAST_TO, 127, 2
    model.version = 3
    model.operatorCodes = [_code(Operator.QUANTIZE), _code(Operator.FULLY_CONNECTED), broadcast]
    dims = np.array([side, side], np.int32).tobytes()
    model.buffers = [_buffer(b""), _buffer(network._weights()), _buffer(dims), _buffer(b"\1")]
    graph = network._graph()
    graph.tensors += [
        _tensor("dims", Type.INT32, [2], 1, 0, buffer=2),
        _tensor("huge", Type.INT8, [side, side], 0.05, -7),
        _tensor("one", Type.INT8, [1, 1], 0.05, -7, buffer=3),
    ]
    graph.operators.append(_operator(2, [6, 4], [5]))
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def folded_bomb() -> bytes:
    """90,000 tensors that are one and the same table, whose scales take a megabyte when they are read."""
    network, builder = TinyNetwork(seed=3), flatbuffers.Builder(1024)
    large = _tensor("x", Type.INT8, [1], 0.1, 0)
    large.quantization.scale = [0.1] * 100_000
    table, graph = large.Pack(builder), network._graph()
    tensors = [tensor.Pack(builder) for tensor in graph.tensors] + [table] * 90_000
    schema.SubGraphStartTensorsVector(builder, len(tensors))
    for tensor in reversed(tensors):
        builder.PrependUOffsetTRelative(tensor)
    listed = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, listed)
    subgraph = schema.SubGraphEnd(builder)
    schema.ModelStartSubgraphsVector(builder, 1)
    builder.PrependUOffsetTRelative(subgraph)
    subgraphs = builder.EndVector()
    empty = _buffer(b"").Pack(builder)
    schema.ModelStartBuffersVector(builder, 2)
    builder.PrependUOffsetTRelative(empty)
    builder.PrependUOffsetTRelative(empty)
    buffers = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, subgraphs)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


needs_runtime = pytest.mark.skipif(not installed_runtimes(), reason="no TFLite runtime is installed")


@needs_runtime
@pytest.mark.parametrize(
    ("kind", "build"),
    [(no.ExaminationBroke, huge_activation), (ModelUnreadable, folded_bomb)],
    ids=["while_it_computes", "while_it_is_read"],
)
def test_a_model_that_wants_gigabytes_gets_them_nowhere(
    scene: Scene, kind: type[AllscopeError], build: Callable[[], bytes]
) -> None:
    released(scene, appended(build()))
    with pytest.raises(kind):
        install(scene.device.store, FolderFetcher(scene.stick), None, NOW, prove_apart, SOFTWARE)
    assert scene.device.serves() == model_bytes(1)


def test_an_examination_gives_way_to_the_service_beside_it() -> None:
    asked = (
        "import os, resource; from alledge.models.examining import _limit; _limit(2**28);"
        "print(open('/proc/self/oom_score_adj').read().strip(), os.nice(0) >= 10,"
        "resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_DATA)[0] < 2**33)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1000 True (0, 0) True"


def test_what_is_examined_is_what_was_signed_though_the_copy_changes_meanwhile(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuf.ngclient.updater import Updater

    download = Updater.download_target

    def swapped(self: Updater, info: TargetFile) -> str:
        path = download(self, info)
        Path(path).write_bytes(model_bytes(7))
        return path

    monkeypatch.setattr(Updater, "download_target", swapped)
    refused(scene, "target-changed")


# The store and its neighbours.


def sealed_state(**changes: object) -> bytes:
    body = {**json.loads(format_state(State()))["state"], **changes}
    return json.dumps({"state": body, "sha256": _digest(json.dumps(body, sort_keys=True))}).encode()


STRANGE_STATES: dict[str, dict[str, object]] = {
    "starts_in_words": {"starts": "many"},
    "starts_below_nought": {"starts": -5},
    "a_pin_of_one_word": {"pinned": "smearnet"},
    "a_pin_of_three": {"pinned": ["a", 1, 2]},
    "failures_in_numbers": {"failed": [1, 2]},
    "a_model_of_other_fields": {"serving": {"sha256": "0"}},
    "a_model_with_a_version_in_words": {
        "serving": {**asdict(Installed("0", "m", 2, ("a", "b"), ("b",), "m", "", "")), "version": "2"},
    },
}


@pytest.mark.parametrize("changes", STRANGE_STATES.values(), ids=STRANGE_STATES)
def test_a_state_of_strange_types_is_damaged_though_its_checksum_holds(
    scene: Scene, changes: dict[str, object]
) -> None:
    for name in (store_module.STATE_FILE, store_module.COPY_FILE):
        (scene.device.store.folder / name).write_bytes(sealed_state(**changes))
    with pytest.raises(no.StoreDamaged):
        begin_service(scene.device.data, "installed")


def test_a_pipe_in_place_of_a_file_is_not_waited_for(scene: Scene, tmp_path: Path) -> None:
    store = scene.device.store
    state = store.folder / store_module.STATE_FILE
    state.unlink()
    os.mkfifo(state)
    assert scene.device.serves() == model_bytes(1), "the copy stands in"
    model = store.path_of(store.load().kept[0])
    model.unlink()
    os.mkfifo(model)
    with pytest.raises(no.InstalledModelDamaged):
        begin_service(scene.device.data, "installed")
    os.mkfifo(tmp_path / "1.root.json")
    with pytest.raises(no.TrustUnusable):
        read_root(tmp_path / "1.root.json")


@pytest.fixture
def held(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Somebody else holds the store's lock and does not let go."""
    scene.device.install(scene.stick)
    monkeypatch.setattr(store_module, "LOCK_LIMIT_S", 0.2)
    handle = os.open(scene.device.store.folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    yield scene
    os.close(handle)


def test_who_holds_the_lock_does_not_hold_the_service(held: Scene) -> None:
    assert begin_service(held.device.data, "installed").path.read_bytes() == model_bytes(2)
    with pytest.raises(StorageFailed, match="locked"):
        held.device.confirm()


def test_a_user_who_may_not_read_is_told_so_and_not_of_damage(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_path: Path, _longest: int) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(store_module, "read_file", forbidden)
    with pytest.raises(StorageFailed, match="sudo"):
        scene.device.store.load()


def test_what_kills_left_in_the_store_is_swept_away(scene: Scene) -> None:
    store = scene.device.store
    left = [
        store.folder / ".state.json.0a1b2c3d.partial",
        store.files / ".x.tflite.0a1b2c3d.partial",
        store.trust / "metadata" / ".timestamp.json.0a1b2c3d.partial",
        store.trust / "metadata" / "root_history" / ".2.root.json.0a1b2c3d.partial",
    ]
    for path in left:
        path.write_bytes(b"half")
    scene.device.install(scene.stick)
    assert [path for path in left if path.exists()] == []
