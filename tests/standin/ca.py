# SPDX-License-Identifier: Apache-2.0
"""The stand-in's own certificate authority and the certificates, good and bad, that it shows."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
KINDS = ("good", "expired", "wrong_name", "self_signed", "tls1_1")

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: _Key) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def _builder(subject: str, issuer: str, key: _Key, days: int = 30,
             begin: int = -1) -> x509.CertificateBuilder:
    now = datetime.datetime.utcnow()
    return (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + begin * DAY).not_valid_after(now + days * DAY))


def _write_private(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


def write_key_pair(path: Path, bits: int) -> str:
    """Write a new RSA key to path (0600); return a self-signed certificate for it as PEM."""
    key = rsa.generate_private_key(65537, bits)
    _write_private(path, _key_pem(key))
    return _pem(_builder("sftokend test app", "sftokend test app", key)
                .sign(key, hashes.SHA256())).decode()


class Authority:
    """A CA made at start; it lives in a directory for as long as the stand-in."""

    NAME = "Salesforce stand-in CA"

    def __init__(self, directory: Path, name: str = "") -> None:
        """name: of the server, beside localhost and the addresses."""
        self.directory = directory
        self.server_names = [x509.DNSName(n) for n in ("localhost", name) if n]
        self.key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        cert = (_builder(self.NAME, self.NAME, self.key)
                .add_extension(x509.BasicConstraints(True, 0), True)
                .add_extension(usage, True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()),
                               False).sign(self.key, hashes.SHA256()))
        self.path = directory / "ca.pem"
        self.path.write_bytes(_pem(cert))

    def context(self, kind: str) -> ssl.SSLContext:
        """A server's TLS context; kind says what is wrong with it (KINDS)."""
        file = self.directory / f"server-{kind}.pem"
        _write_private(file, self._issue(kind))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        if kind == "tls1_1":
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        else:
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(file)
        return context

    def _issue(self, kind: str) -> bytes:
        """Key and certificate of the server as one PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName("elsewhere.example")]
        if kind != "wrong_name":
            names = [*self.server_names,
                     x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                     x509.IPAddress(ipaddress.ip_address("::1"))]
        days, begin = (-1, -9) if kind == "expired" else (30, -1)
        alone = kind == "self_signed"
        cert = (_builder("stand-in", "stand-in" if alone else self.NAME, key, days, begin)
                .add_extension(x509.SubjectAlternativeName(names), False)
                .add_extension(x509.BasicConstraints(False, None), True)
                .sign(key if alone else self.key, hashes.SHA256()))
        return _key_pem(key) + _pem(cert)
