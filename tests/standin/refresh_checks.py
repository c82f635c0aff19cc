# SPDX-License-Identifier: Apache-2.0
"""Refresh tokens: the grant, rotation and reuse, limits and policies, sessions, revocation. Run by
test_standin.py."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any, Callable, Optional

from .errors import ERRORS
from .standin_client import StandinError
from .tap import APP, JWT_APP, SECRET, TOKEN, USER, Case, Reply, equal

DEAD = ("invalid_grant", "expired access/refresh token")
BUSY = ("invalid_grant", "token request is already being processed")
DAY = 86400
REVOKE = "/services/oauth2/revoke"


def _grant(case: Case, rotating: Optional[bool] = True, **more: Any) -> dict[str, Any]:
    return case.standin.new_grant(USER, APP, rotating=rotating, **more)


def _next(case: Case, token: str) -> str:
    """Spend a rotating token; the new one."""
    return str(case.client.refresh(token).json["refresh_token"])


def _ended(case: Case, grant: Any) -> Any:
    return case.standin.grants(grant=grant, tokens=False)[0]["ended"]


# -- the grant -----------------------------------------------------------------------------------

def test_refresh(case: Case) -> None:
    """refresh, rotation off: every member of the answer, no refresh token, the old one stays"""
    first = _grant(case, rotating=False)
    assert first["refresh_token"].startswith("5Aep861") and len(first["refresh_token"]) == 87
    equal(first["instance_url"], case.standin.url)
    equal(case.client.limits(first["access_token"]), 200)
    tokens = {first["access_token"]}
    for _ in range(2):
        reply = case.client.refresh(first["refresh_token"])
        equal((reply.status, set(reply.json)), (200, {
            "access_token", "scope", "instance_url", "id", "token_type", "issued_at",
            "signature"}))
        tokens.add(reply.json["access_token"])
    equal((len(tokens), [case.client.limits(t) for t in tokens]), (3, [200] * 3))
    facts = case.standin.grants(grant=first["grant"])[0]
    equal((facts["refreshes"], facts["rotations"], facts["number"], facts["live"]),
          (2, 0, 1, True))
    equal(len(facts["tokens"][0]["posts"]), 2)
    equal(case.standin.problems(), [])


def test_client_authentication(case: Case) -> None:
    """refresh: secret in the body, by Basic, wrong, missing, not needed; a public client"""
    token = _grant(case, rotating=False)["refresh_token"]
    basic = base64.b64encode(f"{APP}:{SECRET}".encode()).decode()
    reply = case.client.post(TOKEN, {"grant_type": "refresh_token", "refresh_token": token},
                             headers={"Authorization": "Basic " + basic})
    equal(reply.status, 200)
    for secret in ("wrong", None):
        equal(case.client.refresh(token, secret=secret).error, ERRORS["invalid_client"])
    case.standin.add_app(APP, refresh_needs_secret=False)
    equal(case.client.refresh(token, secret=None).status, 200)
    equal(case.client.refresh(token).status, 200)
    equal(case.client.refresh(token, secret="wrong").error, ERRORS["invalid_client"])
    equal(case.client.refresh(token, "nobody").error, ERRORS["invalid_client_id"])
    case.standin.add_app(APP, flows=["jwt_bearer"])
    equal(case.client.refresh(token).error, ERRORS["unsupported_grant_type"])
    equal(case.standin.problems(), [])
    case.standin.add_app("public")
    token = case.standin.new_grant(USER, "public")["refresh_token"]
    equal(case.client.refresh(token, "public", None).status, 200)
    equal(case.standin.problems(), [])
    equal(case.client.refresh(token, "public", "some").error, ERRORS["invalid_client"])
    assert case.standin.problems()[0].endswith("a secret from a public client")


def test_foreign_and_unknown(case: Case) -> None:
    """refresh: an unknown token, one of another app, users that may not"""
    token = _grant(case)["refresh_token"]
    case.standin.add_app("other", secret=SECRET)
    for app, text in (("other", token), (APP, token + "x"), (APP, "5Aep861")):
        equal(case.client.refresh(text, app).error, DEAD)
    for change, error in (({"active": False}, "inactive_user"), ({"locked": True}, "user_locked"),
                          ({"org_locked": True}, "inactive_org"),
                          ({"ip_restricted": True}, "ip_restricted")):
        case.standin.add_user(USER, **change)
        equal(case.client.refresh(token).error, ERRORS[error])
        case.standin.add_user(USER, **dict.fromkeys(change, error == "inactive_user"))
    case.standin.add_app(APP, approved=[], unapproved_error="not_admin_approved")
    equal(case.client.refresh(token).error, ERRORS["not_admin_approved"])
    case.standin.add_app(APP, approved=None)
    equal(case.client.refresh(token).status, 200)
    equal(case.standin.counters()["rotations"], 1)


def test_login_limit(case: Case) -> None:
    """refresh: counts for the login limit only by switch"""
    token = _grant(case, rotating=False)["refresh_token"]
    case.standin.configure(login_limit=1)
    equal([case.client.refresh(token).status for _ in range(3)], [200] * 3)
    case.standin.configure(refresh_is_login=True)
    equal([case.client.refresh(token).status for _ in range(2)], [200, 400])


# -- rotation ------------------------------------------------------------------------------------

def test_rotation(case: Case) -> None:
    """rotation: a new refresh token each time; numbers, states and posts of each"""
    grant = _grant(case)
    texts = [grant["refresh_token"]]
    for _ in range(3):
        texts.append(_next(case, texts[-1]))
    equal(len(set(texts)), 4)
    facts = case.standin.grants(grant=texts[0])[0]
    equal([(t["token"], t["number"], t["state"], len(t["posts"])) for t in facts["tokens"]],
          [(text, number, "current" if number == 4 else "rotated", int(number < 4))
           for number, text in enumerate(texts, 1)])
    equal([case.standin.current_token(g) for g in (grant["grant"], *texts)], [texts[3]] * 5)
    counters = case.standin.counters()
    equal((counters["rotations"], counters["refreshes"], counters["reuse_alarms"]), (3, 3, 0))
    entries = case.standin.token_requests(APP)
    equal([(e["grant"], e["number"]) for e in entries],
          [(grant["grant"], number) for number in (1, 2, 3)])
    posted = case.standin.refresh_token(texts[1])["posts"][0]
    assert entries[1]["t"] <= posted <= entries[1]["t_done"]
    assert not any(text in str(entries) for text in texts)


def test_rotation_switches(case: Case) -> None:
    """rotation: of the server, of the app, of one grant: the nearest counts"""
    def rotates(rotating: Optional[bool]) -> bool:
        return "refresh_token" in case.client.refresh(
            _grant(case, rotating=rotating)["refresh_token"]).json

    equal(rotates(None), False)
    case.standin.configure(rotation=True)
    equal((rotates(None), rotates(False)), (True, False))
    case.standin.add_app(APP, rotation=False)
    equal((rotates(None), rotates(True)), (False, True))


def test_reuse(case: Case) -> None:
    """reuse of a rotated-out token ends the current one and every access token at once"""
    grant = _grant(case)
    second = _next(case, grant["refresh_token"])
    reply = case.client.refresh(second).json
    other = _grant(case)
    access = [grant["access_token"], reply["access_token"]]
    equal([case.client.limits(t) for t in access], [200, 200])
    equal(case.client.refresh(grant["refresh_token"]).error, DEAD)
    equal([case.client.limits(t) for t in access], [401, 401])
    equal(case.client.refresh(reply["refresh_token"]).error, DEAD)
    equal((_ended(case, grant["grant"]), case.standin.current_token(grant["grant"])),
          ("reuse", None))
    equal(case.standin.refresh_token(reply["refresh_token"])["state"], "revoked")
    equal(case.standin.counters()["reuse_alarms"], 1)
    equal(case.client.refresh(second).error, DEAD)
    equal([(a["number"], a["killed"]) for a in case.standin.alarms()], [(1, True), (2, False)])
    alarm = case.standin.alarms()[0]
    entry = next(e for e in case.standin.requests() if e["seq"] == alarm["seq"])
    equal((alarm["grant"], alarm["user"], alarm["client_id"], entry["number"]),
          (grant["grant"], USER, APP, 1))
    equal(case.client.limits(other["access_token"]), 200)
    equal(case.client.refresh(other["refresh_token"]).status, 200)


def test_grace(case: Case) -> None:
    """grace: none by default; within it the old token gives the same new one, later it is reuse"""
    case.standin.configure(rotation_grace_s=60)
    first = _grant(case)["refresh_token"]
    second = _next(case, first)
    case.standin.advance(50)
    equal(_next(case, first), second)
    equal(case.standin.counters()["rotations"], 1)
    third = _next(case, second)
    equal(_next(case, second), third)
    equal(case.client.refresh(first).error, DEAD)
    equal(case.standin.counters()["reuse_alarms"], 1)
    first = _grant(case)["refresh_token"]
    _next(case, first)
    case.standin.advance(61)
    equal(case.client.refresh(first).error, DEAD)
    equal(case.standin.counters()["reuse_alarms"], 2)


def test_two_at_once(case: Case) -> None:
    """two requests with one token at the same time: already being processed, in both wordings"""
    for words, expected in (("processing", BUSY), ("expired_code", ("invalid_grant",
                                                                   "expired authorization code"))):
        case.standin.configure(concurrent_error=words)
        grant = _grant(case)
        token = grant["refresh_token"]
        case.standin.fault("delay", seconds=30)
        slow = case.client.connect(timeout=60)
        before = int(case.standin.stats()["seq"])
        _send(slow, token)
        case.standin.wait_requests(1, "token", since=before)
        equal(case.client.refresh(token).error, expected)
        equal(case.client.refresh(_grant(case)["refresh_token"]).status, 200)
        slow.close()
        _wait_free(case, token)
        equal(_ended(case, grant["grant"]), None)
    equal(case.standin.counters()["busy"] >= 2, True)


def _send(connection: Any, token: str) -> None:
    """A refresh whose answer nobody waits for yet."""
    body = (f"grant_type=refresh_token&refresh_token={token}&client_id={APP}"
            "&client_secret=s3cr%2Bt%2F%3D")
    connection.request("POST", TOKEN, body, {
        "User-Agent": "sftokend/0.1", "Accept": "application/json", "Content-Type":
        "application/x-www-form-urlencoded"})


def _wait_free(case: Case, token: str) -> None:
    """Until the token is not in flight any more and can be spent."""
    for _ in range(1000):
        reply = case.client.refresh(token)
        if reply.status == 200:
            return
    raise AssertionError("still in flight")


def test_many_at_once(case: Case) -> None:
    """eight requests with one token while each takes 0.2 s: one rotation, no reuse"""
    case.standin.configure(latency_s=0.2)
    token = _grant(case)["refresh_token"]
    gate = threading.Barrier(8)
    replies: list[Reply] = []

    def spend() -> None:
        connection = case.client.connect()
        connection.connect()
        gate.wait()
        replies.append(case.client.refresh(token, kept=connection))
        connection.close()

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(sorted(r.status for r in replies), [200] + [400] * 7)
    equal({r.error for r in replies if r.status != 200}, {BUSY})
    counters = case.standin.counters()
    equal((counters["rotations"], counters["busy"], counters["reuse_alarms"]), (1, 7, 0))


# -- the ends of a grant -------------------------------------------------------------------------

def test_five_grants(case: Case) -> None:
    """five grants a user and app: the sixth ends the oldest and its access token"""
    grants = [_grant(case, rotating=False) for _ in range(6)]
    equal([g["live"] for g in case.standin.grants(APP)], [False] + [True] * 5)
    equal(_ended(case, grants[0]["grant"]), "evicted")
    equal(case.client.refresh(grants[0]["refresh_token"]).error, DEAD)
    equal(case.client.limits(grants[0]["access_token"]), 401)
    equal([case.client.refresh(g["refresh_token"]).status for g in grants[1:]], [200] * 5)
    case.standin.add_user("second@example.com")
    case.standin.new_grant("second@example.com", APP)
    case.standin.new_grant(USER, JWT_APP)
    equal(case.standin.counters()["evictions"], 1)
    case.standin.add_app(APP, max_grants=0)
    _grant(case)
    equal((case.standin.counters()["evictions"], case.standin.counters()["live_grants"]), (1, 8))


def test_idle(case: Case) -> None:
    """30 days without a refresh end a grant; each refresh begins them anew"""
    token = _grant(case)["refresh_token"]
    for _ in range(3):
        case.standin.advance(29.9 * DAY)
        token = _next(case, token)
    case.standin.advance(30.1 * DAY)
    equal(case.client.refresh(token).error, DEAD)
    equal((_ended(case, token), case.standin.counters()["reuse_alarms"]), ("idle", 0))
    case.standin.add_app(APP, refresh_idle_s=100)
    token = _grant(case)["refresh_token"]
    case.standin.advance(101)
    equal(case.client.refresh(token).error, DEAD)


def test_policies(case: Case) -> None:
    """policies: until revoked, immediately, after N; use does not help against N"""
    case.standin.add_app(APP, refresh_policy="valid_until_revoked")
    token = _grant(case)["refresh_token"]
    case.standin.advance(3650 * DAY)
    _next(case, token)
    case.standin.add_app(APP, refresh_policy="expire_immediately")
    grant = _grant(case)
    equal(case.client.limits(grant["access_token"]), 200)
    equal(case.client.refresh(grant["refresh_token"]).error, DEAD)
    case.standin.add_app(APP, refresh_policy="expire_after", refresh_life_s=10 * DAY)
    token = _grant(case)["refresh_token"]
    case.standin.advance(9 * DAY)
    token = _next(case, token)
    case.standin.advance(2 * DAY)
    equal((case.client.refresh(token).error, _ended(case, token)), (DEAD, "expired"))


# -- sessions ------------------------------------------------------------------------------------

def test_session_kinds(case: Case) -> None:
    """sessions: sliding ones move only when used past half their time, fixed ones never"""
    case.standin.add_app(APP, session_timeout_s=3600)
    token = _grant(case)["access_token"]
    for kind, lives in (("sliding", [200, 200, 200, 401]), ("fixed", [200, 200, 401, 401])):
        case.standin.add_app(APP, session_kind=kind)
        token = case.client.refresh(_grant(case, False)["refresh_token"]).json["access_token"]
        seen = []
        for seconds in (1700, 1800, 1700, 3601):
            case.standin.advance(seconds)
            seen.append(case.client.limits(token))
        equal((kind, seen), (kind, lives))


def test_half_time(case: Case) -> None:
    """sessions: a use before half of the time does not move the end"""
    case.standin.add_app(APP, session_timeout_s=3600)
    token = _grant(case)["access_token"]
    case.standin.advance(1790)
    equal(case.client.limits(token), 200)
    case.standin.advance(1820)
    equal(case.client.limits(token), 401)


def test_refresh_ends_sessions(case: Case) -> None:
    """refresh_ends_sessions: the old access token of the grant ends, those of others do not"""
    other = _grant(case)["access_token"]
    case.standin.add_app(APP, refresh_ends_sessions=True)
    grant = _grant(case)
    new = case.client.refresh(grant["refresh_token"]).json["access_token"]
    equal([case.client.limits(t) for t in (grant["access_token"], new, other)], [401, 200, 200])


def test_kill(case: Case) -> None:
    """kill_token: one access token, or all of a user; the refresh token stays"""
    case.standin.add_user("second@example.com")
    second = case.standin.new_grant("second@example.com", APP)["access_token"]
    grants = [_grant(case, False) for _ in range(3)]
    access = [g["access_token"] for g in grants]
    equal(case.standin.kill_token(access[0]), 1)
    equal([case.client.limits(t) for t in access], [401, 200, 200])
    equal(case.standin.kill_token(user=USER), 2)
    equal([case.client.limits(t) for t in (*access, second)], [401, 401, 401, 200])
    equal(case.client.refresh(grants[0]["refresh_token"]).status, 200)


def test_killed_at_age(case: Case) -> None:
    """real_life_s of the server: every token dies at that age, used or not"""
    case.standin.configure(real_life_s=900)
    grant = _grant(case)
    token = case.client.refresh(grant["refresh_token"]).json["access_token"]
    case.standin.advance(899)
    equal(case.client.limits(token), 200)
    case.standin.advance(2)
    equal([case.client.limits(t) for t in (token, grant["access_token"])], [401, 401])
    case.standin.configure(real_life_s=None)


def test_jwt_access_tokens(case: Case) -> None:
    """refresh with access tokens in JWT format: a fixed exp, ended by reuse as well"""
    case.standin.add_app(APP, jwt_tokens=True, session_timeout_s=900)
    grant = _grant(case)
    reply = case.client.refresh(grant["refresh_token"]).json
    part = reply["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert claims["exp"] - claims["iat"] in (899, 900), claims
    case.standin.advance(600)
    equal(case.client.limits(reply["access_token"]), 200)
    case.standin.advance(301)
    equal(case.client.limits(reply["access_token"]), 401)
    token = case.client.refresh(reply["refresh_token"]).json["access_token"]
    case.client.refresh(grant["refresh_token"])
    equal(case.client.limits(token), 401)


# -- revoke and introspect -----------------------------------------------------------------------

def test_revoke(case: Case) -> None:
    """revoke: a refresh token ends the grant, an access token only its session"""
    grant = _grant(case)
    reply = case.client.refresh(grant["refresh_token"]).json
    equal(case.client.revoke(grant["access_token"]), 200)
    equal([case.client.limits(t) for t in (grant["access_token"], reply["access_token"])],
          [401, 200])
    equal((case.client.revoke(grant["refresh_token"]), _ended(case, grant["grant"])), (400, None))
    equal(case.client.post(REVOKE, {"token": reply["refresh_token"]}).body, b"")
    equal((case.client.limits(reply["access_token"]), _ended(case, grant["grant"])),
          (401, "revoked"))
    equal(case.client.refresh(reply["refresh_token"]).error, DEAD)
    for dead in (reply["refresh_token"], grant["refresh_token"], reply["access_token"]):
        reply2 = case.client.post(REVOKE, {"token": dead})
        equal((reply2.status, reply2.body, reply2.headers["Content-Type"].partition(";")[0]),
              (400, b"error=invalid_token&error_description=token+does+not+exist",
               "application/x-www-form-urlencoded"))
    equal(case.standin.counters()["reuse_alarms"], 0)
    equal(case.standin.problems(), [])
    case.standin.configure(strict=False)
    token = _grant(case)["refresh_token"]
    equal(case.client.ask("GET", f"{REVOKE}?token={token}").status, 200)
    equal(_ended(case, token), "revoked")


def test_revoke_grant(case: Case) -> None:
    """revoke_grant: an administrator ends one grant, or all of an app or a user"""
    grants = [_grant(case) for _ in range(3)]
    equal(case.standin.revoke_grant(grants[0]["grant"]), 1)
    equal(case.standin.revoke_grant(grants[1]["refresh_token"]), 1)
    equal(case.client.limits(grants[1]["access_token"]), 401)
    equal(case.client.refresh(grants[2]["refresh_token"]).status, 200)
    equal((case.standin.revoke_grant(client_id="other"), case.standin.revoke_grant(user=USER)),
          (0, 1))
    equal(case.standin.counters()["live_grants"], 0)


def test_introspect(case: Case) -> None:
    """introspect with token_type_hint=refresh_token: neither a use nor a reuse"""
    def ask(token: str, hint: str = "refresh_token") -> Any:
        return case.client.post("/services/oauth2/introspect", {
            "token": token, "token_type_hint": hint, "client_id": APP,
            "client_secret": SECRET}).json

    first = _grant(case)["refresh_token"]
    facts = ask(first)
    equal((facts["active"], facts["token_type"], facts["username"], facts["client_id"],
           facts["exp"] - facts["iat"]), (True, "refresh_token", USER, APP, 30 * DAY))
    second = _next(case, first)
    equal((ask(first), ask(second)["active"]), ({"active": False}, True))
    equal(ask(second, "access_token"), {"active": False})
    case.standin.add_app(APP, refresh_policy="valid_until_revoked")
    equal("exp" in ask(second), False)
    case.standin.add_app(APP, refresh_policy=None)
    case.standin.advance(31 * DAY)
    equal(ask(second), {"active": False})
    equal((case.standin.counters()["reuse_alarms"], case.standin.problems()), (0, []))


# -- strictness and control ----------------------------------------------------------------------

def test_strict(case: Case) -> None:
    """strict: no scope, nothing besides, no other form; refused, and nothing is spent"""
    grant = _grant(case)
    good = {"grant_type": "refresh_token", "refresh_token": grant["refresh_token"],
            "client_id": APP, "client_secret": SECRET}
    for extra in ("scope", "format", "redirect_uri", "code_verifier"):
        case.standin.clear_log()
        equal(case.client.post(TOKEN, good | {extra: "api"}).status, 400)
        assert case.standin.problems()[0].endswith(f": parameter {extra}")
    reply = case.client.post(TOKEN, good, headers={"Content-Type": "multipart/form-data"})
    equal(reply.status, 400)
    equal(case.client.post(TOKEN, good, headers={"Authorization": "Bearer x"}).status, 400)
    equal((case.standin.current_token(grant["grant"]), case.standin.counters()["refreshes"]),
          (grant["refresh_token"], 0))
    case.standin.configure(strict=False)
    equal(case.client.post(TOKEN, good | {"format": "json", "code_verifier": "x"}).status, 200)


def test_fresh_connection(case: Case) -> None:
    """strict: a refresh has a connection of its own, before and after"""
    token = _grant(case)["refresh_token"]
    kept = case.client.connect()
    equal(case.client.client_credentials(kept=kept).status, 200)
    equal(case.client.refresh(token, kept=kept).status, 400)
    assert case.standin.problems()[0].endswith("refresh token on a used connection")
    kept.close()
    case.standin.clear_log()
    kept = case.client.connect()
    token = str(case.client.refresh(token, kept=kept).json["refresh_token"])
    equal(case.standin.problems(), [])
    equal(case.client.client_credentials(kept=kept).status, 400)
    assert case.standin.problems()[0].endswith("connection used after a refresh token")
    kept.close()
    equal([e["ordinal"] for e in case.standin.token_requests()], [1, 2])


def test_control(case: Case) -> None:
    """control: logins that cannot be, unknown grants, odd choices are refused; reset forgets"""
    wrong: list[Callable[[], Any]] = [
        lambda: case.standin.new_grant("nobody@example.com", APP),
        lambda: case.standin.new_grant(USER, "nobody"),
        lambda: case.standin.new_grants([{"user": USER, "client_id": APP},
                                         {"user": USER, "client_id": APP, "what": 1}]),
        lambda: case.standin.refresh_token("5Aep861"), lambda: case.standin.current_token(7),
        lambda: case.standin.configure(refresh_policy="often"),
        lambda: case.standin.configure(session_kind="round"),
        lambda: case.standin.configure(concurrent_error="none")]
    for call in wrong:
        try:
            call()
        except StandinError:
            continue
        raise AssertionError("accepted")
    equal(case.standin.grants(), [])
    token = _grant(case)["refresh_token"]
    case.standin.reset()
    equal((case.standin.grants(), case.client.refresh(token).error), ([], DEAD))
    equal(set(case.standin.counters().values()), {0})


REFRESH_TESTS: list[Callable[[Case], None]] = [
    value for name, value in list(globals().items()) if name.startswith("test_")]
