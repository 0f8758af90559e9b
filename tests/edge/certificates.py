"""Certificates of every kind of wrongness, made in a moment, and a server that shows them."""

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="the extra `fleet` is not installed")

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

WRONGS = ("expired", "not_yet_valid", "of_another_name", "of_a_stranger", "self_signed")
HERE = "127.0.0.1"


class Issuer:
    """An authority in memory; its certificate lies in a file for who trusts it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.certificate = folder / f"{name}.crt"
        made = self._signed(_named(name), self._key, HERE, 0, 2, is_authority=True)
        self.certificate.write_bytes(made.public_bytes(Encoding.PEM))

    def issue(self, name: str, address: str = HERE, from_days: float = -1, to_days: float = 2) -> Path:
        """One file with a certificate for an address and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed(_named(name), key, address, from_days, to_days, is_authority=False)
        path = self.folder / f"{name}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(made.public_bytes(Encoding.PEM) + secret)
        return path

    def _signed(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        address: str,
        from_days: float,
        to_days: float,
        *,
        is_authority: bool,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        there = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=from_days))
            .not_valid_after(now + timedelta(days=to_days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(there, critical=False)
            .sign(self._key, SHA256())
        )


def wrong_certificate(kind: str, issuer: Issuer) -> Path:
    """A server's certificate that must not be trusted by who trusts the issuer."""
    if kind == "expired":
        return issuer.issue("old", from_days=-3, to_days=-1)
    if kind == "not_yet_valid":
        return issuer.issue("early", from_days=1)
    if kind == "of_another_name":
        return issuer.issue("other", address="127.0.0.2")
    stranger = Issuer(issuer.folder, f"{kind}-authority")
    if kind == "of_a_stranger":
        return stranger.issue("stranger")
    assert kind == "self_signed"
    return stranger.issue(f"{kind}-authority")


class TlsServer:
    """Shows a certificate; what comes through the handshake is given to `serve`. newest: TLS it speaks."""

    def __init__(
        self,
        certificate: Path,
        serve: Callable[[ssl.SSLSocket], None],
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if newest < ssl.TLSVersion.TLSv1_2:
            self._context.set_ciphers("ALL:@SECLEVEL=0")
            with contextlib.suppress(DeprecationWarning):
                self._context.minimum_version = newest
        self._context.maximum_version = newest
        self._context.load_cert_chain(certificate)
        self._serve = serve
        self._listener = socket.create_server((HERE, 0))
        self.port = self._listener.getsockname()[1]
        self.heard: list[bytes] = []
        threading.Thread(target=self._run, daemon=True).start()

    def __enter__(self) -> "TlsServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                with plain, contextlib.suppress(OSError):
                    plain.settimeout(3)
                    with self._context.wrap_socket(plain, server_side=True) as secured:
                        self._serve(secured)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
