"""The working file says what is done, whatever was cut off or spoilt, and to one process at a time."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.scanning.refusals import ScanForeign, ScanRunning
from alledge.scanning.work import Answer, Identity
from alledge.scanning.working_file import Header, WorkingFile, answer_to_line, read_answers, read_header

HEADER = Header({"model": "none"}, 9, "0" * 64, shard=1, n_shards=1, first=0, n_here=9)


def answer(index: int, text: str = '{"source": "a.png"}') -> Answer:
    return Answer(index, Identity(10, 20, "ab"), text, n_cells=3)


def written(path: Path, n: int) -> Path:
    with WorkingFile(path, HEADER, resume=False) as file:
        for index in range(n):
            file.append(answer(index))
    return path


def test_what_was_appended_is_read_back_with_its_head(tmp_path: Path) -> None:
    path = written(tmp_path / "w", 3)
    assert read_header(path) == HEADER
    assert list(read_answers(path)) == [answer(0), answer(1), answer(2)]


@given(at=st.integers(0, 2000))
def test_a_file_cut_off_anywhere_goes_on_after_its_last_whole_line(
    at: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.mktemp("cut") / "w", 5)
    whole = path.read_bytes()
    head = len(whole.splitlines(keepends=True)[0])
    kept = head + at % (len(whole) - head)
    path.write_bytes(whole[:kept])
    with WorkingFile(path, HEADER, resume=True) as file:
        assert file.n_done == whole[:kept].count(b"\n") - 1
        for index in range(file.n_done, 5):
            file.append(answer(index))
    assert path.read_bytes() == whole


@given(at=st.integers(0, 2000), spoilt=st.integers(1, 255))
def test_from_a_spoilt_byte_on_all_is_done_again(
    at: int, spoilt: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.mktemp("spoilt") / "w", 5)
    whole = path.read_bytes()
    head = len(whole.splitlines(keepends=True)[0])
    place = head + at % (len(whole) - head)
    path.write_bytes(whole[:place] + bytes([whole[place] ^ spoilt]) + whole[place + 1 :])
    with WorkingFile(path, HEADER, resume=True) as file:
        assert file.n_done == whole[:place].count(b"\n") - 1
    assert whole.startswith(path.read_bytes())


def test_a_tail_of_zeros_as_a_power_cut_leaves_it_is_cut_away(tmp_path: Path) -> None:
    path = written(tmp_path / "w", 2)
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(4096))
    with WorkingFile(path, HEADER, resume=True) as file:
        assert file.n_done == 2
    assert path.read_bytes() == whole


@given(at=st.integers(0, 400))
def test_a_kill_before_the_head_is_whole_is_a_scan_that_did_not_begin(
    at: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.mktemp("head") / "w", 0)
    whole = path.read_bytes()
    path.write_bytes(whole[: at % len(whole)])
    with WorkingFile(path, HEADER, resume=False) as file:
        assert file.n_done == 0
    assert path.read_bytes() == whole


def test_a_file_of_zeros_as_a_power_cut_leaves_it_is_a_scan_that_did_not_begin(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(bytes(4096))
    with WorkingFile(path, HEADER, resume=False):
        assert read_header(path) == HEADER


def test_two_processes_never_write_one_file(tmp_path: Path) -> None:
    path = written(tmp_path / "w", 1)
    with (
        WorkingFile(path, HEADER, resume=True),
        pytest.raises(ScanRunning),
        WorkingFile(path, HEADER, resume=True),
    ):
        pass


@pytest.mark.parametrize("content", [b"Dear colleague,", b"Dear\n", b'00000000 {"format": 1}\t\n'])
def test_a_file_that_is_no_working_file_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "letter"
    path.write_bytes(content)
    with pytest.raises(ScanForeign):
        WorkingFile(path, HEADER, resume=True)
    assert path.read_bytes() == content


def test_a_path_that_is_no_utf8_is_kept_as_json_can_hold_it() -> None:
    line = answer_to_line(answer(0, '{"source": "a\udcff.png"}'))
    assert b"a\\udcff.png" in line


def test_a_file_in_which_nothing_is_done_does_not_outlive_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), WorkingFile(tmp_path / "w", HEADER, resume=False):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
