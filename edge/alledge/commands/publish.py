"""`alledge publish`: results to a broker."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from alledge import RESEARCH_USE_ONLY


def publish(
    config: Annotated[Path, typer.Option(help="TOML file with broker and device.")] = Path(
        "/etc/allscope/publish.toml"
    ),
) -> None:
    """Sends counts and events of the journal to an MQTT 5 broker, each at least once, never a picture."""
    from importlib.util import find_spec

    from alledge.models.refusals import FleetExtraMissing

    if find_spec("paho") is None:
        raise FleetExtraMissing("Publishing needs paho-mqtt.", "Install it: `pip install allscope[fleet]`.")
    from alledge.telemetry.broker import MqttBroker
    from alledge.telemetry.publish_settings import read_publish_settings
    from alledge.telemetry.publishing import Outbox
    from alledge.telemetry.publishing import publish as publish_all

    settings = read_publish_settings(config)
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda heard, _: stopped.append(heard))
    typer.echo(RESEARCH_USE_ONLY, err=True)
    broker = MqttBroker(settings, lambda: bool(stopped))
    outbox = Outbox(Path(settings.data), settings.name, broker)
    publish_all(outbox, lambda: bool(stopped), lambda line: typer.echo(line, err=True))
