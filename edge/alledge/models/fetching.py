"""Where a repository's files come from: a folder, such as a USB stick, or static files behind http(s).

Nothing that is read here is trusted; TUF's client decides. These classes see to it that reading does no
harm: names stay inside the repository, links and pipes on a stick are not followed, and no server can keep a
device waiting, not even with one byte every few seconds, since a timer closes the connection. No file is
longer than a device takes, whatever length a thief of a key has signed.
"""

import errno
import http.client
import os
import re
import socket
import ssl
import stat
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface

from alledge.models.refusals import (
    DownloadEndless,
    SourceLink,
    SourceNotAFile,
    SourcePathUnsafe,
    SourceRedirected,
    SourceUnreachable,
    SourceUnusable,
)
from alledge.plain import plain

BASE: Final = "repository:/"
"""Every address that TUF's client asks for begins with this; which repository it is, the fetcher knows."""

METADATA_LIMIT_S: Final = 60.0
TARGET_LIMIT_S: Final = 1800.0  # 64 MiB at 36 kB/s
SILENCE_LIMIT_S: Final = 30.0
LONGEST_METADATA: Final = 2**20  # as `tuf_client.CONFIG` has it for the list of models
LONGEST_TARGET: Final = 64 * 2**20
_MOST_ADDRESSES: Final = 4
_CHUNK: Final = 64 * 1024
_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_NOT_FOUND: Final = 404
_NOT_MODIFIED: Final = 304
_FOLDER: Final = "Give a folder, or http(s)://HOST/FOLDER."


class RepositoryFetcher(FetcherInterface, ABC):
    """A fetcher that knows what it was asked for last, which tells whose metadata an error is about."""

    def __init__(self) -> None:
        self.last = ""

    def _fetch(self, url: str) -> Iterator[bytes]:
        parts = url.removeprefix(BASE).split("/")
        if not url.startswith(BASE) or not all(_PART.fullmatch(part) for part in parts):
            raise _Unsafe(url)
        self.last = parts[-1]
        return _bounded(self._read(parts), parts)

    @abstractmethod
    def _read(self, parts: list[str]) -> Iterator[bytes]:
        """The bytes of one file; its folders and its name are safe ones."""


class FolderFetcher(RepositoryFetcher):
    """A repository in a folder. Raises SourceUnreachable, SourceLink and SourceNotAFile when read.

    The folder is opened once, here, and what is beneath is reached from there.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        try:
            self._handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise SourceUnusable(f"{plain(folder)} is no folder to read ({plain(why)}).", _FOLDER) from error

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            os.close(self._handle)

    def _read(self, parts: list[str]) -> Iterator[bytes]:
        try:
            with os.fdopen(_open_beneath(self._handle, parts), "rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except FileNotFoundError as error:
            raise DownloadHTTPError(f"{parts[-1]} is not there", _NOT_FOUND) from error
        except OSError as error:
            raise SourceUnreachable(
                f"{'/'.join(parts)} cannot be read ({error.strerror}).", "Check the stick, or copy it again."
            ) from error


class HttpFetcher(RepositoryFetcher):
    """A repository behind http or https. Raises SourceUnreachable and SourceRedirected when read.

    metadata_limit_s, target_limit_s: longest time for one file, name look-up to last byte.
    """

    def __init__(
        self, url: str, metadata_limit_s: float = METADATA_LIMIT_S, target_limit_s: float = TARGET_LIMIT_S
    ) -> None:
        super().__init__()
        self._at = urlsplit(url)
        self._limits_s = metadata_limit_s, target_limit_s

    def _read(self, parts: list[str]) -> Iterator[bytes]:
        limit_s = self._limits_s[0 if parts[-1].endswith(".json") else 1]
        late = _Deadline(limit_s)
        try:
            with closing(_connect(self._at, min(SILENCE_LIMIT_S, limit_s), late)) as connection:
                yield from _body(connection, self._at, parts)
            if late.came:  # without a length, an end that we made looks like any other
                raise TimeoutError
        except (OSError, ValueError, http.client.HTTPException) as error:
            if late.came or isinstance(error, TimeoutError):
                raise SlowRetrievalError(f"{parts[-1]} took more than {limit_s:g} s") from error
            raise SourceUnreachable(
                f"{self._at.netloc} does not give {'/'.join(parts)} ({plain(error)}).",
                "Check the address and the network.",
            ) from error
        finally:
            late.cancel()


class _Unsafe(SourcePathUnsafe):
    """Said once, for folders and servers."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"The repository asks for a file by the name {url.removeprefix(BASE)[:80]!r}.",
            "Do not use it; tell who publishes it.",
        )


class _Deadline:
    """Ends a connection when its time is over, whatever it is waiting for, a handshake or a header."""

    def __init__(self, limit_s: float) -> None:
        self.came = False
        self._end_s = time.monotonic() + limit_s
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(limit_s, self._end)
        self._timer.daemon = True
        self._timer.start()

    @property
    def left_s(self) -> float:
        """Seconds until then, never quite none."""
        return max(self._end_s - time.monotonic(), 0.001)

    def watch(self, opened: socket.socket) -> None:
        """End this one too. A duplicate is kept: TLS takes the first one's handle away."""
        self._sockets.append(opened.dup())

    def cancel(self) -> None:
        """The file is there, or will not come."""
        self._timer.cancel()
        for watched in self._sockets:
            watched.close()

    def _end(self) -> None:
        self.came = True
        for watched in self._sockets:
            with suppress(OSError):
                watched.shutdown(socket.SHUT_RDWR)


def fetcher_for(source: str) -> RepositoryFetcher:
    """The fetcher for an address or a folder. Raises SourceUnusable for anything else."""
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source):
        return FolderFetcher(Path(source))
    if not _is_address(source):
        # Not told back: an address with a password in it would end in a log.
        raise SourceUnusable("That is no address of a repository.", "Give http(s)://HOST/FOLDER.")
    return HttpFetcher(source)


def _is_address(source: str) -> bool:
    """Whether an address names a server and a folder there in plain ASCII, and nothing else."""
    try:
        at = urlsplit(source)
        at.hostname and at.hostname.encode("idna")
        is_port = at.port != 0
    except ValueError:
        return False
    is_plain = source.isascii() and source.isprintable() and " " not in source
    is_bare = not (at.query or at.fragment or "@" in at.netloc)
    return at.scheme in {"http", "https"} and bool(at.hostname) and is_port and is_plain and is_bare


def _bounded(chunks: Iterator[bytes], parts: list[str]) -> Iterator[bytes]:
    """The same bytes; raises DownloadEndless beyond what a device takes."""
    left = LONGEST_METADATA if parts[-1].endswith(".json") else LONGEST_TARGET
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise DownloadEndless(f"{parts[-1]} is longer than a device takes.", "Do not use this copy.")
        yield chunk


def _connect(at: SplitResult, silence_s: float, late: _Deadline) -> http.client.HTTPConnection:
    host, is_https = at.hostname or "", at.scheme == "https"
    port = at.port or (443 if is_https else 80)
    opened = _open_socket(host, port, silence_s, late)
    late.watch(opened)
    try:
        if is_https:
            opened = ssl.create_default_context().wrap_socket(opened, server_hostname=host)
    except OSError:
        opened.close()
        raise
    connection = http.client.HTTPConnection(host, port)
    connection.sock = opened
    return connection


def _open_socket(host: str, port: int, silence_s: float, late: _Deadline) -> socket.socket:
    """Connect to the first address that answers; a name with a thousand dead ones keeps nobody."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:_MOST_ADDRESSES]
    for family, kind, protocol, _, address in found:
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(min(silence_s, late.left_s))
            opened.connect(address)
            opened.settimeout(silence_s)
        except OSError as error:
            opened.close()
            failure = error
            continue
        return opened
    raise failure


def _body(connection: http.client.HTTPConnection, at: SplitResult, parts: list[str]) -> Iterator[bytes]:
    connection.request("GET", f"{at.path.rstrip('/')}/{'/'.join(parts)}", headers={"User-Agent": "allscope"})
    with connection.getresponse() as response:
        if 300 <= response.status < 400 and response.status != _NOT_MODIFIED:
            raise SourceRedirected(
                f"{at.netloc} sends elsewhere for {'/'.join(parts)}.",
                "Give the address of the repository itself.",
            )
        if response.status != 200:
            raise DownloadHTTPError(f"{at.netloc} answers {response.status} for {parts[-1]}", response.status)
        while chunk := response.read1(_CHUNK):
            yield chunk
        if response.length:
            raise ConnectionError("it broke off")


def _open_beneath(folder: int, parts: list[str]) -> int:
    """A handle on a file beneath a folder, no link on the way followed. Raises OSError, SourceLink, ..."""
    handle = os.dup(folder)
    for part in parts:
        is_last = part is parts[-1]
        how = os.O_NONBLOCK if is_last else os.O_DIRECTORY
        try:
            inner = os.open(part, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | how, dir_fd=handle)
        except OSError as error:
            is_link = error.errno in {errno.ELOOP, errno.ENOTDIR} and _is_link(part, handle)
            if is_link:
                raise SourceLink(
                    f"{'/'.join(parts)} is a symbolic link.", "Copy the repository anew."
                ) from error
            if error.errno == errno.ENXIO:
                raise _not_a_file(parts) from error
            raise
        finally:
            os.close(handle)
        handle = inner
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _not_a_file(parts)
    return handle


def _is_link(part: str, folder: int) -> bool:
    return stat.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode)


def _not_a_file(parts: list[str]) -> SourceNotAFile:
    return SourceNotAFile(f"{'/'.join(parts)} is no file.", "Copy the repository anew.")
