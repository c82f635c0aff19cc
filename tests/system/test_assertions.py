# SPDX-License-Identifier: Apache-2.0
"""Grants without a person that are proved by something signed: SAML assertions (our own, and an identity provider's), tokens of somebody else, JWTs, client assertions.
The refusals word for word are in test_errors.py."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import jwt as pyjwt
from cryptography.hazmat.primitives import serialization

from harness import SECRET, Daemon, Standin, make_key, run_tests, same, wait_for
from idp import assertion
from people import certificate, client_lines
from rotating import CALM, info, posts, refresh, token, wait_state

USER = "etl@example.com"


class Shared:
    salesforce: Standin
    daemon: Daemon


def add(name: str, lines: str, **app: Any) -> None:
    """A credential without a person, and its app."""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.configure(users={USER: {}}, apps={f"app-{name}": app})
    daemon.write_credential(name, f"[Credential]\nLoginUrl={salesforce.url}\nClientId=app-{name}\n{lines}\n")
    daemon.cli("reload")


def key_line() -> str:
    return f"PrivateKey=file:{Shared.daemon.directory}/key\n"


def replace(path: Path, text: str | bytes) -> None:
    """As a careful program writes a secret: another file, then renamed."""
    new = path.with_suffix(".new")
    new.touch(0o600)
    new.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.rename(new, path)


def gets(name: str) -> str:
    """What sftoken get gives; alive."""
    got = Shared.daemon.cli("get", name).stdout.strip()
    assert Shared.salesforce.is_live(got), name
    return got


# -- SAML ----------------------------------------------------------------------------------------


def test_saml_of_our_own() -> None:
    """SAML bearer: our assertion is taken as it is, twice with different IDs; the names may hold & < > and UTF-8; nothing else is sent"""
    salesforce = Shared.salesforce
    for name, user in (("saml", USER), ("saml-odd", "jörg&co<x>\"y\"@müller.example")):
        salesforce.add_user(user)
        add(name, f"GrantType=saml_bearer\nUsername={user}\n{key_line()}", cert_pem=certificate(Shared.daemon), approved=[user])
        first = gets(name)
        refresh(Shared.daemon, name)
        assert gets(name) != first
        same(token(Shared.daemon, name)["username"], user)
        requests = salesforce.token_requests(f"app-{name}") or [r for r in salesforce.token_requests() if r["grant_type"].endswith("saml2-bearer")]
        same([r["parameters"] for r in requests], [["assertion", "grant_type"]] * len(requests))
    same(salesforce.problems(), [])


def test_saml_refused() -> None:
    """Wrong certificate, a user who is not approved, another audience or recipient: suspended, and what to change"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    other = make_key(daemon.directory / "other.key")
    for name, lines, app, words in (
            ("saml-cert", "", {"cert_pem": other}, "certificate"), ("saml-user", "", {"cert_pem": certificate(daemon), "approved": []}, "pre-authorized"),
            ("saml-aud", "Audience=https://nobody.example\nRecipient=https://login.salesforce.com/services/oauth2/token\n", {"cert_pem": certificate(daemon)}, "audience"),
            ("saml-rcpt", "Recipient=https://nobody.example/token\n", {"cert_pem": certificate(daemon)}, "")):
        add(name, f"GrantType=saml_bearer\nUsername={USER}\n{key_line()}{lines}", **app)
        daemon.cli("get", name, check=76)
        told = info(daemon, name)
        assert words.lower() in told["lastError"].lower(), told
        same(told["state"], "suspended")
    # the clock of the server is an hour ahead: it passes by itself, or the administrator mends it
    salesforce.configure(clock_offset_s=3600)
    add("saml-clock", f"GrantType=saml_bearer\nUsername={USER}\n{key_line()}", cert_pem=certificate(daemon))
    said = daemon.cli("get", "saml-clock", check=None)
    salesforce.configure(clock_offset_s=0)
    assert said.returncode in (0, 75), said


# -- token exchange ------------------------------------------------------------------------------


def test_exchange() -> None:
    """Token exchange: the token that is in the file at that moment; types; a handler's name; each way to prove the client"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    handler = make_key(daemon.directory / "workload.key")
    key = serialization.load_pem_private_key((daemon.directory / "workload.key").read_bytes(), None)
    salesforce.configure(token_handlers={"": {"tokens": {"opaque-1": USER, "opaque-2": USER}}, "Workload_Handler": {"cert_pem": handler, "types": ["jwt"]}})
    lines, app = client_lines(daemon, "client_secret_post")
    path = daemon.write_secret("subject", "opaque-1\n")
    add("exchange", f"GrantType=token_exchange\n{lines}SubjectToken=file:{path}", **app)
    first = gets("exchange")
    values = salesforce.token_requests("app-exchange")[-1]["values"]
    same(values["subject_token_type"], "urn:ietf:params:oauth:token-type:access_token")
    replace(path, "opaque-2")
    refresh(daemon, "exchange")
    assert gets("exchange") != first
    path = daemon.write_secret("workload.jwt", pyjwt.encode({"sub": USER, "exp": int(time.time()) + 300}, key, algorithm="RS256"))
    for auth in ("none", "client_secret_basic", "private_key_jwt"):
        lines, app = client_lines(daemon, auth)
        add(f"exchange-{auth}", f"GrantType=token_exchange\n{lines}SubjectToken=file:{path}\nSubjectTokenType=jwt\nTokenHandler=Workload_Handler\nScopes=api", **app)
        gets(f"exchange-{auth}")
        values = salesforce.token_requests(f"app-exchange-{auth}")[-1]["values"]
        same((values["subject_token_type"].lower(), values["token_handler"], values["scope"]), ("urn:ietf:params:oauth:token-type:jwt", "Workload_Handler", "api"))
    same(salesforce.problems(), [])


# -- what others put into files ------------------------------------------------------------------


def sent() -> int:
    return len(Shared.salesforce.token_requests())


def test_files_that_change() -> None:
    """Assertion= and SubjectToken=: what was refused is not sent again; a new file is, without a reload or a caller: expired, unknown, and while a token is there"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    provider = make_key(daemon.directory / "idp.key")
    key = daemon.directory / "idp.key"
    old = daemon.write_secret("assertion.xml", assertion(key, "https://idp.example", USER, salesforce.url, life_s=-60))
    add("idp", f"GrantType=saml_bearer\nAssertion=file:{old}\n", saml_issuer_certs={"https://idp.example": provider})
    lines, app = client_lines(daemon, "client_secret_post")
    unknown = daemon.write_secret("subject-late", "nobody")
    add("late", f"GrantType=token_exchange\n{lines}SubjectToken=file:{unknown}", **app)
    daemon.cli("get", "idp", check=75)
    daemon.cli("get", "late", check=76)
    replace(daemon.directory / "subject", "stale")
    daemon.cli("refresh", "exchange", check=76)
    for name, state, words in (("idp", "backoff", "have its provider renew it"), ("late", "suspended", "SubjectToken="), ("exchange", "suspended", "SubjectToken=")):
        told = info(daemon, name)
        same(told["state"], state, name)
        assert words in told["lastError"] and words in daemon.cli("show", name).stdout, told
    before = sent()
    replace(old, assertion(key, "https://idp.example", USER, salesforce.url))
    replace(unknown, "opaque-1")
    replace(daemon.directory / "subject", "opaque-1")
    for name in ("idp", "late", "exchange"):
        wait_state(daemon, name, "valid")
        gets(name)
        same(info(daemon, name)["lastError"], None)
    same(sent(), before + 2)  # the third has a good token: its renewal is not due yet
    same({s["user"] for s in salesforce.sessions("app-idp")}, {USER})


def test_files_that_are_late() -> None:
    """A file that is missing, empty or not readable stops neither a reload nor the start; the credential says what is missing, and a get after it is there has a token"""
    daemon = Shared.daemon
    lines, app = client_lines(daemon, "client_secret_post")
    path = daemon.directory / "subject-absent"
    add("absent", f"GrantType=token_exchange\n{lines}SubjectToken=file:{path}", **app)
    try:
        for words in ("does not exist", "is empty"):
            daemon.cli("refresh", "absent", check=75)
            told = info(daemon, "absent")
            same(told["state"], "backoff")
            assert str(path) in told["lastError"] and words in told["lastError"], told
            replace(path, "")
        assert "SubjectToken=" in daemon.cli("status", check=None).stdout
        found = daemon.cli("doctor", "absent", check=None).stdout
        assert f"{path} is empty" in found and "write the secret into it" in found and "asked again" not in found, found
        daemon.stop()
        daemon.start()
        daemon.cli("get", "absent", "--wait", "1", check=75)
        replace(path, "opaque-1")
        wait_state(daemon, "absent", "valid")  # by the look that the mint has every 15 seconds: nobody need ask
        gets("absent")
        same(info(daemon, "absent")["lastError"], None)
    finally:
        (daemon.directory / "credentials" / "absent.conf").unlink(missing_ok=True)
        daemon.cli("reload")


def test_other_forms_of_an_assertion() -> None:
    """base64url of it is taken, too; what is no assertion is not sent, names the file, and the token that is there is served on"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    path = daemon.directory / "assertion.xml"
    first = gets("idp")
    replace(path, assertion(daemon.directory / "idp.key", "https://idp.example", USER, salesforce.url, encoded=True))
    refresh(daemon, "idp")
    second = gets("idp")
    assert first != second
    for text in ("<html>not an assertion</html>", "", "a" * 70000):
        before = sent()
        replace(path, text)
        daemon.cli("refresh", "idp", check=None)
        assert "Assertion=" in str(info(daemon, "idp")["lastError"]), info(daemon, "idp")
        same((sent(), gets("idp")), (before, second), text[:20])
    replace(path, assertion(daemon.directory / "idp.key", "https://idp.example", USER, salesforce.url))
    refresh(daemon, "idp")


# -- JWT, client assertions ----------------------------------------------------------------------


def test_clients() -> None:
    """Client credentials with secret in the body, Basic, and a signed client assertion; introspection is proved in the same way; JWT bearer proves nothing beside"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    for auth in ("client_secret_post", "client_secret_basic", "private_key_jwt"):
        lines, app = client_lines(daemon, auth)
        add(f"cc-{auth}", f"GrantType=client_credentials\n{lines}", run_as=USER, **app)
        gets(f"cc-{auth}")
        wait_for(lambda: salesforce.requests(path="/services/oauth2/introspect", client_id=f"app-cc-{auth}"), f"introspection with {auth}")
        for r in (salesforce.token_requests(f"app-cc-{auth}")[-1], salesforce.requests(path="/services/oauth2/introspect", client_id=f"app-cc-{auth}")[-1]):
            same((r["auth"], "client_secret" in r["parameters"], "client_assertion" in r["parameters"], r["status"]),
                 {"client_secret_post": (None, True, False, 200), "client_secret_basic": ("Basic", False, False, 200),
                  "private_key_jwt": (None, False, True, 200)}[auth], f"{auth} at {r['path']}")
        same(token(daemon, f"cc-{auth}")["expirySource"], "introspection")
    add("jwt", f"GrantType=jwt_bearer\nUsername={USER}\n{key_line()}", cert_pem=certificate(daemon), approved=[USER])
    gets("jwt")
    same(salesforce.problems(), [])


def test_client_assertion_refused() -> None:
    """The app has another certificate: suspended (76), and PrivateKey= or the certificate is named; a secret where a signature is wanted, too"""
    daemon = Shared.daemon
    other = make_key(daemon.directory / "third.key")
    lines, app = client_lines(daemon, "private_key_jwt")
    add("cc-other", f"GrantType=client_credentials\n{lines}", run_as=USER, **{**app, "cert_pem": other})
    add("cc-method", f"GrantType=client_credentials\n{client_lines(daemon, 'client_secret_post')[0]}", run_as=USER, secret=SECRET,
        token_endpoint_auth_method="private_key_jwt")
    for name in ("cc-other", "cc-method"):
        assert "invalid_client" in daemon.cli("get", name, check=76).stderr
        told = info(daemon, name)
        assert "ClientAuth=" in told["lastError"], told
        same(told["state"], "suspended")


def test_nothing_secret_is_told() -> None:
    """No assertion, subject token, key or secret in the log"""
    log = Shared.daemon.log()
    for word in (SECRET, "opaque-1", "opaque-2", "client_assertion=", "<saml", "BEGIN", *(str(s["token"]) for s in Shared.salesforce.sessions())):
        assert word not in log, word


def run() -> int:
    with Standin(max_grants=0, login_limit=0) as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        # what was refused is not tried again by itself within the test
        daemon.add_settings(f"[Limits]\n{CALM}BackoffFirst=1h\nBackoffMax=1h\n")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
