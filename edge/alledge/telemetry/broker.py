"""An MQTT 5 broker, as the outbox needs one: messages in order, and how many it has acknowledged.

Each connection begins with nothing (clean start, a fresh client): what was not acknowledged before is sent
again from the journal, never from a library's memory. So what a subscriber sees first is always in order.

A PUBACK is not yet a yes: it carries a reason. 0x80 and above are refusals (not authorised, quota exceeded),
and 0x10 says that nobody listens, which for a result means that it is lost. Only 0x00 counts as taken.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from alledge.errors import RefusedError
from alledge.telemetry.messages import Message, topic_of
from alledge.telemetry.publish_settings import PublishSettings

PATIENCE_S: Final = 10.0
"""How long the broker may be silent where it owes an answer, at first."""

LONGEST_PATIENCE_S: Final = 80.0
"""After silences, each twice as long: over a slow line, hanging up early would never get through."""

_TAKEN: Final = 0x00
_NOBODY_LISTENS: Final = 0x10
_IN_FLIGHT: Final = 16  # below the 20 that Mosquitto takes from one client
_KEEP_ALIVE_S: Final = 30
_AT_LEAST_ONCE: Final = 1
_STEP_S: Final = 0.2
_LONGEST_TO_US: Final = 64 * 1024  # nobody has anything long to say to a device
_BESIDE_PAYLOAD: Final = 80  # bytes of a PUBLISH beside topic, id and payload, at most


class BrokerUnavailable(RefusedError):
    """The broker cannot be reached, or does not take this device or its messages; trying again is right."""

    code = "broker-unavailable"


class Broker(Protocol):
    """Where messages go."""

    def deliver(self, messages: Sequence[Message], acknowledged: Callable[[int], None]) -> None:
        """Send in order; `acknowledged` is told how many, from the first, were taken, as that grows.

        Raises BrokerUnavailable when not all are.
        """

    def idle(self, seconds: float) -> None:
        """Keep the connection while there is nothing to send. Raises BrokerUnavailable."""

    def close(self) -> None:
        """Say good-bye."""


class MqttBroker:
    """The broker of the settings; connects when it is needed. Not for two threads.

    is_stopped: whether somebody asked for the end, so that an answer is not waited for any longer.
    """

    def __init__(self, settings: PublishSettings, is_stopped: Callable[[], bool] = lambda: False) -> None:
        self._settings, self._is_stopped = settings, is_stopped
        self._client: mqtt.Client | None = None
        self._greeting: list[ReasonCode] = []
        self._answers: dict[int, ReasonCode] = {}
        self._farewell = ""
        self._window, self._longest = _IN_FLIGHT, 0
        self._patience_s = PATIENCE_S

    def deliver(self, messages: Sequence[Message], acknowledged: Callable[[int], None]) -> None:
        """See `Broker`."""
        with self._closing_on_failure():
            n_alone = 0
            if self._client is None and messages:
                # A broker that refuses may hang up at once: alone, the first message still hears why.
                n_alone = 1
                self._deliver(self._opened(), messages[:1], acknowledged)
            self._deliver(self._opened(), messages[n_alone:], lambda n: acknowledged(n + n_alone))

    def idle(self, seconds: float) -> None:
        """See `Broker`."""
        end_s = time.monotonic() + seconds
        with self._closing_on_failure():
            while (left_s := end_s - time.monotonic()) > 0:
                if self._client is None:
                    time.sleep(min(left_s, _STEP_S))
                else:
                    self._turn(self._client, min(left_s, _STEP_S))

    def close(self) -> None:
        """Say that the device is off, as its will would, and go."""
        client, self._client = self._client, None
        if client is None:
            return
        with contextlib.suppress(OSError, ValueError):
            self._send(client, self._online_topic, _online(is_online=False), None, retain=True)
            client.loop(_STEP_S)
            client.disconnect()
            client.loop(_STEP_S)

    def _deliver(
        self, client: mqtt.Client, messages: Sequence[Message], acknowledged: Callable[[int], None]
    ) -> None:
        sent: list[int] = []
        n_taken, silent_since_s = 0, time.monotonic()
        while n_taken < len(messages):
            due = messages[len(sent) : n_taken + self._window]
            sent += [self._send(client, message.topic, message.payload, message.id) for message in due]
            taken = self._taken(sent[n_taken:])
            if taken:
                n_taken, silent_since_s = n_taken + taken, time.monotonic()
                self._patience_s = PATIENCE_S
                acknowledged(n_taken)
            else:
                self._listen(client, silent_since_s)

    @property
    def _online_topic(self) -> str:
        return topic_of(self._settings.name, "online")

    @contextlib.contextmanager
    def _closing_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        """Let go of the connection without a word; the broker then tells our will."""
        client, self._client = self._client, None
        held = None if client is None else client.socket()
        if held is not None:
            held.close()

    def _opened(self) -> mqtt.Client:
        if self._client is not None:
            return self._client
        settings = self._settings
        client = self._new_client()
        self._greeting, self._answers, self._farewell = [], {}, ""
        self._window, self._longest = _IN_FLIGHT, 0
        self._client = client
        began_s = time.monotonic()
        try:
            client.connect(
                settings.broker, settings.port, _KEEP_ALIVE_S, clean_start=True, properties=_what_we_take()
            )
        except (OSError, ValueError) as error:
            raise _unavailable(f"{settings.broker}:{settings.port} cannot be reached ({error}).") from error
        while not self._greeting:
            self._listen(client, began_s)
        online = self._send(client, self._online_topic, _online(is_online=True), None, retain=True)
        while online not in self._answers:
            self._listen(client, began_s)
        # Numbers come again after 65,535 messages: an answer left here would then be taken for another's.
        del self._answers[online]
        return client

    def _new_client(self) -> mqtt.Client:
        settings = self._settings
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"allscope-{settings.name}",
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = min(self._patience_s, 2 * PATIENCE_S)
        client.max_inflight_messages_set(_IN_FLIGHT)
        if settings.tls:
            try:
                # A passphrase that is none: OpenSSL would ask a terminal for one, and wait.
                client.tls_set(
                    settings.ca or None,
                    settings.certificate or None,
                    settings.key or None,
                    keyfile_password="",
                )
            except (OSError, ValueError) as error:
                raise _unavailable(f"The certificates cannot be used ({error}).") from error
        password = settings.password()
        if password is not None:
            client.username_pw_set(settings.user, password)
        client.will_set(self._online_topic, _online(is_online=False), _AT_LEAST_ONCE, retain=True)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(
        self, _client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, more: Properties | None
    ) -> None:
        self._greeting.append(reason)
        self._window = min(_IN_FLIGHT, getattr(more, "ReceiveMaximum", _IN_FLIGHT))
        self._longest = getattr(more, "MaximumPacketSize", 0)

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _data: object,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _more: object,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._farewell = str(reason)

    def _on_publish(
        self, _client: mqtt.Client, _data: object, mid: int, reason: ReasonCode, _more: object
    ) -> None:
        self._answers[mid] = reason

    def _send(
        self, client: mqtt.Client, topic: str, payload: bytes, message_id: str | None, *, retain: bool = False
    ) -> int:
        """Hand one message to the client; the number that its answer will have. Raises BrokerUnavailable."""
        n_bytes = len(topic) + len(payload) + len(message_id or "") + _BESIDE_PAYLOAD
        if 0 < self._longest < n_bytes:
            raise _unavailable(
                f"The broker takes messages of {self._longest} bytes; one to {topic} has {n_bytes}."
            )
        about = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
        about.PayloadFormatIndicator = 1
        about.ContentType = "application/json"
        if message_id is not None:
            about.UserProperty = ("id", message_id)
        return client.publish(topic, payload, _AT_LEAST_ONCE, retain=retain, properties=about).mid

    def _taken(self, numbers: Sequence[int]) -> int:
        """How many of these, from the first, were taken. Raises BrokerUnavailable for one refused."""
        n = 0
        for number in numbers:
            reason = self._answers.pop(number, None)
            if reason is None:
                break
            _require_taken(reason)
            n += 1
        return n

    def _listen(self, client: mqtt.Client, silent_since_s: float) -> None:
        """Wait a little for the answer that the broker owes."""
        if self._is_stopped():
            raise _unavailable("An answer of the broker was not waited for, on stopping.")
        if time.monotonic() - silent_since_s > self._patience_s:
            self._patience_s = min(2 * self._patience_s, LONGEST_PATIENCE_S)
            raise _unavailable("The broker owes an answer and is silent.")
        self._turn(client, _STEP_S)

    def _turn(self, client: mqtt.Client, seconds: float) -> None:
        """Move what can be moved on the connection."""
        try:
            code = client.loop(seconds)
        except (OSError, ValueError) as error:
            raise _unavailable(f"The connection broke ({error}).") from error
        self._require_welcome()
        # paho reads a packet of 256 MB if it is sent one; this is the only place that tells how long it is.
        if client._in_packet["remaining_length"] > _LONGEST_TO_US:
            raise _unavailable("The broker sends something that is far too long.")
        if code != mqtt.MQTT_ERR_SUCCESS:
            for reason in self._answers.values():
                if reason.is_failure:
                    _require_taken(reason)
            if self._farewell:
                raise _unavailable(f"The broker hung up: {self._farewell}.")
            raise _unavailable(f"The connection broke ({mqtt.error_string(code)}).")

    def _require_welcome(self) -> None:
        """Raise BrokerUnavailable when the broker answered the connection with a refusal."""
        if self._greeting and self._greeting[0].is_failure:
            raise _unavailable(f"The broker refuses {self._settings.name}: {self._greeting[0]}.")


def _require_taken(reason: ReasonCode) -> None:
    """Raise BrokerUnavailable unless the answer says that a message was taken."""
    if reason.value == _NOBODY_LISTENS:
        raise _unavailable("Nobody listens at the broker, so what it takes would be lost.")
    if reason.value != _TAKEN:
        raise _unavailable(f"The broker refuses a message: {reason}.")


def _what_we_take() -> Properties:
    about = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
    about.MaximumPacketSize = _LONGEST_TO_US
    return about


def _online(*, is_online: bool) -> bytes:
    return json.dumps({"online": is_online}).encode()


def _unavailable(what: str) -> BrokerUnavailable:
    return BrokerUnavailable(what, "It is tried again; nothing is lost meanwhile.")
