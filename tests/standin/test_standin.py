#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The stand-in tested by itself: grants, errors, sessions, endpoints, log. Prints TAP."""

from __future__ import annotations

import base64
import json
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import jwt                                                              # noqa: E402
from jwt.algorithms import RSAAlgorithm                                 # noqa: E402

from standin.errors import ERRORS, GRANT_ERRORS                         # noqa: E402
from standin.settings import id18                                       # noqa: E402
from standin.standin_client import Standin, StandinError, make_key      # noqa: E402
from standin.tap import (APP, FORM, JWT_APP, SECRET, TOKEN, USER, Case, Client,  # noqa: E402
                         equal, has_ipv6, run)
from standin.test_faults import FAULT_TESTS                             # noqa: E402
from standin.assertion_checks import ASSERTION_TESTS                    # noqa: E402
from standin.device_checks import DEVICE_TESTS                          # noqa: E402
from standin.generic_checks import GENERIC_TESTS                        # noqa: E402
from standin.login_checks import LOGIN_TESTS                            # noqa: E402
from standin.refresh_checks import REFRESH_TESTS                        # noqa: E402
from standin.replies_checks import REPLY_TESTS                          # noqa: E402
from standin.tokens import signature                                    # noqa: E402

_getaddrinfo = socket.getaddrinfo
# "localhost" is this machine also where no /etc/hosts says so
socket.getaddrinfo = lambda host, *rest, **named: _getaddrinfo(
    "127.0.0.1" if host == "localhost" else host, *rest, **named)


# -- client credentials --------------------------------------------------------------------------

def test_client_credentials(case: Case) -> None:
    """client credentials: every member of the answer"""
    reply = case.client.client_credentials()
    answer = reply.json
    equal(reply.status, 200)
    equal(reply.headers["Content-Type"], "application/json;charset=UTF-8")
    assert "no-store" in reply.headers["Cache-Control"]
    equal(set(answer), {"access_token", "scope", "instance_url", "id", "token_type",
                        "issued_at", "signature"})
    assert answer["access_token"].startswith("00Dxx0000001gPL!")
    equal(answer["instance_url"], case.standin.url)
    equal(answer["token_type"], "Bearer")
    org, user = answer["id"].removeprefix(case.standin.url + "/id/").split("/")
    equal((org, len(user)), ("00Dxx0000001gPLEAY", 18))
    assert isinstance(answer["issued_at"], str)
    assert abs(int(answer["issued_at"]) / 1000 - time.time()) < 10
    equal(answer["signature"], signature(SECRET, answer["id"], answer["issued_at"]))
    equal(case.standin.problems(), [])
    equal(case.client.limits(answer["access_token"]), 200)


def test_basic(case: Case) -> None:
    """client credentials: the secret by Basic"""
    value = base64.b64encode(f"{APP}:{SECRET}".encode()).decode()
    reply = case.client.post(TOKEN, {"grant_type": "client_credentials"},
                             headers={"Authorization": "Basic " + value})
    equal(reply.status, 200)
    equal(case.standin.problems(), [])
    equal(case.standin.token_requests()[0]["client_id"], APP)


def test_client_credentials_refusals(case: Case) -> None:
    """client credentials: wrong secret, unknown app, no Run As, flow off, not installed"""
    ask = case.client.client_credentials
    equal(ask(secret="wrong").error, ERRORS["invalid_client"])
    equal(ask(app="nobody").error, ERRORS["invalid_client_id"])
    changes: list[tuple[dict[str, Any], str]] = [
        ({"run_as": None}, "no_run_as"), ({"flows": []}, "flow_disabled"),
        ({"installed": False}, "app_not_found")]
    for change, error in changes:
        fields: dict[str, Any] = {"secret": SECRET, "run_as": USER} | change
        case.standin.add_app("one", **fields)
        equal(ask(app="one").error, ERRORS[error])
        case.standin.configure(apps={"one": None})
    equal(case.standin.problems(), [])


def test_host_rule(case: Case) -> None:
    """client credentials: only on My Domain, by the Host header"""
    for host in ("login.salesforce.com", "test.salesforce.com", "x.my.salesforce-setup.com"):
        reply = case.client.client_credentials(headers={"Host": host})
        equal((reply.status, reply.error), (400, ERRORS["wrong_domain"]))
    case.standin.configure(host_kinds={"localhost": "login"})
    case.client.host = "localhost"
    try:
        equal(case.client.client_credentials().error, ERRORS["wrong_domain"])
        equal(case.client.jwt_bearer().status, 200)
    finally:
        case.client.host = "127.0.0.1"
    reply = case.client.client_credentials(headers={"Host": "acme.my.salesforce.com"})
    equal(reply.json["instance_url"], "https://acme.my.salesforce.com")


def test_scopes(case: Case) -> None:
    """client credentials: full, web, refresh_token and offline_access are stripped"""
    case.standin.add_app(APP, scopes="full api web refresh_token id offline_access")
    equal(case.client.client_credentials().json["scope"], "api id")
    case.standin.configure(strict=False)
    reply = case.client.post(TOKEN, {"grant_type": "client_credentials", "client_id": APP,
                                     "client_secret": SECRET, "scope": "sfap_api"})
    equal(reply.error, ERRORS["invalid_scope"])


# -- JWT bearer ----------------------------------------------------------------------------------

def test_jwt_bearer(case: Case) -> None:
    """JWT bearer: the answer has neither issued_at nor signature nor expires_in"""
    reply = case.client.jwt_bearer(iat=int(time.time()))
    equal(reply.status, 200)
    equal(set(reply.json), {"access_token", "scope", "instance_url", "id", "token_type"})
    for audience in ("https://test.salesforce.com", case.standin.url):
        equal(case.client.jwt_bearer(aud=audience).status, 200)
    equal(case.standin.problems(), [])
    entry = case.standin.token_requests(JWT_APP)[0]
    equal((entry["sub"], entry["claims"]["iss"]), (USER, JWT_APP))


def test_jwt_strict_claims(case: Case) -> None:
    """JWT bearer, strict: exp, aud, iss and sub as our client must write them"""
    now = int(time.time())
    ask = case.client.jwt_bearer
    for expires, error in ((now - 1, "expired_assertion"), (now + 330, "expired_assertion"),
                           (str(now + 180), "invalid_assertion"),
                           (now + 180.5, "invalid_assertion"), (None, "invalid_assertion")):
        equal(ask(exp=expires).error, ERRORS[error])
    for audience in ("https://login.salesforce.com/", "login.salesforce.com",
                     "https://evil.example", None):
        equal(ask(aud=audience).error, ERRORS["audience_invalid"])
    equal(ask(iss="nobody").error, ERRORS["invalid_client_id"])
    equal(ask(iss=None).error, ERRORS["invalid_assertion"])
    equal(ask(sub=None).error, ERRORS["invalid_assertion"])
    equal(ask(sub="stranger@example.com").error, ERRORS["user_not_approved"])


def test_jwt_lenient(case: Case) -> None:
    """JWT bearer, lenient: what other clients send and the real server takes"""
    case.standin.configure(strict=False)
    now = int(time.time())
    taken: list[dict[str, Any]] = [
        {"exp": str(now + 180)}, {"exp": (now + 300) * 1000}, {"exp": now},
        {"exp": now + 3600}, {"aud": "https://login.salesforce.com/"},
        {"aud": "test.salesforce.com"}, {"aud": [case.standin.url]},
        {"prn": USER, "sub": "stranger@example.com"}, {"prn": USER, "sub": None}]
    for claims in taken:
        reply = case.client.jwt_bearer(**claims)
        equal((claims, reply.status), (claims, 200))
    equal(case.client.jwt_bearer(exp=now - 200).error, ERRORS["expired_assertion"])
    equal(case.client.jwt_bearer(aud="evil.example").error, ERRORS["audience_invalid"])


def test_jwt_signature(case: Case) -> None:
    """JWT bearer: another key, another algorithm, garbage"""
    make_key(case.directory / "other.pem")
    other = (case.directory / "other.pem").read_text()
    equal(case.client.jwt_bearer(key=other).error, ERRORS["invalid_client"])
    case.standin.configure(bad_signature="invalid_assertion")
    equal(case.client.jwt_bearer(key=other).error, ERRORS["invalid_assertion"])
    equal(case.client.jwt_bearer(alg="RS512").error, ERRORS["invalid_assertion"])
    equal(case.client.jwt_bearer(key="x" * 32, alg="HS256").error, ERRORS["invalid_assertion"])
    for text in ("garbage", "a.b.c", ""):
        reply = case.client.jwt_bearer(fields={"assertion": text})
        equal(reply.error, ERRORS["invalid_assertion"])


def test_jwt_users(case: Case) -> None:
    """JWT bearer: inactive, locked, restricted and unapproved users"""
    for change, error in (({"active": False}, "inactive_user"), ({"locked": True}, "user_locked"),
                          ({"org_locked": True}, "inactive_org"),
                          ({"ip_restricted": True}, "ip_restricted"),
                          ({"outside_login_hours": True}, "login_hours")):
        case.standin.add_user("bad@example.com", **change)
        equal(case.client.jwt_bearer(sub="bad@example.com").error, ERRORS[error])
        case.standin.configure(users={"bad@example.com": None})
    case.standin.add_app(JWT_APP, approved=["boss@example.com"])
    equal(case.client.jwt_bearer().error, ERRORS["user_not_approved"])
    case.standin.add_app(JWT_APP, unapproved_error="not_admin_approved")
    equal(case.client.jwt_bearer().error, ERRORS["not_admin_approved"])
    case.standin.add_app(JWT_APP, approved=[USER])
    equal(case.client.jwt_bearer().status, 200)
    case.standin.add_app(JWT_APP, flows=["client_credentials"])
    equal(case.client.jwt_bearer().error, ERRORS["unsupported_grant_type"])


# -- errors and strictness -----------------------------------------------------------------------

def test_forced_errors(case: Case) -> None:
    """every error of the table can be forced, word for word"""
    for name, words in (ERRORS | GRANT_ERRORS).items():
        case.standin.force_error(APP, name)
        reply = case.client.client_credentials()
        equal((name, reply.status, reply.error), (name, 400, words))
        equal(reply.headers["Cache-Control"], "no-store")
    equal(case.standin.token_requests(APP)[-1]["error"]["error"], words[0])
    case.standin.force_error(APP, {"error": "a", "error_description": "b", "status": 401})
    reply = case.client.client_credentials()
    equal((reply.status, reply.error), (401, ("a", "b")))
    equal(case.client.jwt_bearer().status, 200)
    case.standin.force_error(APP, None)
    equal(case.client.client_credentials().status, 200)


def test_unknown_grant(case: Case) -> None:
    """an unknown grant: grant type not supported"""
    for fields in ({"grant_type": "password"}, {"grant_type": "nonsense"}, {"x": "y"}):
        equal(case.client.post(TOKEN, fields).error, ERRORS["unsupported_grant_type"])
    equal(case.client.ask("GET", TOKEN).error, ERRORS["must_post"])
    equal(case.client.jwt_bearer(fields={"scope": "api"}).error, ERRORS["scope_not_supported"])


def test_strict_requests(case: Case) -> None:
    """strict mode refuses and records each thing that our client must not send"""
    good = {"grant_type": "client_credentials", "client_id": APP, "client_secret": SECRET}
    body = "&".join(f"{n}={v}" for n, v in good.items()).replace("+", "%2B").encode()
    bad: list[tuple[str, str, bytes, dict[str, str]]] = [
        ("query string", TOKEN + "?x=1", body, {}),
        ("User-Agent: curl/8", TOKEN, body, {"User-Agent": "curl/8"}),
        ("User-Agent changed to sftokend/9", TOKEN, body, {"User-Agent": "sftokend/9"}),
        ("Accept: */*", TOKEN, body, {"Accept": "*/*"}),
        ("Content-Type: text/plain", TOKEN, body, {"Content-Type": "text/plain"}),
        ("header expect", TOKEN, body, {"Expect": "100-continue"}),
        ("header accept-encoding", TOKEN, body, {"Accept-Encoding": "gzip"}),
        ("header cookie", TOKEN, body, {"Cookie": "a=b"}),
        ("parameter format", TOKEN, body + b"&format=json", {}),
        ("parameter client_id twice", TOKEN, body + b"&client_id=" + APP.encode(), {}),
        ("parameter client_id empty", TOKEN, body.replace(APP.encode(), b""), {}),
        ("two kinds of client authentication", TOKEN, body, {"Authorization": "Basic "
         + base64.b64encode(f"{APP}:{SECRET}".encode()).decode()})]
    equal(case.client.client_credentials().status, 200)
    for text, path, data, headers in bad:
        case.standin.clear_log()
        reply = case.client.ask("POST", path, data, headers)
        assert reply.status == 400, f"{text}: {reply}"
        assert any(p.endswith(": " + text) for p in case.standin.problems()), (
            f"{text}: {case.standin.problems()}")
        case.standin.control("POST", "/reset")
        equal(case.client.client_credentials().status, 200)
    case.standin.configure(strict=False)
    case.standin.clear_log()
    for text, path, data, headers in bad:
        if "empty" not in text:
            equal((text, case.client.ask("POST", path, data, headers).status), (text, 200))
    equal(case.standin.problems(), [])


def test_strict_jwt(case: Case) -> None:
    """strict mode: nothing beside the assertion, no odd claims, no odd types"""
    odd: list[tuple[dict[str, str], dict[str, Any], str]] = [
        ({"client_secret": "x"}, {}, "parameter client_secret"),
        ({"client_id": JWT_APP}, {}, "parameter client_id"),
        ({}, {"alg2": "x"}, "unknown claim alg2"), ({}, {"iat": "1"}, "iat is not an integer"),
        ({}, {"exp": str(int(time.time()) + 180)}, "exp is not an integer")]
    for fields, claims, text in odd:
        case.standin.clear_log()
        equal(case.client.jwt_bearer(fields=fields, **claims).status, 400)
        assert any(p.endswith(text) for p in case.standin.problems()), case.standin.problems()


def test_login_limit(case: Case) -> None:
    """the login limit counts a user's logins, failures too, and ends with the hour"""
    case.standin.configure(login_limit=3)
    case.standin.add_user(USER, active=False)
    equal(case.client.client_credentials().error, ERRORS["inactive_user"])
    case.standin.add_user(USER, active=True)
    equal(case.client.client_credentials().status, 200)
    equal(case.client.jwt_bearer().status, 200)
    equal(case.client.client_credentials().error, ERRORS["rate_limit"])
    case.standin.configure(rate_status=403)
    equal(case.client.client_credentials().status, 403)
    case.standin.advance(3601)
    equal(case.client.client_credentials().status, 200)


# -- sessions ------------------------------------------------------------------------------------

def _token(case: Case) -> str:
    return str(case.client.client_credentials().json["access_token"])


def test_reuse(case: Case) -> None:
    """same-token reuse: new, same, same_extended"""
    assert _token(case) != _token(case)
    case.standin.configure(session_timeout_s=3600)
    for mode, longer in (("same", False), ("same_extended", True)):
        case.standin.reset()
        case.standin.configure(reuse=mode)
        first = _token(case)
        case.standin.advance(1000)
        left = case.standin.sessions()[0]["left_s"]
        equal(_token(case), first)
        session = case.standin.sessions()[0]
        equal((session["grants"], session["left_s"] > left + 900), (2, longer))
        entries = case.standin.token_requests(APP)
        equal([e["token_reused"] for e in entries], [False, True])
        equal([e["session"] for e in entries], [session["id"]] * 2)
        assert 0.27 < entries[1]["age_fraction"] < 0.5, entries[1]["age_fraction"]
        case.standin.kill_token(first)
        assert _token(case) != first


def test_reuse_is_per_user_app_scope(case: Case) -> None:
    """same-token reuse: another app or other scopes give another token"""
    case.standin.configure(reuse="same")
    case.standin.add_app("second", secret=SECRET, run_as=USER)
    first = _token(case)
    assert case.client.client_credentials("second").json["access_token"] != first
    case.standin.add_app(APP, scopes="api")
    assert _token(case) != first


def test_sliding(case: Case) -> None:
    """a session lives on by use, written down only past half its time"""
    case.standin.configure(reuse="extended_by_use", session_timeout_s=3600)
    token = _token(case)
    case.standin.advance(600)
    equal(case.client.limits(token), 200)
    assert case.standin.sessions()[0]["left_s"] < 3001
    case.standin.advance(1400)
    equal(case.client.limits(token), 200)
    assert case.standin.sessions()[0]["left_s"] > 3500
    equal(_token(case), token)
    case.standin.advance(1900)
    case.standin.configure(use_extends=False)
    equal(case.client.limits(token), 200)
    case.standin.advance(1701)
    equal(case.client.limits(token), 401)
    assert _token(case) != token


def test_scaled_clock(case: Case) -> None:
    """two hours in less than a second; what is told is on the wall clock"""
    case.standin.configure(time_scale=7200 / 0.5)
    token = _token(case)
    facts = case.client.introspect(token).json
    assert facts["active"] and 0 <= facts["exp"] - facts["iat"] <= 1, facts
    time.sleep(0.55)
    equal((case.client.limits(token), case.standin.is_live(token)), (401, False))


def test_clock_offset(case: Case) -> None:
    """a server whose clock is wrong: Date, issued_at and the check of exp follow it"""
    case.standin.configure(clock_offset_s=600)
    reply = case.client.client_credentials()
    assert int(reply.json["issued_at"]) / 1000 - time.time() > 590
    reply = case.client.jwt_bearer()
    equal(reply.error, ERRORS["expired_assertion"])
    equal(case.client.jwt_bearer(exp=int(time.time()) + 780).status, 200)


def test_jwt_tokens(case: Case) -> None:
    """access tokens in JWT format: fixed exp, signed by a key of /id/keys"""
    case.standin.add_app(APP, jwt_tokens=True, session_timeout_s=900)
    token = _token(case)
    algorithm: Any = RSAAlgorithm
    key = algorithm.from_jwk(json.dumps(case.client.get("/id/keys").json["keys"][0]))
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=case.standin.url)
    equal(claims["exp"] - claims["iat"] in (899, 900), True)
    equal((claims["scp"], claims["client_id"]), ("api id", APP))
    case.standin.advance(600)
    equal(case.client.limits(token), 200)
    assert case.standin.sessions()[0]["left_s"] < 301


def test_early_death(case: Case) -> None:
    """real_life_s kills before introspection's exp; reuse_dead hands the dead token out again"""
    case.standin.add_app(APP, real_life_s=900, reuse_dead=True)
    token = _token(case)
    exp = case.client.introspect(token).json["exp"]
    assert exp - time.time() > 7000
    case.standin.advance(901)
    equal(case.client.limits(token), 401)
    equal(_token(case), token)
    case.standin.add_app(APP, reuse_dead=False)
    assert _token(case) != token


def test_answer_settings(case: Case) -> None:
    """expires_in and instance_url as configured, for one app or for all"""
    case.standin.configure(expires_in=1234)
    equal(case.client.client_credentials().json["expires_in"], 1234)
    case.standin.add_app(APP, expires_in=5, instance_url="http://other.example")
    answer = case.client.client_credentials().json
    equal((answer["expires_in"], answer["instance_url"]), (5, "http://other.example"))


# -- the other endpoints -------------------------------------------------------------------------

def test_userinfo(case: Case) -> None:
    """userinfo: 200 for a good token, 403 with bare text for a bad one, 401 by switch"""
    token = _token(case)
    facts = case.client.get("/services/oauth2/userinfo", token).json
    equal((facts["preferred_username"], facts["organization_id"]), (USER, "00Dxx0000001gPLEAY"))
    assert facts["sub"].endswith(facts["organization_id"] + "/" + facts["user_id"])
    reply = case.client.get("/services/oauth2/userinfo", "00Dxx!dead")
    equal((reply.status, reply.body), (403, b"Bad_OAuth_Token"))
    case.standin.configure(userinfo_bad_status=401)
    equal(case.client.get("/services/oauth2/userinfo", "00Dxx!dead").status, 401)
    equal(case.standin.problems(), [])


def test_introspect(case: Case) -> None:
    """introspect: needs the app, tells exp and iat, knows only its own tokens, can be off"""
    token = _token(case)
    facts = case.client.introspect(token).json
    assert abs(facts["exp"] - time.time() - 7200) < 5, facts
    equal((facts["active"], facts["username"], facts["client_id"]), (True, USER, APP))
    equal(case.client.introspect(token, secret="wrong").error, ERRORS["invalid_client"])
    equal(case.client.introspect("nothing").json, {"active": False})
    case.standin.add_app("other", secret=SECRET, run_as=USER)
    equal(case.client.introspect(token, "other").json, {"active": False})
    case.standin.add_app("other", introspect_any=True)
    equal(case.client.introspect(token, "other").json["active"], True)
    for mode, status in (("forbidden", 403), ("bad_request", 400)):
        case.standin.add_app(APP, introspect=mode)
        equal(case.client.introspect(token).status, status)
    case.standin.add_app(APP, introspect="inactive")
    equal(case.client.introspect(token).json, {"active": False})
    equal(case.standin.problems(), [])


def test_revoke(case: Case) -> None:
    """revoke: 200 and empty, then the token is dead and unknown"""
    token = _token(case)
    reply = case.client.post("/services/oauth2/revoke", {"token": token})
    equal((reply.status, reply.body), (200, b""))
    equal(case.client.limits(token), 401)
    reply = case.client.post("/services/oauth2/revoke", {"token": token})
    equal((reply.status, reply.body),
          (400, b"error=invalid_token&error_description=token+does+not+exist"))
    reply = case.client.post("/services/oauth2/revoke", {"token": "what"})
    equal((reply.status, parse_qs(reply.body.decode())["error"]), (400, ["unsupported_token_type"]))
    case.standin.configure(revoke_body="json")
    reply = case.client.post("/services/oauth2/revoke", {"token": token})
    equal((reply.status, reply.json["error"]), (400, "invalid_token"))
    for method, status in (("GET", 200), ("GET", 400)):
        case.standin.configure(strict=False)
        token = token if status == 400 else _token(case)
        equal(case.client.ask(method, f"/services/oauth2/revoke?token={token}").status, status)


def test_rest(case: Case) -> None:
    """REST: versions ascending, 401 array for a bad token, identity URL and its texts"""
    versions = [v["version"] for v in case.client.get("/services/data").json]
    equal(versions, sorted(versions, key=float))
    reply = case.client.get("/services/data/v62.0/limits", "bad")
    equal((reply.status, reply.json), (401, [{"message": "Session expired or invalid",
                                              "errorCode": "INVALID_SESSION_ID"}]))
    answer = case.client.client_credentials().json
    token, path = answer["access_token"], answer["id"].removeprefix(case.standin.url)
    equal(case.client.get("/services/data/v62.0/nothing", token).status, 404)
    equal(case.client.get(path, token).json["username"], USER)
    equal(case.client.get(path).body, b"Missing_OAuth_Token")
    equal(case.client.get(path, "bad").body, b"Bad_OAuth_Token")
    equal(case.client.get(path[:-1] + "Z", token).body, b"Bad_Id")
    equal(case.client.get("/id/00Dxx0000009gPLEAY/x", token).body, b"Wrong_Org")
    found = case.client.get("/.well-known/openid-configuration").json
    equal((found["issuer"], found["token_endpoint"]), (case.standin.url, case.standin.url + TOKEN))


# -- log, control, programs ----------------------------------------------------------------------

def test_log(case: Case) -> None:
    """the log: what arrived when, on which connection, without the secret"""
    kept = case.client.connect()
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    for _ in range(2):
        equal(case.client.client_credentials(kept=kept).status, 200)
    kept.close()
    case.client.client_credentials()
    entries = case.standin.token_requests(APP)
    numbers = [e["connection"] for e in entries]
    assert numbers[0] == numbers[1] != numbers[2], numbers
    assert before < entries[0]["t"] <= entries[0]["t_done"] < before + 10
    equal(entries[0]["headers"]["content-type"], FORM)
    assert SECRET not in str(entries)
    equal(case.standin.requests(since=entries[1]["seq"]), entries[2:])
    equal(len(case.standin.wait_requests(3, "token")), 3)
    case.standin.clear_log()
    equal(case.standin.requests(), [])


def test_control_refusals(case: Case) -> None:
    """mistakes in what a test configures are refused and change nothing"""
    wrong: list[dict[str, Any]] = [
        {"settings": {"no_such": 1}}, {"settings": {"reuse": "often"}}, {"apps": {"x": {"y": 1}}},
        {"users": {"x": {"y": 1}}}, {"apps": {"x": {"force_error": "no_such"}}}, {"other": {}},
        {"apps": {"ok": {}}, "settings": {"tls": "none"}}]
    for body in wrong:
        try:
            case.standin.control("POST", "/config", body)
        except StandinError:
            continue
        raise AssertionError(f"accepted: {body}")
    equal(case.standin.control("GET", "/config")["apps"], sorted([APP, JWT_APP]))


def test_thousands_of_apps(case: Case) -> None:
    """2,500 apps with certificates in one configuration"""
    case.standin.configure(apps={f"app{i}": {"secret": SECRET, "run_as": USER,
                                             "cert_pem": case.cert} for i in range(2500)})
    equal(case.client.client_credentials("app2499").status, 200)


def test_ids(case: Case) -> None:
    """18-character ids have the right check characters"""
    equal(id18("00Dxx0000001gPL"), "00Dxx0000001gPLEAY")
    equal(id18("001D000000IqhSL"), "001D000000IqhSLIAZ")


def test_ipv6_and_names(case: Case) -> None:
    """the certificate is good for localhost and ::1"""
    for host in ["localhost"] + (["::1"] if has_ipv6() else []):
        case.client.host = host
        try:
            equal(case.client.client_credentials().status, 200)
        finally:
            case.client.host = "127.0.0.1"


def test_program(case: Case) -> None:
    """the program: a first configuration from a file, status 0 after SIGTERM"""
    config = case.directory / "config.json"
    config.write_text(json.dumps({"apps": {APP: {"secret": SECRET, "run_as": USER}},
                                  "users": {USER: {}}}))
    with Standin(arguments=["--config", str(config)]) as other:
        equal(Client(other, "").client_credentials().status, 200)
        process = other._process
        assert process is not None
        process.terminate()
        equal(process.wait(10), 0)


def test_plain_http(case: Case) -> None:
    """--http, and the end when standard input ends"""
    with Standin(http=True, time_scale=240, apps={APP: {"secret": SECRET, "run_as": USER}},
                 users={USER: {}}) as plain:
        answer = Client(plain, "").client_credentials().json
        equal(answer["instance_url"], f"http://127.0.0.1:{plain.port}")
        equal(plain.control("GET", "/config")["settings"]["time_scale"], 240)
        process = plain._process
        assert process is not None and process.stdin is not None
        process.stdin.close()
        equal(process.wait(10), 0)


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")
         and callable(value)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="standin-test-") as temporary:
        sys.exit(run(TESTS + FAULT_TESTS + REFRESH_TESTS + REPLY_TESTS + LOGIN_TESTS
                     + DEVICE_TESTS + ASSERTION_TESTS + GENERIC_TESTS, Path(temporary)))
