# SPDX-License-Identifier: Apache-2.0
"""A login of a credential that is in use, and what may come between its beginning and its end: its callers notice nothing, and what fails changes nothing."""

from __future__ import annotations

import signal
import sys
from urllib.parse import urlsplit

from harness import MANAGER, Daemon, Standin, VarlinkError, expect, run_tests, same, wait_for
from load import Load
from people import USER, CliLogin, Kept, add_login, log_in, manager_login, told_nothing
from rotating import CALM, good, history, info, no_alarms, refresh, token, wait_mint, wait_state

OTHER = "bert@example.com"


class Shared:
    salesforce: Standin
    daemon: Daemon


def only_the_last_lives(name: str) -> None:
    """Each grant but the newest was revoked, not used up or reused."""
    grants = lambda: Shared.salesforce.grants(f"app-{name}")  # noqa: E731
    wait_for(lambda: [g["ended"] for g in grants()] == ["revoked"] * (len(grants()) - 1) + [None], f"the replaced grants of {name} are revoked")


def test_in_use() -> None:
    """Callers of libsftoken in a loop: a login that succeeds, one that is refused, one that is cancelled, one of the wrong user; no call fails, the new generation is served"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add_login(daemon, salesforce, "used", extra=f"Username={USER}")
    log_in(daemon, "used")
    with Load(daemon.broker_path, ["used"], 6) as load:
        wait_for(lambda: all(c.calls > 3 for c in load.callers), "callers")
        first = token(daemon, "used")["generation"]
        for ending in ("refused", "cancelled", "wrong user"):
            with CliLogin(daemon, "used") as login:
                login.target()
                if ending == "cancelled":
                    login.process.send_signal(signal.SIGINT)
                else:
                    login.finish(OTHER if ending == "wrong user" else USER, consent=ending != "refused")
                login.end(130 if ending == "cancelled" else 76)
        same(token(daemon, "used")["generation"], first)
        log_in(daemon, "used")
        second = token(daemon, "used")["generation"]
        assert second > first
        # at the next login there is a delay before the token: the old one is served meanwhile
        salesforce.fault("delay", seconds=0.5, client_id="app-used")
        calls = load.calls
        log_in(daemon, "used")
        assert load.calls > calls + 20, "callers waited for the login"
        third = refresh(daemon, "used")
        wait_for(lambda: all(c.generations[-1] == third for c in load.callers), "the newest generation")
    same(load.errors[:3], [])
    assert all(sorted(c.generations) == c.generations for c in load.callers), [c.generations for c in load.callers]
    only_the_last_lives("used")
    good(daemon, salesforce, "used")


def test_wrong_user() -> None:
    """Username=: the login of somebody else is refused with both names, its grant is revoked, nothing else changes"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    kept = Kept(daemon, "used")
    live = [g["grant"] for g in salesforce.grants("app-used") if g["live"]]
    with CliLogin(daemon, "used") as login:
        page = login.finish(OTHER)
        _, errors = login.end(76)
    assert OTHER in errors and USER in errors and "Username=" in errors and "You are logged in" not in page, errors
    kept.check()
    wait_for(lambda: [g["grant"] for g in salesforce.grants("app-used") if g["live"]] == live, "the wrong user's grant is revoked")
    same(info(daemon, "used")["state"], "valid")
    good(daemon, salesforce, "used")


def test_unknown_user() -> None:
    """Username=, and userinfo does not answer: nobody knows whose login it was, so it is refused; without Username= it succeeds"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    kept = Kept(daemon, "used")
    add_login(daemon, salesforce, "anybody")
    salesforce.fault("html", path="userinfo", forever=True, status=503)
    with CliLogin(daemon, "used") as login:
        login.finish(OTHER)
        assert "Username=" in login.end(76)[1]
    assert "whose name is not known" in log_in(daemon, "anybody", OTHER)
    salesforce.clear_faults()
    kept.check()
    good(daemon, salesforce, "anybody")


def test_cancelled() -> None:
    """Ctrl-C, and a terminal that hangs up: 130 and 129; the code that comes afterwards belongs to no login, nothing changes"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    kept = Kept(daemon, "used")
    since = len(salesforce.token_requests("app-used"))
    for number in (signal.SIGINT, signal.SIGHUP):
        with CliLogin(daemon, "used", "--json") as login:
            wait_for(lambda: login.read() or "loginId" in login.text, "the first reply")
            login_id = login.text.partition('"loginId"')[2].split('"')[1]
            url = login.browse()
            login.process.send_signal(number)
            login.end(128 + number)
        daemon.wait_log("login.cancelled")
        with daemon.manager() as m:
            error = expect(VarlinkError, lambda: m.call(MANAGER + ".CompleteLogin", {"loginId": login_id, "redirectUrl": url}))
        same(getattr(error, "name"), MANAGER + ".NoSuchLogin")
    same(len(salesforce.token_requests("app-used")), since)
    kept.check()


def test_daemon_restarts() -> None:
    """The daemon is restarted in the middle: 75 and what to do; the old token is served on; the next login succeeds"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    kept = Kept(daemon, "used")
    with CliLogin(daemon, "used") as login:
        url = login.browse()
        same(daemon.stop(), 0)
        _, errors = login.end(75)
    assert "begin it again" in errors, errors
    daemon.start()
    wait_state(daemon, "used", "valid")
    same(kept.now()["username"], USER)
    assert urlsplit(url).query
    good(daemon, salesforce, "used")
    log_in(daemon, "used")
    only_the_last_lives("used")


def test_mint_dies() -> None:
    """kill -9 of the mint while the code is exchanged: 75; whatever came of it, the old grant is not lost and the next login succeeds"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.fault("delay", seconds=5, client_id="app-used")
    with CliLogin(daemon, "used") as login:
        target, url = login.target(), login.browse()
        before = len(salesforce.token_requests("app-used"))
        with target.connect() as s:
            s.sendall(f"GET {target.path}?{urlsplit(url).query} HTTP/1.1\r\nHost: {target.authority}\r\n\r\n".encode())
            wait_for(lambda: len(salesforce.token_requests("app-used")) > before, "the code at the server")
            wait_mint(daemon, daemon.kill("mint"))
            login.end(75)
    salesforce.clear_faults()
    wait_state(daemon, "used", "valid")
    good(daemon, salesforce, "used")
    log_in(daemon, "used")
    good(daemon, salesforce, "used")


def test_reload() -> None:
    """A reload that does not touch the credential disturbs no login; one that changes or removes it ends it with 76, says so, and nothing is sent"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add_login(daemon, salesforce, "reloaded")
    path = daemon.credentials / "reloaded.conf"
    text = path.read_text()
    with CliLogin(daemon, "reloaded") as login:
        login.target()
        daemon.write_credential("unrelated", (daemon.credentials / "used.conf").read_text())
        daemon.cli("reload")
        login.finish()
        login.end(0)
    kept = Kept(daemon, "reloaded")
    for change in ("changed", "removed"):
        before = len(salesforce.token_requests("app-reloaded"))
        with CliLogin(daemon, "reloaded") as login:
            login.target()
            if change == "changed":
                path.write_text(text.replace("[Access]", "SessionTimeout=1h\n[Access]"))
            else:
                path.unlink()
            daemon.cli("reload")
            _, errors = login.end(76)
        same(errors, {"changed": "sftoken: the configuration of the credential was changed meanwhile: log in again\n",
                      "removed": "sftoken: the credential was removed from the configuration meanwhile\n"}[change])
        same(len(salesforce.token_requests("app-reloaded")), before)
        path.write_text(text)
        daemon.cli("reload")
        wait_state(daemon, "reloaded", "valid")
        if change == "changed":
            kept.check(change)
    good(daemon, salesforce, "reloaded")


def test_disabled() -> None:
    """A login while it is disabled is kept, and served from enable on"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add_login(daemon, salesforce, "off")
    daemon.cli("disable", "off")
    written = log_in(daemon, "off")
    assert USER in written and "sftoken enable off" in written, written
    assert daemon.cli("get", "off", check=None).returncode != 0
    daemon.cli("enable", "off")
    wait_state(daemon, "off", "valid")
    assert salesforce.is_live(daemon.cli("get", "off").stdout.strip())
    good(daemon, salesforce, "off")


def test_answers_that_are_lost() -> None:
    """The answer to the code is lost, damaged, a page, or late: the login has failed (76) and says to start again; the code is sent once; the old token stays"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    kept = Kept(daemon, "used")
    for kind, args in (("drop_after", {}), ("drop_before", {}), ("truncate", {"n": 40}), ("html", {"status": 503}), ("html", {"status": 200}), ("empty", {}),
                       ("gateway", {"status": 502, "after": True}), ("redirect", {"location": "https://evil.example/"}), ("retry_after", {"values": "1"}),
                       ("instance_url", {"value": "https://evil.example"}), ("content_type", {"value": "text/plain"})):
        before = len(salesforce.token_requests("app-used"))
        salesforce.fault(kind, client_id="app-used", grant_type="authorization_code", **args)
        with CliLogin(daemon, "used") as login:
            page = login.finish()
            _, errors = login.end(76)
        assert ("LoginUrl=" if kind == "redirect" else "AllowedHosts=" if kind == "instance_url" else "start it again") in errors, (kind, errors)
        assert "You are logged in" not in page and len(errors.splitlines()) == 1 and "evil" not in page, (kind, errors)
        same(len(salesforce.token_requests("app-used")), before + 1, f"requests with {kind} {args}")
        salesforce.clear_faults()
        kept.check(f"{kind} {args}")
    good(daemon, salesforce, "used")


def test_too_many() -> None:
    """Eight logins of a credential may be pending; the ninth is told to wait, and others are not in its way"""
    daemon = Shared.daemon
    connections = [daemon.manager() for _ in range(8)]
    for c in connections:
        same(next(iter(c.more(MANAGER + ".Login", {"credential": "used"})))["state"], "pending")
    with CliLogin(daemon, "used") as login:
        assert "60 s" in login.end(75)[1]
    add_login(daemon, Shared.salesforce, "free")
    log_in(daemon, "free")
    for c in connections:
        c.close()
    wait_for(lambda: manager_login(daemon, "used", lambda first: Shared.salesforce.browse(first["authorizationUrl"], USER))["state"] == "succeeded", "room")


def test_nothing_secret_is_told() -> None:
    """None of all that is in a log, output, history or argument"""
    told_nothing(Shared.daemon, Shared.salesforce, "used", "off", "reloaded")
    no_alarms(Shared.salesforce)
    same({a["kind"] for a in history(Shared.daemon, "used")} >= {"login"}, True)


def run() -> int:
    with Standin(max_grants=0, rotation=True) as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings(f"[Limits]\n{CALM}")
        salesforce.add_user(OTHER)
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
