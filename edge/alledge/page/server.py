"""`alledge page` as a process: keys, the QR code on the console, and a server with bounds."""

import asyncio
import socket
from collections.abc import Callable
from io import StringIO
from typing import Final

import segno
import uvicorn
from fastapi import FastAPI

from alledge.errors import InputError
from alledge.page.app import create_app
from alledge.page.bounded import MOST_CONNECTIONS, MOST_HEAD_BYTES, BoundedProtocol
from alledge.page.keys import Keys, fresh_keys, load_keys
from alledge.page.settings import PageSettings
from alledge.service.live_view import LIVE_VIEW_FILE, LiveViewReader

_KEEP_ALIVE_S: Final = 15
_STOP_WITHIN_S: Final = 1


class AddressUnusable(InputError):
    """The page cannot listen where it was told to."""

    code = "address-unusable"


def run_page(settings: PageSettings, tell: Callable[[str], None], *, is_seen: bool) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: where the data lies and where to listen.
        tell: is given lines for the console.
        is_seen: whether the console is a person's; a log is no place for tokens.

    Raises:
        AddressUnusable: another program listens there, or this machine has no such address.
        KeysUnusable, StorageFailed: the page's keys cannot be read or made.
    """
    keys = fresh_keys() if settings.is_loopback else load_keys(settings.data)
    app = create_app(settings, keys, LiveViewReader(settings.runtime / LIVE_VIEW_FILE))
    with listen(settings) as listener:
        for line in introduction(settings, keys if is_seen else None):
            tell(line)
        asyncio.run(bounded_server(app).serve(sockets=[listener]))


def bounded_server(app: FastAPI) -> uvicorn.Server:
    """A server that bounds what a connection may cost; it listens at the sockets it is given."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_STOP_WITHIN_S,
        h11_max_incomplete_event_size=MOST_HEAD_BYTES,
    )
    return uvicorn.Server(config)


def show_keys(settings: PageSettings, tell: Callable[[str], None]) -> None:
    """Show the ways in to somebody who may read the data folder. Raises KeysUnusable, StorageFailed."""
    if settings.is_loopback:
        tell("On this machine no token is asked for. Name the address of the network with --host.")
    for line in introduction(settings, load_keys(settings.data)):
        tell(line)


def introduction(settings: PageSettings, keys: Keys | None) -> list[str]:
    """What the console shows: where the page is, and on the network the ways in, or how to see them."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if settings.is_loopback:
        return [f"http://{host}:{settings.port}/"]
    shown = socket.gethostname() if settings.host in ("0.0.0.0", "::") else host  # noqa: S104 - compared
    if keys is None:
        return [f"http://{shown}:{settings.port}/", "The ways in: alledge page --show-keys, on this machine."]
    lines = []
    for role, token in (("operator", keys.operator), ("reviewer", keys.reviewer)):
        # After the #, where no server and no log sees it.
        address = f"http://{shown}:{settings.port}/enter#token={token}"
        drawn = StringIO()
        segno.make(address, error="l", micro=False).terminal(out=drawn, border=2, compact=True)
        lines += [f"{role}: {address}", drawn.getvalue()]
    lines.append("What goes over the network is not encrypted: use a network of the lab's own.")
    return lines


def listen(settings: PageSettings) -> socket.socket:
    """A socket that takes connections already. Raises AddressUnusable."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host.strip("[]"), settings.port))
        listener.listen(MOST_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise AddressUnusable(
            f"{settings.host}:{settings.port} cannot be listened at ({error.strerror or error}).",
            "Name another --host or --port.",
        ) from error
    return listener
