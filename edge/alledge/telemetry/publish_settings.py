"""What `alledge publish` is told: which broker, and who this device is there.

Encrypted unless the broker is on this machine. Each device has its own certificate or its own password, so
that one that is stolen can be shut out alone; a secret that others on the machine can read is refused.
"""

import re
import socket
import stat
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from alledge.errors import ConfigUnusable, InputError

PUBLISH_FILE: Final = Path("/etc/allscope/publish.toml")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_NEXT_STEP: Final = "Mend the file; docs/telemetry.md lists the keys."


class SecretReadable(InputError):
    """A key or a password can be read by others than its owner."""

    code = "secret-readable"


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """Settings of `alledge publish`; each field is a key of the file.

    broker, port: where. device: its name in topics, "" takes the host's. ca: certificate that the broker's is
    checked by, "" takes the system's. certificate, key: of this device. user, password_file: where the broker
    wants those. tls: may be false for a broker on this machine only. data: folder of the journal.
    """

    broker: str = ""
    port: int = 8883
    device: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    user: str = ""
    password_file: str = ""
    tls: bool = True
    data: str = "/var/lib/allscope"

    @property
    def name(self) -> str:
        """The device's name in topics."""
        return self.device or socket.gethostname()

    def password(self) -> str | None:
        """The password, None without one. Raises SecretReadable, ConfigUnusable."""
        return _secret(self.password_file).strip() if self.password_file else None


def read_publish_settings(file: Path) -> PublishSettings:
    """The settings that a TOML file holds.

    Raises:
        ConfigUnusable: no file, no TOML, an unknown key or a value that cannot be right.
        SecretReadable: a key or password file that others can read.
    """
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigUnusable(f"{file} cannot be read ({error.strerror}).", _NEXT_STEP) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigUnusable(f"{file} is no TOML ({error}).", _NEXT_STEP) from error
    types = {field.name: type(field.default) for field in fields(PublishSettings)}
    for key, value in told.items():
        if key not in types:
            raise ConfigUnusable(f"{file} has an unknown key `{key}`.", f"Known: {', '.join(types)}.")
        if type(value) is not types[key]:
            raise ConfigUnusable(f"{file}: `{key}` must be a {types[key].__name__}.", _NEXT_STEP)
    settings = replace(PublishSettings(), **told)
    _require_sense(settings, file)
    for secret in (settings.key, settings.password_file):
        if secret:
            _secret(secret)
    return settings


def _require_sense(settings: PublishSettings, file: Path) -> None:
    wrong = ""
    if not settings.broker:
        wrong = "`broker` is missing"
    elif not 1 <= settings.port <= 65_535:
        wrong = "`port` must be 1 to 65535"
    elif not _NAME.fullmatch(settings.name):
        wrong = f"`device` must be letters, digits, dots and hyphens, not {settings.name!r}"
    elif not settings.tls and settings.broker not in _LOOPBACK:
        wrong = "without `tls` only a broker on this machine may be used"
    elif bool(settings.certificate) != bool(settings.key):
        wrong = "`certificate` and `key` belong together"
    elif bool(settings.user) != bool(settings.password_file):
        wrong = "`user` and `password_file` belong together"
    if wrong:
        raise ConfigUnusable(f"{file}: {wrong}.", _NEXT_STEP)


def _secret(name: str) -> str:
    """The text of a file that only its owner can read."""
    try:
        mode = stat.S_IMODE(Path(name).stat().st_mode)
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigUnusable(f"{name} cannot be read ({error}).", _NEXT_STEP) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretReadable(f"{name} can be read by others (mode {mode:o}).", f"chmod 600 {name}")
    return text
