"""Connections within bounds: not too many, each with a request in time, none with a long queue behind it.

uvicorn ends a connection that stays idle after an answer, but waits forever for the first request of one, or
for the rest of its headers. Here each has a deadline until its request is whole enough to be looked at. The
buffer towards a client is kept short, so that a slow viewer sees few old pictures rather than many.
"""

import asyncio
import socket
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS: Final = 256
HEAD_WITHIN_S: Final = 10.0
MOST_HEAD_BYTES: Final = 16 * 1024
_SEND_BUFFER_BYTES: Final = 1 << 18


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with a deadline for each request's head and a limit on connections."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """Take a connection, or close it at once when there are too many."""
        if len(self.connections) >= MOST_CONNECTIONS:
            transport.abort()
            return
        super().connection_made(transport)
        connection: Any = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        if self.transport is not None:
            super().data_received(data)
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._disarm()
        if self.transport is not None:
            super().connection_lost(exc)

    def _watch(self) -> None:
        """Keep the deadline running while no request is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._disarm()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_WITHIN_S, self._too_late)

    def _too_late(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
