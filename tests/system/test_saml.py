#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Assertions that the mint signs, verified by two programs that share no code with it: xmlsec1 and pysaml2."""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from saml2 import saml
from saml2.sigver import CryptoBackendXmlSec1

from tap import main, same

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SFTOKEN_BUILD", TOP / "build/asan"))
ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"
RECIPIENT, AUDIENCE = "https://login.salesforce.com/services/oauth2/token", "https://login.salesforce.com"
NAMES = (
    ("3MVG9.CK", "etl@acme.example"),
    ("a&b<c>d\"e'f", "x&amp;y<!-- ]]> z"),
    ("schlüssel 鍵 😀", "jörg@müller.example\ttab\r\nline"),
    (" leading", "trailing "),
)


class Shared:
    folder: Path
    key: Path
    certificate: Path


def make_key(folder: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sftokend test")])
    now = datetime.now(timezone.utc)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
                   .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256()))
    Shared.key, Shared.certificate = folder / "key.pem", folder / "certificate.pem"
    Shared.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    Shared.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def assertion(issuer: str, subject: str, recipient: str = RECIPIENT, audience: str = AUDIENCE) -> bytes:
    return subprocess.run([str(BUILD / "tests/system/saml_print"), str(Shared.key), "_0123456789abcdef", issuer, subject, recipient, audience],
                          capture_output=True, check=True).stdout


def xmlsec_accepts(xml: bytes) -> bool:
    path = Shared.folder / "assertion.xml"
    path.write_bytes(xml)
    done = subprocess.run(["xmlsec1", "--verify", "--id-attr:ID", ASSERTION, "--enabled-reference-uris", "same-doc",
                           "--pubkey-cert-pem", str(Shared.certificate), str(path)], capture_output=True, text=True, check=False)
    return done.returncode == 0


def pysaml2_accepts(xml: bytes) -> bool:
    backend = CryptoBackendXmlSec1("/usr/bin/xmlsec1")
    try:
        return bool(backend.validate_signature(xml.decode(), str(Shared.certificate), "pem", ASSERTION, "_0123456789abcdef"))
    except Exception:  # pylint: disable=broad-except  # it has many ways to say no
        return False


def test_signatures() -> None:
    """Both verify the signature, whatever the names hold"""
    for issuer, subject in NAMES:
        xml = assertion(issuer, subject)
        assert xmlsec_accepts(xml), f"xmlsec1 refuses {issuer!r}"
        assert pysaml2_accepts(xml), f"pysaml2 refuses {issuer!r}"


def test_attributes() -> None:
    """The same for what stands in an attribute"""
    for issuer, subject in NAMES:
        xml = assertion("CK", "user", f"https://x.example/?{issuer}&{subject}", f"urn:{subject}")
        assert xmlsec_accepts(xml), f"xmlsec1 refuses {issuer!r}"


def test_meaning() -> None:
    """pysaml2 reads what was meant: names, recipient, audience, and a window of four minutes around now"""
    for issuer, subject in NAMES:
        read = saml.assertion_from_string(assertion(issuer, subject))
        confirmation = read.subject.subject_confirmation[0]
        same(read.issuer.text, issuer, "issuer")
        same(read.subject.name_id.text, subject, "subject")
        same(read.subject.name_id.format, saml.NAMEID_FORMAT_UNSPECIFIED)
        same(confirmation.method, saml.SCM_BEARER)
        same(confirmation.subject_confirmation_data.recipient, RECIPIENT)
        same(read.conditions.audience_restriction[0].audience[0].text, AUDIENCE)
        same(len(read.authn_statement), 1)
        start, end = (datetime.strptime(t, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
                      for t in (read.conditions.not_before, read.conditions.not_on_or_after))
        same(end - start, timedelta(seconds=240))
        assert start < datetime.now(timezone.utc) - timedelta(seconds=50) < end, (start, end)


def test_schema() -> None:
    """It is what the schema of SAML 2.0 calls a valid assertion, as far as pysaml2 knows it"""
    for issuer, subject in NAMES:
        saml.assertion_from_string(assertion(issuer, subject)).verify()


def test_tampering() -> None:
    """One changed byte anywhere, and neither accepts it"""
    good = assertion(*NAMES[0])
    for old, new in ((b"etl@acme.example", b"adm@acme.example"), (b"3MVG9.CK", b"3MVG9.CL"), (b"login.salesforce.com</", b"test.salesforce.com</"),
                     (b"NotBefore=\"2", b"NotBefore=\"1"), (b"cm:bearer", b"cm:sender"), (b"<ds:DigestValue>", b"<ds:DigestValue>A"),
                     (b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA"), (b"exc-c14n#\"></ds:Can", b"exc-c14n#WithComments\"></ds:Can")):
        assert good.count(old) >= 1, old
        bad = good.replace(old, new, 1)
        assert not xmlsec_accepts(bad), f"xmlsec1 accepts {new!r}"
        assert not pysaml2_accepts(bad), f"pysaml2 accepts {new!r}"


if __name__ == "__main__":
    logging.disable()  # pysaml2 tells at length what it refuses
    with tempfile.TemporaryDirectory(prefix="saml-") as place:
        Shared.folder = Path(place)
        make_key(Shared.folder)
        main()
