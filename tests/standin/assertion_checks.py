# SPDX-License-Identifier: Apache-2.0
"""SAML assertions, which xmlsec1 signs here, token exchange and client assertions. Run by
test_standin.py."""

from __future__ import annotations

import base64
import subprocess
import time
from typing import Any, Callable, Optional
from urllib.parse import quote_plus

import jwt

from .clientauth import ASSERTION_TYPE
from .errors import ALL_ERRORS as ERRORS
from .exchange import SAML_BEARER
from .grants.token_exchange import GRANT_TYPE as EXCHANGE
from .grants.token_exchange import TYPE
from .saml import BEARER, C14N, DS, ENVELOPED, SAML
from .standin_client import make_key
from .tap import APP, JWT_APP, LOGIN, SECRET, TOKEN, USER, Case, Reply, equal

SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
INTROSPECT = "/services/oauth2/introspect"


# -- SAML ----------------------------------------------------------------------------------------

def _instant(offset: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset))


def template(**changes: str) -> str:
    """An assertion that waits for its signature; indented, so that canonicalisation has to work."""
    v = {"id": "_a1", "issuer": JWT_APP, "user": USER, "recipient": LOGIN + TOKEN,
         "audience": LOGIN, "begin": _instant(-5), "end": _instant(180), "issued": _instant(0),
         "uri": "#_a1", "c14n": C14N, "digest": SHA256, "method": RSA_SHA256,
         "first": "", "before": "", "bearer": BEARER, "extra": ""} | changes
    signature = f"""<ds:Signature xmlns:ds='{DS}'><ds:SignedInfo>
  <ds:CanonicalizationMethod Algorithm='{v["c14n"]}'/>
  <ds:SignatureMethod Algorithm='{v["method"]}'/>
  <ds:Reference URI='{v["uri"]}'><ds:Transforms><ds:Transform Algorithm='{ENVELOPED}'/>
    <ds:Transform Algorithm='{v["c14n"]}'/></ds:Transforms>
    <ds:DigestMethod Algorithm='{v["digest"]}'/><ds:DigestValue/></ds:Reference>
</ds:SignedInfo><ds:SignatureValue/></ds:Signature>"""
    issuer = f"<saml:Issuer>\n {v['issuer']} </saml:Issuer>"
    ordered = signature + issuer if v["first"] else issuer + signature
    return f"""<?xml version='1.0'?>
<saml:Assertion xmlns:saml='{SAML}' xmlns:unused='urn:x' Version='2.0' ID='{v["id"]}'
   IssueInstant='{v["issued"]}'>{v["before"]}{ordered}
 <saml:Subject><saml:NameID>{v["user"]}</saml:NameID>
  <saml:SubjectConfirmation Method='{v["bearer"]}'>
   <saml:SubjectConfirmationData Recipient='{v["recipient"]}' NotOnOrAfter='{v["end"]}'/>
  </saml:SubjectConfirmation></saml:Subject>
 <saml:Conditions NotOnOrAfter='{v["end"]}' NotBefore='{v["begin"]}'><saml:AudienceRestriction>
  <saml:Audience>{v["audience"]}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
 <saml:AuthnStatement AuthnInstant='{v["issued"]}'><saml:AuthnContext><saml:AuthnContextClassRef
  >urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef>
 </saml:AuthnContext></saml:AuthnStatement>{v["extra"]}
</saml:Assertion>"""


def signed(case: Case, xml: str, key: str = "app.pem") -> bytes:
    """What xmlsec1 makes of it."""
    path = case.directory / "template.xml"
    path.write_text(xml)
    done = subprocess.run(["xmlsec1", "--sign", "--privkey-pem", str(case.directory / key),
                           "--id-attr:ID", SAML + ":Assertion", str(path)],
                          check=True, capture_output=True)
    return done.stdout


def send(case: Case, xml: bytes, **fields: str) -> Reply:
    text = base64.urlsafe_b64encode(xml).rstrip(b"=").decode()
    return case.client.post(TOKEN, {"grant_type": SAML_BEARER, "assertion": text} | fields)


def saml(case: Case, key: str = "app.pem", **changes: str) -> Reply:
    return send(case, signed(case, template(**changes), key))


def test_saml(case: Case) -> None:
    """SAML bearer: a good assertion, whatever its form"""
    reply = saml(case)
    equal((reply.status, set(reply.json)), (200, {
        "access_token", "scope", "instance_url", "id", "token_type"}))
    equal(case.client.limits(reply.json["access_token"]), 200)
    entry = case.standin.token_requests(JWT_APP)[0]
    equal((entry["sub"], entry["claims"]["iss"]), (USER, JWT_APP))
    good: list[dict[str, str]] = [
        {"audience": LOGIN + TOKEN}, {"audience": case.standin.url},
        {"recipient": case.standin.url + TOKEN}, {"digest": DS + "sha1"}]
    for number, changes in enumerate(good):
        name = f"_g{number}"
        equal((changes, saml(case, id=name, uri="#" + name, **changes).status), (changes, 200))
    equal(case.standin.problems(), [])
    case.standin.configure(strict=False)
    padded = base64.b64encode(signed(case, template())).decode()
    equal(send(case, b"", assertion=padded).status, 200)


def test_saml_refusals(case: Case) -> None:
    """SAML bearer: times, audience, recipient, user, issuer, order, in the real server's words"""
    bad: list[tuple[dict[str, str], str]] = [
        ({"end": _instant(-1)}, "expired_assertion"),
        ({"begin": _instant(60)}, "expired_assertion"),
        ({"issued": _instant(60)}, "expired_assertion"),
        ({"audience": "https://evil.example"}, "audience_validation"),
        ({"recipient": "https://evil.example/services/oauth2/token"}, "invalid_assertion"),
        ({"user": "stranger@example.com"}, "user_not_approved"),
        ({"issuer": "nobody"}, "invalid_client_id"), ({"issued": "today"}, "invalid_assertion"),
        ({"bearer": BEARER + "x"}, "invalid_assertion"), ({"first": "x"}, "invalid_assertion"),
        ({"extra": "<saml:Advice/>"}, "invalid_assertion"), ({"id": "1a"}, "invalid_assertion"),
        ({"extra": "<!-- x -->"}, "invalid_assertion")]
    for changes, error in bad:
        uri = "#" + changes.get("id", "_a1")
        equal((changes, saml(case, uri=uri, **changes).error), (changes, ERRORS[error]))
    case.standin.add_app(JWT_APP, approved=["boss@example.com"])
    equal(saml(case).error, ERRORS["user_not_approved"])
    case.standin.add_app(JWT_APP, approved=None, flows=["jwt_bearer"])
    equal(saml(case).error, ERRORS["unsupported_grant_type"])
    equal(send(case, b"garbage").error, ERRORS["invalid_client_id"])
    equal(case.standin.problems(), [])


def test_saml_signature(case: Case) -> None:
    """SAML bearer: forged, moved, wrapped and foreign signatures"""
    make_key(case.directory / "other.pem")
    equal(saml(case, "other.pem").error, ERRORS["invalid_assertion"])
    good = signed(case, template())
    unsigned = good[:good.index(b"<ds:Signature ")] + good[good.index(b"</ds:Signature>") + 15:]
    inner = good.partition(b"?>")[2]
    evil = unsigned.replace(USER.encode(), b"boss@example.com")
    case.standin.add_user("boss@example.com")
    wrapped = evil.replace(b"_a1", b"_b1").replace(
        b"</saml:Conditions>", b"</saml:Conditions><saml:Advice>" + inner + b"</saml:Advice>")
    moved = evil.replace(b"_a1", b"_b1").replace(
        b"</saml:Issuer>", b"</saml:Issuer>" + inner[inner.index(b"<ds:Signature "):inner.index(
            b"</ds:Signature>") + 15])
    bad = [unsigned, wrapped, moved, good.replace(USER.encode(), b"boss@example.com"),
           good.replace(b"Version=", b"a='b' Version="),
           good.replace(b"<?xml version=\"1.0\"?>", b"<!DOCTYPE x [<!ENTITY e 'x'>]>"),
           good.replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>AA"),
           b"<Response>" + inner + b"</Response>"]
    for number, xml in enumerate(bad):
        assert xml != good, number
        equal((number, send(case, xml).error), (number, ERRORS["invalid_assertion"]))
    for changes in ({"c14n": "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"}, {"uri": ""},
                    {"method": DS + "rsa-sha1", "digest": SHA256 + "x"}):
        try:
            equal(saml(case, **changes).error, ERRORS["invalid_assertion"])
        except subprocess.CalledProcessError:
            pass            # xmlsec1 will not even sign that
    equal(send(case, good).status, 200)
    equal(case.standin.problems(), [])


def test_saml_issuers(case: Case) -> None:
    """SAML bearer: an identity provider's assertion; strict mode's wishes for our own"""
    idp = make_key(case.directory / "idp.pem")
    issuer = "https://idp.example/"
    equal(saml(case, "idp.pem", issuer=issuer).error, ERRORS["invalid_client_id"])
    case.standin.add_app(JWT_APP, saml_issuer_certs={issuer: idp})
    equal(saml(case, "idp.pem", issuer=issuer, end=_instant(3600)).status, 200)
    equal(saml(case, issuer=issuer).error, ERRORS["invalid_assertion"])
    equal(saml(case, "idp.pem").error, ERRORS["invalid_assertion"])
    equal(case.standin.problems(), [])
    saml(case, end=_instant(3600))
    saml(case, user=f"{USER} ")
    equal(len(case.standin.problems()), 2)
    equal(send(case, signed(case, template()), client_id=JWT_APP).status, 400)


# -- token exchange ------------------------------------------------------------------------------

def _exchange(case: Case, token: str = "theirs", kind: str = "access_token",
              **fields: str) -> Reply:
    return case.client.post(TOKEN, {
        "grant_type": EXCHANGE, "subject_token": token, "subject_token_type": TYPE + kind,
        "client_id": APP, "client_secret": SECRET} | fields)


def test_token_exchange(case: Case) -> None:
    """token exchange: handlers, types, opaque failures"""
    cert = make_key(case.directory / "idp.pem")
    case.standin.configure(token_handlers={
        "": {"tokens": {"theirs": USER}}, "Named": {"cert_pem": cert, "types": ["jwt"]},
        "Closed": {"tokens": {"theirs": USER}, "apps": ["other"]}})
    reply = _exchange(case)
    equal((reply.status, reply.json["issued_token_type"]), (200, TYPE + "access_token"))
    equal(case.client.limits(reply.json["access_token"]), 200)
    claims = {"sub": USER, "exp": int(time.time()) + 60}
    key = (case.directory / "idp.pem").read_text()
    token = jwt.encode(claims, key, algorithm="RS256")
    equal(_exchange(case, token, "JWT", token_handler="Named", scope="api").json["scope"], "api")
    opaque = ("invalid_grant", "token exchange failed")
    old = jwt.encode(claims | {"exp": 1}, key, algorithm="RS256")
    for failed in (_exchange(case, "unknown"), _exchange(case, token_handler="None"),
                   _exchange(case, token_handler="Closed"), _exchange(case, token),
                   _exchange(case, token, token_handler="Named"),
                   _exchange(case, old, "jwt", token_handler="Named")):
        equal(failed.error, opaque)
    equal(_exchange(case, kind="mac").error[0], "invalid_request")
    equal(_exchange(case, scope="full").error, ERRORS["invalid_scope"])
    equal(_exchange(case, client_secret="x").error, ERRORS["invalid_client"])
    case.standin.add_app(APP, approved=[])
    equal(_exchange(case).error, ERRORS["user_not_approved"])
    equal(case.standin.problems(), [])


# -- client assertions ---------------------------------------------------------------------------

def client_assertion(case: Case, audience: str = "", key: str = "app.pem",
                     **changes: Any) -> dict[str, str]:
    """The two parameters with which the JWT app proves itself."""
    now = time.time_ns()
    claims = {"iss": JWT_APP, "sub": JWT_APP, "aud": audience or case.standin.url + TOKEN,
              "exp": now // 10 ** 9 + 60, "jti": str(now)} | changes
    text = jwt.encode({n: v for n, v in claims.items() if v is not None},
                      (case.directory / key).read_text(), algorithm="RS256")
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}


def test_client_assertion(case: Case) -> None:
    """client assertions: at the token endpoint and at introspection; what is refused"""
    make_key(case.directory / "other.pem")
    case.standin.add_app(JWT_APP, run_as=USER)
    token = ""

    def ask(assertion: dict[str, str], **fields: str) -> Reply:
        return case.client.post(TOKEN, {"grant_type": "client_credentials"} | assertion | fields)
    good = client_assertion(case)
    equal(ask(good, client_id=JWT_APP).status, 200)
    token = ask(client_assertion(case, case.standin.url)).json["access_token"]
    equal(case.client.post(INTROSPECT, {"token": token} | client_assertion(case)).json["active"],
          True)
    equal(case.standin.problems(), [])
    now = int(time.time())
    bad: list[dict[str, Any]] = [
        {"iss": "x"}, {"sub": "x"}, {"audience": "https://evil.example"}, {"exp": now - 1},
        {"exp": now + 400}, {"exp": None}, {"jti": None}, {"key": "other.pem"}]
    for changes in bad:
        reply = ask(client_assertion(case, **changes))
        equal((changes, reply.status), (changes, 400))
        assert reply.error[0] in ("invalid_client", "invalid_client_id"), reply.error
    equal(ask(good).error, ERRORS["invalid_client"])                 # the same jti again
    equal(ask(client_assertion(case) | {"client_assertion_type": "x"}).status, 400)
    equal(ask(client_assertion(case), client_id=APP).error, ERRORS["invalid_client"])


def test_authentication_methods(case: Case) -> None:
    """client authentication: two at once, only the registered one, Basic percent-encoded"""
    def ask(user: str, password: str, **fields: str) -> Reply:
        value = base64.b64encode(f"{user}:{password}".encode()).decode()
        return case.client.post(TOKEN, {"grant_type": "client_credentials"} | fields,
                                headers={"Authorization": "Basic " + value})
    equal(ask(APP, SECRET, client_id=APP).status, 200)
    equal(ask(quote_plus(APP), quote_plus(SECRET)).status, 200)
    for encoding, secret in (("form", SECRET), ("raw", quote_plus(SECRET))):
        case.standin.configure(basic_encoding=encoding)
        equal(ask(APP, secret).error, ERRORS["invalid_client"])
    case.standin.configure(basic_encoding="either")
    both = ask(APP, SECRET, client_secret=SECRET)
    equal(both.error, ERRORS["two_authentications"])
    equal(len(case.standin.problems()), 1)
    case.standin.configure(client_auth_status=401)
    equal(ask(APP, "wrong").status, 401)
    case.standin.configure(client_auth_status=400)
    for method, ways in (("client_secret_post", (400, 200)), ("client_secret_basic", (200, 400)),
                         ("private_key_jwt", (400, 400))):
        case.standin.add_app(APP, token_endpoint_auth_method=method)
        equal((ask(APP, SECRET).status, case.client.client_credentials().status), ways)


def test_multipart(case: Case) -> None:
    """the token endpoint takes multipart/form-data, too, but strict mode not"""
    fields = {"grant_type": "client_credentials", "client_id": APP, "client_secret": SECRET}
    body = "".join(f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'
                   for n, v in fields.items()) + "--x--\r\n"

    def ask() -> Optional[int]:
        return case.client.ask("POST", TOKEN, body.encode(), {
            "Content-Type": "multipart/form-data; boundary=x"}).status
    equal(ask(), 400)
    case.standin.configure(strict=False)
    equal(ask(), 200)


ASSERTION_TESTS: list[Callable[[Case], None]] = [
    value for name, value in list(globals().items()) if name.startswith("test_")]
