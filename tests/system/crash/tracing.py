"""Stops a child process at every system call, by ptrace(2): to kill it there, or to see what it writes.

A kill at a random time hits the same few slow calls over and over. Here every entry into and every exit
from the kernel is a place to die, one after the other, and none is left out.
"""

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_POKEUSER = 6
_CALL_NUMBER, _RESULT = 15 * 8, 10 * 8  # places of orig_rax and rax in struct user of x86-64
_TRACEME, _SYSCALL, _SETOPTIONS, _GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
_TRACESYSGOOD, _EXITKILL = 1, 0x100000
_INFO_BYTES = 88
_ENTRY = 1
_NUMBERS = {  # <asm/unistd.h>
    "x86_64": {
        "write": 1, "pwrite64": 18, "fsync": 74, "fdatasync": 75, "ftruncate": 77, "rename": 82, "unlink": 87,
    },
    "aarch64": {
        "write": 64, "pwrite64": 68, "fsync": 82, "fdatasync": 83, "ftruncate": 46, "renameat": 38,
        "unlinkat": 35,
    },
}  # fmt: skip
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


@dataclass(frozen=True, slots=True)
class Call:
    """One entry into the kernel: the call's name ("" when it writes nothing), and its arguments."""

    name: str
    arguments: tuple[int, ...]
    pid: int

    def path(self) -> str:
        """The file of the call's descriptor, as /proc names it."""
        with suppress(OSError):
            return str(Path(f"/proc/{self.pid}/fd/{self.arguments[0]}").readlink())
        return ""

    def text(self, argument: int) -> str:
        """The string that an argument points to."""
        return self.memory(self.arguments[argument], 512).split(b"\0")[0].decode()

    def memory(self, address: int, size: int) -> bytes:
        with Path(f"/proc/{self.pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(size)


def can_trace() -> bool:
    """Whether this machine lets a process trace its child."""
    if platform.machine() not in _NUMBERS:
        return False
    pid = fork_traced(lambda: None)
    try:
        return any(call is not None for call in stops(pid))
    except OSError:
        return False
    finally:
        reap(pid)


def fork_traced(work: Callable[[], None]) -> int:
    """Fork a child that waits to be traced, then works, then ends without clean-up; its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            _libc.ptrace(_TRACEME, 0, None, None)
            os.kill(os.getpid(), signal.SIGSTOP)
            work()
        finally:
            os._exit(0)
    return pid


def stops(pid: int) -> Iterator[Call | None]:
    """Let the child run from stop to stop until it ends: a Call at each entry, None at each exit."""
    names = {number: name for name, number in _NUMBERS[platform.machine()].items()}
    os.waitpid(pid, 0)
    _ptrace(_SETOPTIONS, pid, 0, _TRACESYSGOOD | _EXITKILL)
    passed_on = 0
    while True:
        _ptrace(_SYSCALL, pid, 0, passed_on)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return
        passed_on = 0
        if os.WSTOPSIG(status) == signal.SIGTRAP | 0x80:
            yield _call(pid, names)
        else:
            passed_on = os.WSTOPSIG(status)


def can_refuse() -> bool:
    """Whether a call can be made to fail here: registers differ from machine to machine."""
    return platform.machine() == "x86_64" and can_trace()


def refuse(call: Call) -> None:
    """At its entry: let the kernel not do a call. What it answers is set by `answer` at the exit."""
    _ptrace(_POKEUSER, call.pid, _CALL_NUMBER, -1)


def answer(pid: int, error: int) -> None:
    """At the exit of a refused call: let it have failed with `error`."""
    _ptrace(_POKEUSER, pid, _RESULT, -error)


def reap(pid: int) -> None:
    """Kill the child and wait for its end."""
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        while not os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
            pass


def _call(pid: int, names: dict[int, str]) -> Call | None:
    info = ctypes.create_string_buffer(_INFO_BYTES)
    _ptrace(_GET_SYSCALL_INFO, pid, _INFO_BYTES, ctypes.addressof(info))
    if info.raw[0] != _ENTRY:
        return None
    number, *arguments = struct.unpack_from("=Q6Q", info.raw, 24)
    return Call(names.get(number, ""), tuple(arguments), pid)


def _ptrace(request: int, pid: int, address: int, data: int) -> None:
    if _libc.ptrace(request, pid, address, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
