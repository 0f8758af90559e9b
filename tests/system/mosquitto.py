"""A real Mosquitto with TLS and a certificate for each device, and a collector of what comes."""

import json
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

DEVICE, COLLECTOR = "bench-1", "collector"
PATIENCE_S = 60.0


def program(name: str, package: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
    if found is None:
        pytest.skip(f"{name} is not here: apt-get install {package}")
    return found


@dataclass
class Authority:
    """Signs certificates for the broker and for devices; files lie in `folder`."""

    folder: Path
    name: str = "ca"

    def __post_init__(self) -> None:
        self._openssl(self.name, "-subj", f"/CN={self.name}")

    @property
    def certificate(self) -> Path:
        return self.folder / f"{self.name}.crt"

    def issue(self, name: str) -> tuple[Path, Path]:
        """(certificate, key) of a device, or of a broker at 127.0.0.1."""
        signer = ("-CA", self.certificate, "-CAkey", self.folder / f"{self.name}.key")
        address = ("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE")
        self._openssl(name, "-subj", f"/CN={name}", *signer, *address)
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def _openssl(self, name: str, *more: object) -> None:
        key, certificate = self.folder / f"{name}.key", self.folder / f"{name}.crt"
        command = [program("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
        command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run([*command, *map(str, more)], check=True, capture_output=True)
        key.chmod(0o600)


@dataclass
class Mosquitto:
    """A broker that keeps sessions on disk, and can be stopped and started."""

    folder: Path
    written: str = "pattern write allscope/v1/%u/#"
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    authority: Authority = field(init=False)

    def __post_init__(self) -> None:
        program("mosquitto", "mosquitto")
        self.authority = Authority(self.folder)
        certificate, key = self.authority.issue("broker")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (self.folder / "acl").write_text(f"{self.written}\nuser {COLLECTOR}\ntopic read allscope/v1/#\n")
        (self.folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\ncafile {self.authority.certificate}\n"
            f"certfile {certificate}\nkeyfile {key}\nrequire_certificate true\n"
            "use_identity_as_username true\n"
            f"acl_file {self.folder / 'acl'}\npersistence true\npersistence_location {self.folder}/\n"
            "max_queued_messages 0\nlog_type error\nuser root\n"
        )

    def start(self) -> "Mosquitto":
        command = [program("mosquitto", "mosquitto"), "-c", str(self.folder / "mosquitto.conf")]
        self.process = subprocess.Popen(command)
        wait_until(self._answers, "Mosquitto never listened")
        return self

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None

    def settings(self, data: Path, device: str = DEVICE, authority: Authority | None = None) -> Path:
        """A file of settings for `alledge publish` with a certificate of its own."""
        certificate, key = (authority or self.authority).issue(device)
        file = self.folder / f"{device}.toml"
        file.write_text(
            f'broker = "127.0.0.1"\nport = {self.port}\ndevice = "{device}"\n'
            f'ca = "{self.authority.certificate}"\n'
            f'certificate = "{certificate}"\nkey = "{key}"\ndata = "{data}"\n'
        )
        return file

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Collector:
    """Subscribes with a session that the broker keeps, and notes each message as it comes."""

    def __init__(self, broker: Mosquitto) -> None:
        certificate, key = broker.authority.issue(COLLECTOR)
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, COLLECTOR, protocol=mqtt.MQTTv5)
        self._client.tls_set(str(broker.authority.certificate), str(certificate), str(key), ssl.CERT_REQUIRED)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("allscope/v1/#", qos=1)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_message = self._note
        keep = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        keep.SessionExpiryInterval = 86_400
        self._client.connect("127.0.0.1", broker.port, 10, clean_start=False, properties=keep)
        self._client.loop_start()
        assert self.subscribed.wait(PATIENCE_S)

    def _note(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self.messages.append((message.topic, json.loads(message.payload)))

    def results(self, device: str = DEVICE) -> list[dict[str, Any]]:
        """All that came of a device's journal, in order, with what came twice."""
        return [told for topic, told in list(self.messages) if topic.split("/")[2] == device and "id" in told]

    def online(self, device: str = DEVICE) -> list[bool]:
        wanted = f"allscope/v1/{device}/online"
        return [told["online"] for topic, told in list(self.messages) if topic == wanted]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def wait_until(true: Any, what: str, limit_s: float = PATIENCE_S) -> None:
    end_s = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end_s, what
        time.sleep(0.05)
