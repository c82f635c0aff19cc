# SPDX-License-Identifier: Apache-2.0
"""SAML 2.0 assertions, really verified: the document is canonicalised by libxml2, never trusted to
be in any form, and only a signature over the whole of it counts. Keys come from the configuration,
never from the document."""

from __future__ import annotations

import base64
import binascii
import copy
import datetime
import hashlib
import importlib
import re
from dataclasses import dataclass
from typing import Any, Callable, Optional

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from .certificates import public_key

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
DS = "http://www.w3.org/2000/09/xmldsig#"
C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = DS + "enveloped-signature"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_DIGESTS = {"http://www.w3.org/2001/04/xmlenc#sha256": hashlib.sha256, DS + "sha1": hashlib.sha1}
_SIGNATURES: dict[str, Any] = {
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": hashes.SHA256(),
    DS + "rsa-sha1": hashes.SHA1()}
# the schema's order of an Assertion's children; the statements may come in any order
_ORDER = ("Issuer", "Signature", "Subject", "Conditions", "Advice")
_STATEMENTS = frozenset(("Statement", "AuthnStatement", "AuthzDecisionStatement",
                         "AttributeStatement"))
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z")
_NCNAME = re.compile(r"[A-Za-z_][\w.-]*")


class Invalid(Exception):
    """The document is no good assertion; the text is for the log."""


@dataclass
class Assertion:
    """What a verified assertion says. Times are seconds since 1970."""

    id: str
    issuer: str
    issued: float
    name: str
    recipient: str
    expires: float              # of the subject confirmation
    not_before: Optional[float]  # of the conditions
    not_after: Optional[float]
    audiences: list[str]


def decode(text: str) -> bytes:
    """The XML of an assertion parameter: base64url, padded or not, or plain base64."""
    plain = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("not base64url") from error


def read(xml: bytes, certificate: Callable[[str], Optional[str]]) -> Assertion:
    """The assertion, verified with the certificate (PEM) of its issuer; Invalid otherwise."""
    root = _parse(xml)
    found = _facts(root)
    cert = certificate(found.issuer)
    if cert is None:
        raise Invalid(f"nobody knows the issuer {found.issuer}")
    _verify(root, found.id, public_key(cert))
    return found


# -- the document --------------------------------------------------------------------------------

def _etree() -> Any:
    """lxml, which only those need who send SAML."""
    return importlib.import_module("lxml.etree")


def _parse(xml: bytes) -> Any:
    etree = _etree()
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False,
                             huge_tree=False)
    try:
        root = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        raise Invalid(f"not XML: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise Invalid("a document type")
    # a comment inside of a name would cut it in two
    if any(not isinstance(node.tag, str) for node in root.iter()):
        raise Invalid("a comment or processing instruction")
    if root.tag != f"{{{SAML}}}Assertion":
        raise Invalid(f"the root is {root.tag}")
    return root


def _one(parent: Any, name: str, namespace: str = SAML) -> Any:
    found = parent.findall(f"{{{namespace}}}{name}")
    if len(found) != 1:
        raise Invalid(f"{len(found)} {name}")
    return found[0]


def _text(element: Any) -> str:
    """Trimmed: the samples of the documentation are indented."""
    if len(element):
        raise Invalid(f"elements in {element.tag}")
    return (element.text or "").strip()


def _instant(element: Any, name: str) -> Optional[float]:
    value = element.get(name)
    if value is None:
        return None
    match = _INSTANT.fullmatch(value)
    if not match:
        raise Invalid(f"{name}={value}")
    try:
        time = datetime.datetime.fromisoformat(match[1] + "+00:00")
    except ValueError as error:
        raise Invalid(f"{name}={value}") from error
    return time.timestamp() + float(match[2] or 0)


def _check_order(root: Any) -> None:
    """Children as the schema has them."""
    rest = list(_ORDER)
    for child in root:
        namespace, _, name = child.tag[1:].partition("}")
        if namespace != (DS if name == "Signature" else SAML):
            raise Invalid(f"a {child.tag} in the assertion")
        if name in rest:
            del rest[:rest.index(name) + 1]
        elif name in _STATEMENTS:
            rest.clear()
        else:
            raise Invalid(f"{name} is not in its place")


def _facts(root: Any) -> Assertion:
    _check_order(root)
    issued = _instant(root, "IssueInstant")
    if root.get("Version") != "2.0" or issued is None:
        raise Invalid("Version or IssueInstant")
    if not _NCNAME.fullmatch(root.get("ID", "")):
        raise Invalid(f"ID={root.get('ID')}")
    subject = _one(root, "Subject")
    data = _confirmation(subject)
    expires = _instant(data, "NotOnOrAfter")
    if expires is None:
        raise Invalid("no NotOnOrAfter")
    if data.get("NotBefore") is not None:
        raise Invalid("a bearer's confirmation has no NotBefore")
    conditions = _one(root, "Conditions")
    audiences = [_text(audience)
                 for restriction in conditions.findall(f"{{{SAML}}}AudienceRestriction")
                 for audience in restriction.findall(f"{{{SAML}}}Audience")]
    return Assertion(root.get("ID"), _text(_one(root, "Issuer")), issued,
                     _text(_one(subject, "NameID")), data.get("Recipient", ""), expires,
                     _instant(conditions, "NotBefore"), _instant(conditions, "NotOnOrAfter"),
                     audiences)


def _confirmation(subject: Any) -> Any:
    """The data of the bearer's confirmation, which comes after the name."""
    if subject[0].tag != f"{{{SAML}}}NameID":
        raise Invalid("the subject does not begin with NameID")
    for confirmation in subject.findall(f"{{{SAML}}}SubjectConfirmation"):
        if confirmation.get("Method") == BEARER:
            return _one(confirmation, "SubjectConfirmationData")
    raise Invalid("no bearer confirmation")


# -- the signature -------------------------------------------------------------------------------

def _canonical(element: Any, method: Any) -> bytes:
    """Exclusive canonical XML; method is the element that asks for it."""
    if method.get("Algorithm") != C14N:
        raise Invalid(f"canonicalization {method.get('Algorithm')}")
    inclusive = method.find(f"{{{C14N}}}InclusiveNamespaces")
    prefixes = inclusive.get("PrefixList", "").split() if inclusive is not None else None
    return bytes(_etree().tostring(element, method="c14n", exclusive=True, with_comments=False,
                                   inclusive_ns_prefixes=prefixes))


def _without_signature(root: Any) -> Any:
    """What the enveloped-signature transform leaves: all but the signature, its tail included."""
    rest = copy.deepcopy(root)
    signature = _one(rest, "Signature", DS)
    before = signature.getprevious()
    if signature.tail and before is not None:
        before.tail = (before.tail or "") + signature.tail
    rest.remove(signature)
    return rest


def _verify(root: Any, assertion_id: str, key: Any) -> None:
    """One signature, over exactly this assertion."""
    if len(list(root.iter(f"{{{DS}}}Signature"))) != 1:
        raise Invalid("not exactly one signature")
    ids = [value for node in root.iter() for name, value in node.attrib.items()
           if name.lower() == "id"]
    if ids.count(assertion_id) != 1:
        raise Invalid("the ID twice")
    signature = _one(root, "Signature", DS)
    info = _one(signature, "SignedInfo", DS)
    _check_digest(root, info, assertion_id)
    algorithm = _one(info, "SignatureMethod", DS).get("Algorithm")
    if algorithm not in _SIGNATURES:
        raise Invalid(f"signature {algorithm}")
    signed = _canonical(info, _one(info, "CanonicalizationMethod", DS))
    try:
        value = base64.b64decode("".join(_text(_one(signature, "SignatureValue", DS)).split()),
                                 validate=True)
        key.verify(value, signed, padding.PKCS1v15(), _SIGNATURES[algorithm])
    except (InvalidSignature, binascii.Error) as error:
        raise Invalid("the signature is wrong") from error


def _check_digest(root: Any, info: Any, assertion_id: str) -> None:
    reference = _one(info, "Reference", DS)
    if reference.get("URI") != "#" + assertion_id:
        raise Invalid(f"Reference URI={reference.get('URI')}")
    transforms = list(_one(reference, "Transforms", DS))
    if [t.get("Algorithm") for t in transforms] != [ENVELOPED, C14N]:
        raise Invalid("transforms")
    algorithm = _one(reference, "DigestMethod", DS).get("Algorithm")
    if algorithm not in _DIGESTS:
        raise Invalid(f"digest {algorithm}")
    digest = _DIGESTS[algorithm](_canonical(_without_signature(root), transforms[1])).digest()
    wanted = "".join(_text(_one(reference, "DigestValue", DS)).split())
    if base64.b64encode(digest).decode() != wanted:
        raise Invalid("the digest is wrong")
