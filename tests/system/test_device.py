# SPDX-License-Identifier: Apache-2.0
"""Logins by a code: Salesforce's dialect and that of RFC 8628, at Salesforce and at another server: success and every refusal, then a renewal by refresh token."""

from __future__ import annotations

import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Optional

from harness import Daemon, Standin, run_tests, same, wait_for
from people import USER, CliLogin, Kept, add_login, told_nothing
from rotating import CALM, good, info, no_alarms, token

# credential: its server, and lines of its own
KINDS = {"sf": "", "other": "Dialect=rfc8628"}
PERSON_SAYS_NO = "the login was refused"
# name in errors.py: exit status and words. At the start (the code is asked for), and at a poll
START = {
    "unsupported_grant_type": (76, "Enable for Device Flow"), "invalid_client_id": (76, "ClientId="), "app_not_found": (76, "install"),
    "invalid_scope": (76, "scope"), "must_post": (76, "report this"), "server_error": (76, "start it again"), "rate_limit": (76, "too many logins"),
}
POLL = {
    "access_denied": (76, PERSON_SAYS_NO), "expired_device_code": (76, "not good any more"), "expired_token": (75, "in time"),
    "invalid_client_id": (76, "ClientId="), "invalid_client": (76, "ClientSecret="), "must_post": (76, "report this"),
    "unsupported_grant_type": (76, "Enable for Device Flow"), "inactive_user": (76, "activate"), "not_admin_approved": (76, "permission set"),
    "ip_restricted": (76, "IP"), "inactive_org": (76, "org"), "app_not_found": (76, "install"),
}


class Shared:
    """Two servers, and a daemon for each."""
    salesforce: Standin
    other: Standin
    daemons: dict[str, Daemon] = {}

    @classmethod
    def of(cls, name: str) -> Standin:
        return cls.other if name.startswith("other") else cls.salesforce

    @classmethod
    def at(cls, name: str) -> Daemon:
        return cls.daemons["other" if name.startswith("other") else "sf"]


def add(name: str, auth: str = "client_secret_post", **app: float) -> None:
    """A device credential with polls every second."""
    server = Shared.of(name)
    add_login(Shared.at(name), server, name, "device", auth=auth, issuer=server is Shared.other, extra=KINDS.get(name, ""), reload=False,
              scopes="api openid refresh_token offline_access", app={"device_interval_s": 1, **app})


def device(name: str, code: str) -> Optional[dict[str, object]]:
    """The login of that code at the server."""
    return next((d for d in Shared.of(name).devices(f"app-{name}") if str(d["user_code"]).replace("-", "") == code.replace("-", "")), None)


def polls(name: str, code: str) -> int:
    found = device(name, code)
    return int(str(found["polls"])) if found else 0


def approve(login: CliLogin, allow: bool = True) -> None:
    link, code = login.prompt()
    Shared.of(login.name).enter_code(link, code, USER, allow=allow)


def test_success() -> None:
    """Each dialect, public and confidential clients: link and code, the page, a token for another process, a renewal by refresh token"""
    names = [f"{kind}{auth}" for kind in KINDS for auth in ("", "-none", "-private_key_jwt")]
    logins = {name: CliLogin(Shared.at(name), name) for name in names}
    try:
        for name, login in logins.items():
            link, code = login.prompt()
            found = wait_for(lambda: device(name, code), "the code at the server")
            assert isinstance(found, dict)
            same((found["rfc"], link.startswith(Shared.of(name).url)), (name.startswith("other"), True), name)
        # pending: asked more than once, and nobody is told anything yet
        for name, login in logins.items():
            wait_for(lambda: polls(name, login.prompt()[1]) >= 2, f"two polls of {name}")
            same(login.process.poll(), None)
            same(info(Shared.at(name), name)["state"], "login_required")
        for login in logins.values():
            approve(login)
        for name, login in logins.items():
            daemon = Shared.at(name)
            out, _ = login.end(0)
            assert f"logged in as {USER}" in out, out
            assert Shared.of(name).is_live(daemon.cli("get", name).stdout.strip())
            same(token(daemon, name)["username"], USER)
            generation = token(daemon, name)["generation"]
            daemon.cli("refresh", name)
            assert token(daemon, name)["generation"] > generation
            same(Shared.of(name).grants(f"app-{name}")[0]["rotations"], 1)
    finally:
        for login in logins.values():
            login.close()
    same(Shared.salesforce.problems() + Shared.other.problems(), [])


def slowed(name: str) -> None:
    """A login whose second poll hears slow_down."""
    server = Shared.of(name)
    with CliLogin(Shared.at(name), name) as login:
        _, code = login.prompt()
        wait_for(lambda: polls(name, code) >= 1, "a poll")
        grant = "device" if name == "sf" else "urn:ietf:params:oauth:grant-type:device_code"
        server.fault("oauth_error", error="slow_down", client_id=f"app-{name}", grant_type=grant)
        wait_for(lambda: any(r["fault"] for r in server.token_requests(f"app-{name}")), f"slow_down for {name}")
        approve(login)
        login.end(0)
    requests = server.token_requests(f"app-{name}")
    slow = max(i for i, r in enumerate(requests) if r["fault"])
    gap = requests[slow + 1]["t"] - requests[slow]["t"]
    assert 5.9 <= gap <= 10, (name, gap)


def disturbed(name: str) -> None:
    """A login whose polls meet a page, silence and an error that passes."""
    server = Shared.of(name)
    with CliLogin(Shared.at(name), name) as login:
        login.prompt()
        for kind, args in (("html", {"status": 503}), ("drop_before", {}), ("oauth_error", {"error": "server_error"})):
            server.fault(kind, client_id=f"app-{name}", grant_type="device", **args)
        before = len(server.token_requests(f"app-{name}"))
        wait_for(lambda: len(server.token_requests(f"app-{name}")) >= before + 4, "polls that go on", 30)
        approve(login)
        login.end(0)
    good(Shared.at(name), server, name)


def test_slow_and_disturbed() -> None:
    """slow_down: five seconds more between two polls from then on (RFC 8628 3.5); what fails in passing (503, no answer, server_error) is repeated; all succeed"""
    with ThreadPoolExecutor(3) as pool:
        for job in [pool.submit(slowed, "sf"), pool.submit(slowed, "other"), pool.submit(disturbed, "sf-none")]:
            job.result()


def test_denied() -> None:
    """The person presses Deny: 76, the sentence, the token in use stays"""
    logins = [CliLogin(Shared.at(name), name) for name in KINDS]
    kept = [Kept(Shared.at(name), name) for name in KINDS]
    try:
        for login in logins:
            approve(login, allow=False)
        for login in logins:
            _, errors = login.end(76)
            assert PERSON_SAYS_NO in errors and len(errors.splitlines()) == 1, errors
    finally:
        for login in logins:
            login.close()
    for k in kept:
        k.check()


def test_expired() -> None:
    """Nobody enters the code in time: it has ended (75; Salesforce has no word of its own for it: 76), says so, and nothing changes"""
    logins = [CliLogin(Shared.at(name), name) for name in KINDS]
    try:
        for login in logins:
            login.prompt()
        for server in (Shared.salesforce, Shared.other):
            server.configure(device_life_s=0.01)
        for login in logins:
            _, errors = login.end(76 if login.name == "sf" else 75)
            assert "log in again" in errors and len(errors.splitlines()) == 1, errors
    finally:
        for login in logins:
            login.close()
        for server in (Shared.salesforce, Shared.other):
            server.configure(device_life_s=600)


def test_cancelled() -> None:
    """Ctrl-C at the terminal: 130; nobody polls any more, and what the person allows afterwards changes nothing"""
    for name in KINDS:
        daemon = Shared.at(name)
        with CliLogin(daemon, name, terminal=True) as login:
            link, code = login.prompt()
            login.wait_text("good for")
            login.process.send_signal(signal.SIGINT)
            assert "cancelled" in login.end(128 + signal.SIGINT)[0]
        generation = token(daemon, name)["generation"]
        sent = len(Shared.of(name).token_requests(f"app-{name}"))
        Shared.of(name).enter_code(link, code, USER)
        time.sleep(1.3)  # longer than the interval, for the absence of something
        same(len(Shared.of(name).token_requests(f"app-{name}")), sent, "polls after the end")
        same((token(daemon, name)["generation"], len([g for g in Shared.of(name).grants(f"app-{name}") if g["live"]])), (generation, 1))


def rows(table: dict[str, tuple[int, str]], at_start: bool) -> None:
    """A credential each, so that all wait at once."""
    salesforce, daemon = Shared.salesforce, Shared.at("sf")
    names = {f"sf-{'s' if at_start else 'p'}-{error}": error for error in table}
    logins = []
    try:
        for name, error in names.items():
            if at_start:
                salesforce.force_error(f"app-{name}", error)
            logins.append(CliLogin(daemon, name))
        for login in logins:
            if not at_start:
                login.prompt()
                salesforce.force_error(f"app-{login.name}", names[login.name])
        for login in logins:
            status, words = table[names[login.name]]
            out, errors = login.end(status)
            assert words.lower() in errors.lower() and len(errors.splitlines()) == 1 and "logged in" not in out, f"{login.name}: {errors}"
            same(info(daemon, login.name)["state"], "login_required")
            daemon.cli("get", login.name, check=80)
    finally:
        for login in logins:
            login.close()


def test_refused_at_start() -> None:
    """Each refusal of a code: exit status, sentence; callers get LoginRequired as before"""
    rows(START, True)


def test_refused_at_poll() -> None:
    """Each refusal of a poll, invalid codes and expired ones among them"""
    rows(POLL, False)


def test_nothing_secret_is_told() -> None:
    """Tokens and secrets are in no log, output, history or argument"""
    for name in KINDS:
        told_nothing(Shared.at(name), Shared.of(name), name)
        no_alarms(Shared.of(name))


def run() -> int:
    with Standin(max_grants=0, rotation=True) as salesforce, Standin(dialect="generic", max_grants=0, rotation=True) as other, \
            Daemon(salesforce) as daemon, Daemon(other) as second:
        Shared.salesforce, Shared.other, Shared.daemons = salesforce, other, {"sf": daemon, "other": second}
        for kind in KINDS:
            Shared.at(kind).add_settings(f"[Limits]\n{CALM}")
            add(kind)
            add(f"{kind}-none", "none")
            add(f"{kind}-private_key_jwt", "private_key_jwt")
        for error in START:
            add(f"sf-s-{error}")
        for error in POLL:
            add(f"sf-p-{error}")
        daemon.start()
        second.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
