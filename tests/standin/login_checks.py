# SPDX-License-Identifier: Apache-2.0
"""Logins of people: the authorization endpoint, its pages, codes, fragments. Run by
test_standin.py."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any, Callable, Optional
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from jwt.algorithms import RSAAlgorithm

from .errors import ALL_ERRORS as ERRORS
from .errors import AUTHORIZE_ERRORS
from .standin_client import StandinError
from .tap import SECRET, TOKEN, USER, Case, Reply, equal

WEB = "3MVG9.web"
BACK = "http://localhost:1717/OauthRedirect"
AUTHORIZE = "/services/oauth2/authorize"
ALL = "refresh_token api web openid"


def pkce() -> tuple[str, str]:
    """A verifier and its challenge."""
    verifier = secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def web_app(case: Case, **more: Any) -> None:
    fields: dict[str, Any] = {"secret": SECRET, "redirect_uris": [BACK], "scopes": ALL,
                              "auto_consent": True} | more
    case.standin.add_app(WEB, **fields)


def url(case: Case, challenge: Optional[str] = None, **changes: Optional[str]) -> str:
    """An authorization URL; None leaves a parameter out."""
    params: dict[str, Optional[str]] = {
        "response_type": "code", "client_id": WEB, "redirect_uri": BACK,
        "state": secrets.token_urlsafe(32)}
    if challenge:
        params |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    given = {name: v for name, v in (params | changes).items() if v is not None}
    path = given.pop("path", AUTHORIZE)
    return f"{case.standin.url}{path}?{urlencode(given)}"


def ask(case: Case, verifier_or_code: str, verifier: str, **changes: Optional[str]) -> Reply:
    fields: dict[str, Optional[str]] = {
        "grant_type": "authorization_code", "code": verifier_or_code, "client_id": WEB,
        "client_secret": SECRET, "redirect_uri": BACK, "code_verifier": verifier}
    path = changes.pop("path", None) or TOKEN
    return case.client.post(path, {n: v for n, v in (fields | changes).items() if v is not None})


def answer_of(location: str) -> dict[str, str]:
    """The members of a redirect's query."""
    return dict(parse_qsl(urlsplit(location).query, strict_parsing=True))


def log_in(case: Case, **changes: Optional[str]) -> tuple[str, str]:
    """A code and its verifier."""
    verifier, challenge = pkce()
    location = case.standin.browse(url(case, challenge, **changes), USER)
    return answer_of(location)["code"], verifier


# -- code ----------------------------------------------------------------------------------------

def test_web_login(case: Case) -> None:
    """web server flow: authorize, code, every member of the answer, refresh"""
    web_app(case)
    verifier, challenge = pkce()
    target = url(case, challenge, scope="refresh_token api openid", nonce="n-1")
    location = case.standin.browse(target, USER)
    answer = answer_of(location)
    equal(set(answer), {"code", "state"})
    equal(answer["state"], parse_qs(urlsplit(target).query)["state"][0])
    assert answer["code"].startswith("aPrx") and location.count("%3D%3D") == 1, location
    reply = ask(case, answer["code"], verifier)
    equal((reply.status, set(reply.json)), (200, {
        "access_token", "refresh_token", "signature", "scope", "instance_url", "id", "id_token",
        "token_type", "issued_at"}))
    equal(reply.json["scope"], "refresh_token api openid")
    equal(case.client.limits(reply.json["access_token"]), 200)
    algorithm: Any = RSAAlgorithm
    key = algorithm.from_jwk(case.client.get("/id/keys").json["keys"][0])
    claims = jwt.decode(reply.json["id_token"], key, algorithms=["RS256"], audience=WEB)
    equal((claims["iss"], claims["nonce"], claims["sub"]),
          (case.standin.url, "n-1", reply.json["id"]))
    token = reply.json["refresh_token"]
    equal(case.client.refresh(token, WEB).status, 200)
    grant = case.standin.grants(WEB)[0]
    equal((grant["user"], grant["refreshes"], grant["scopes"]),
          (USER, 1, "refresh_token api openid"))
    equal((case.standin.wait_replies()["lost_replies"], case.standin.problems()), (0, []))
    equal(case.standin.token_requests(WEB)[0]["sub"], USER)


def test_codes(case: Case) -> None:
    """codes: once, 15 minutes, this app, this redirect URI, this verifier"""
    web_app(case)
    case.standin.add_app("other", secret=SECRET, redirect_uris=[BACK])
    code, verifier = log_in(case)
    wrong = pkce()[0]
    equal(ask(case, code, wrong).error, ERRORS["invalid_verifier"])
    equal(ask(case, code, verifier, client_id="other").error, ERRORS["expired_code"])
    equal(ask(case, code, verifier).status, 200)
    equal(ask(case, code, verifier).error, ERRORS["expired_code"])
    equal(ask(case, "aPrxNone==", verifier).error, ERRORS["expired_code"])
    code, verifier = log_in(case)
    case.standin.advance(899)
    equal(ask(case, code, pkce()[0]).error, ERRORS["invalid_verifier"])
    case.standin.advance(1)
    equal(ask(case, code, verifier).error, ERRORS["expired_code"])
    equal(case.standin.problems(), [])
    case.standin.configure(strict=False, code_spent_by_failure=True, code_reuse_revokes=True)
    code, verifier = log_in(case)
    equal(ask(case, code, verifier, redirect_uri=BACK + "/").error,
          ERRORS["redirect_uri_mismatch"])
    equal(ask(case, code, verifier).error, ERRORS["expired_code"])
    code, verifier = log_in(case)
    token = ask(case, code, verifier).json["access_token"]
    ask(case, code, verifier)
    equal(case.client.limits(token), 401)


def test_code_secrets(case: Case) -> None:
    """codes: who must send a secret, and who must not"""
    web_app(case)
    code, verifier = log_in(case)
    for secret in (None, "wrong"):
        equal(ask(case, code, verifier, client_secret=secret).error, ERRORS["invalid_client"])
    case.standin.add_app(WEB, secret_for_web_flow=False)
    equal(ask(case, code, verifier, client_secret=None).status, 200)
    web_app(case, secret=None)
    code, verifier = log_in(case)
    equal(ask(case, code, verifier).error, ERRORS["invalid_client"])
    equal(len(case.standin.problems()), 1)
    equal(ask(case, code, verifier, client_secret=None).status, 200)
    case.standin.add_app(WEB, flows=["user_agent"])
    equal(ask(case, code, verifier, client_secret=None).error,
          ERRORS["unsupported_grant_type"])


def test_no_refresh_token(case: Case) -> None:
    """a login without the scope refresh_token gives none; the sixth with it ends the first"""
    web_app(case)
    reply = ask(case, *log_in(case, scope="api"))
    equal((reply.json["scope"], "refresh_token" in reply.json, "id_token" in reply.json),
          ("api", False, False))
    tokens = [ask(case, *log_in(case, scope="offline_access api")).json["refresh_token"]
              for _ in range(6)]
    equal([g["ended"] for g in case.standin.grants(WEB)], ["evicted"] + [None] * 5)
    equal(case.client.refresh(tokens[0], WEB).error, ERRORS["expired_refresh_token"])
    equal(case.client.refresh(tokens[5], WEB).status, 200)


# -- the authorization endpoint ------------------------------------------------------------------

def _page(case: Case, target: str) -> tuple[int, str]:
    page = case.standin.browser().open(target)
    assert not page.location, page.location
    return page.status, page.forms.error


def test_no_redirect(case: Case) -> None:
    """authorize: an unknown app or redirect URI gets a page and no redirect"""
    web_app(case)
    challenge = pkce()[1]
    bad: list[tuple[dict[str, Optional[str]], str]] = [
        ({"client_id": "nobody"}, "invalid_client_id"),
        ({"redirect_uri": None}, "redirect_uri_missing"),
        ({"redirect_uri": BACK + "/"}, "redirect_uri_mismatch"),
        ({"redirect_uri": BACK.upper()}, "redirect_uri_mismatch"),
        ({"redirect_uri": "http://localhost:1718/OauthRedirect"}, "redirect_uri_mismatch")]
    for changes, error in bad:
        equal(_page(case, url(case, challenge, **changes)), (400, ERRORS[error][0]))
    case.standin.add_app(WEB, loopback_any_port=True)
    port = url(case, challenge, redirect_uri="http://localhost:1718/OauthRedirect")
    assert case.standin.browse(port, USER).startswith("http://localhost:1718/OauthRedirect?code=")
    for other in ("http://localhost@evil:1718/OauthRedirect", "http://localhost:1718/Other",
                  "http://127.0.0.1:1718/OauthRedirect", "https://localhost:1718/OauthRedirect"):
        equal(_page(case, url(case, challenge, redirect_uri=other))[0], 400)


def _error(case: Case, target: str) -> tuple[str, str]:
    answer = answer_of(case.standin.browse(target, USER))
    equal(set(answer), {"error", "error_description", "state"})
    return answer["error"], answer["error_description"]


def test_authorize_errors(case: Case) -> None:
    """authorize: scopes, PKCE, response types and the errors that can be forced"""
    web_app(case, pkce="required")
    challenge = pkce()[1]
    equal(_error(case, url(case, challenge, scope="api full")), ERRORS["invalid_scope"])
    for name, words in AUTHORIZE_ERRORS.items():
        case.standin.add_app(WEB, authorize_error=name)
        equal(_error(case, url(case, challenge)), words)
    web_app(case, authorize_error=None, force_error="app_blocked")
    equal(_error(case, url(case, challenge)), AUTHORIZE_ERRORS["app_blocked"])
    web_app(case, force_error=None, approved=["boss@example.com"])
    equal(_error(case, url(case, challenge)), AUTHORIZE_ERRORS["app_access_denied"])
    web_app(case, approved=None, installed=False)
    equal(_error(case, url(case, challenge)), AUTHORIZE_ERRORS["ec_app_not_found"])
    web_app(case, installed=True)
    case.standin.configure(strict=False)
    equal(_error(case, url(case)), AUTHORIZE_ERRORS["missing_code_challenge"])
    equal(_error(case, url(case, challenge, code_challenge_method="plain")),
          AUTHORIZE_ERRORS["plain_challenge"])
    equal(_error(case, url(case, challenge, response_type="code2")),
          AUTHORIZE_ERRORS["unsupported_response_type"])
    case.standin.configure(missing_challenge_error="approval_generic")
    equal(_error(case, url(case)), AUTHORIZE_ERRORS["approval_generic"])
    assert "code" in answer_of(case.standin.browse(
        url(case, challenge, code_challenge_method=None), USER))
    case.standin.add_app(WEB, auto_consent=False)
    equal(_error(case, url(case, challenge, immediate="true")),
          AUTHORIZE_ERRORS["immediate_unsuccessful"])


def test_authorize_strict(case: Case) -> None:
    """authorize, strict: state, challenge and parameters as our client must send them"""
    web_app(case)
    challenge = pkce()[1]
    bad: list[dict[str, Optional[str]]] = [
        {"state": None}, {"state": "x" * 42}, {"code_challenge_method": None},
        {"code_challenge_method": "plain"}, {"code_challenge": None}, {"scope": ""},
        {"client_secret": SECRET}, {"response_type": "token"}]
    for changes in bad:
        equal(_page(case, url(case, challenge, **changes)), (400, "invalid_request"))
    assert len(case.standin.problems()) >= len(bad)


def test_pages(case: Case) -> None:
    """login and consent pages: wrong password, cookie, Allow and Deny, prompt, remembered"""
    web_app(case, auto_consent=False)
    case.standin.add_user("b@example.com", password="pässword&", active=True)
    case.standin.add_user("off@example.com", active=False)
    target, standin = url(case, pkce()[1]), case.standin
    assert "code" in answer_of(standin.browse(target, USER))
    assert "code" in answer_of(standin.browse(target, "b@example.com", password="pässword&"))
    denied = answer_of(standin.browse(target, USER, consent=False))
    equal((denied["error"], denied["error_description"]), AUTHORIZE_ERRORS["denied"])
    for user, password, words in ((USER, "wrong", "Please check your username"),
                                  ("nobody", "secret", "Please check your username"),
                                  ("off@example.com", "secret", "Your access is disabled")):
        try:
            standin.browse(target, user, password=password)
            raise AssertionError("logged in")
        except StandinError as error:
            assert words in str(error), error
    browser = standin.browser()
    standin.browse(target, USER, browser=browser)
    again = browser.open(browser.open(target).location)
    equal([name for name, _ in again.forms.buttons], ["decision", "decision"])
    hinted = url(case, pkce()[1], prompt="login", login_hint="b@example.com")
    login = browser.open(browser.open(hinted).location)
    equal(login.forms.fields["username"], "b@example.com")
    standin.configure(remember_consent=True)
    equal(len(browser.open(browser.open(target).location).location) > 0, True)
    assert "code" in answer_of(browser.walk(url(case, pkce()[1], prompt="none"), BACK, "", "",
                                            True).location)
    equal(standin.problems(), [])


# -- user agent ----------------------------------------------------------------------------------

def _fragment(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).fragment, strict_parsing=True))


def test_user_agent(case: Case) -> None:
    """user-agent flow: every member in the fragment, errors there, too"""
    web_app(case, redirect_uris=[BACK, "myapp://done"], auto_consent=False)
    target = url(case, response_type="token", scope="api refresh_token openid")
    location = case.standin.browse(target, USER)
    found = _fragment(location)
    equal(set(found), {"access_token", "instance_url", "id", "issued_at", "signature", "scope",
                       "token_type", "state"})
    assert "%21" in location and "?" not in location
    equal(case.client.limits(found["access_token"]), 200)
    custom = url(case, response_type="token", scope="api refresh_token",
                 redirect_uri="myapp://done")
    token = _fragment(case.standin.browse(custom, USER))["refresh_token"]
    equal(case.client.refresh(token, WEB).status, 200)
    denied = _fragment(case.standin.browse(target, USER, consent=False))
    equal((denied["error"], set(denied)), ("access_denied", {"error", "error_description",
                                                             "state"}))
    case.standin.configure(community_url="https://site.example")
    assert "sfdc_community_id" in _fragment(case.standin.browse(target, USER))
    equal(case.standin.problems(), [])


LOGIN_TESTS: list[Callable[[Case], None]] = [
    value for name, value in list(globals().items()) if name.startswith("test_")]
