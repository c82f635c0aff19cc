# SPDX-License-Identifier: Apache-2.0
"""The web server flow from `sftoken login` to a token in another process's hands: every kind of client, by browser, by paste, by whatever port is free."""

from __future__ import annotations

import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

from harness import Daemon, Standin, run_tests, same, wait_for
from people import ORG, SECRETS, USER, CliLogin, Kept, add_login, browser_script, free_port, told_nothing
from rotating import CALM, good, history, info, no_alarms, token, wait_state

AUTHS = ("none", "client_secret_post", "client_secret_basic", "private_key_jwt")


class Shared:
    salesforce: Standin
    daemon: Daemon


def by_browser(auth: str) -> None:
    """From nothing to a token, and to the next one, which is paid with the refresh token."""
    salesforce, daemon, name = Shared.salesforce, Shared.daemon, f"web-{auth}"
    same(daemon.cli("get", name, check=80).stdout, "")
    script, out = browser_script(daemon, salesforce, name)
    with CliLogin(daemon, name, browser=script) as login:
        url = login.authorization_url
        written, errors = login.end(0)
    saw = json.loads(str(wait_for(lambda: out.exists() and out.read_text(), "what the browser saw")))
    SECRETS.of_url(saw["location"])
    same((saw["status"], "You are logged in" in saw["words"], errors), (200, True, ""))
    assert url in written and f"logged in as {USER}, organization {ORG}, {salesforce.url}" in written, written
    for word in ("code_challenge_method=S256", f"client_id=app-{name}", "response_type=code"):
        assert word in url, url
    got = daemon.cli("get", name).stdout.strip()
    assert salesforce.is_live(got), "the token of sftoken get"
    same(token(daemon, name)["username"], USER)
    grant = salesforce.grants(f"app-{name}")[0]
    same((grant["user"], grant["live"], grant["rotations"]), (USER, True, 0))
    good(daemon, salesforce, name)
    same(token(daemon, name)["username"], USER, "whose it is after a renewal")
    grant = salesforce.grants(f"app-{name}")[0]
    same((grant["rotations"], salesforce.refresh_token(grant["current"])["number"]), (1, 2))
    requests = salesforce.token_requests(f"app-{name}")
    same([r["grant_type"] for r in requests], ["authorization_code", "refresh_token"])
    proof = {"none": (None, False, False), "client_secret_post": (None, True, False), "client_secret_basic": ("Basic", False, False),
             "private_key_jwt": (None, False, True)}[auth]
    for r in requests:
        same((r["auth"], "client_secret" in r["parameters"], "client_assertion" in r["parameters"]), proof, auth)


def test_browser() -> None:
    """Public clients and confidential ones (post, basic, private_key_jwt): $BROWSER, the listener, sftoken get, and a renewal with rotation"""
    for auth in AUTHS:
        add_login(Shared.daemon, Shared.salesforce, f"web-{auth}", auth=auth, redirect=f"http://localhost:{free_port()}/OauthRedirect", reload=False)
    Shared.daemon.cli("reload")
    with ThreadPoolExecutor(len(AUTHS)) as pool:
        list(pool.map(by_browser, AUTHS))
    no_alarms(Shared.salesforce)


def test_paste() -> None:
    """The final address is typed at the terminal: with a listener, and where there is none (https, a scheme)"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    for name, redirect in (("paste", None), ("paste-https", "https://apps.example.com/done"), ("paste-scheme", "com.example.app:/done")):
        add_login(daemon, salesforce, name, redirect=redirect)
        with CliLogin(daemon, name, terminal=True) as login:
            url = login.browse()
            wait_for(lambda: not login.echoes(), "no echo")
            login.type(url + "\r")
            written, _ = login.end(0)
        assert f"logged in as {USER}" in written and url not in written, written
        assert salesforce.is_live(daemon.cli("get", name).stdout.strip())


def test_any_port() -> None:
    """RedirectUri= with port 0: whatever port is free, also on 127.0.0.1 and for the generic path; the code is exchanged with the same address"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    for name, redirect in (("any", None), ("any-4", "http://127.0.0.1:0/back")):
        add_login(daemon, salesforce, name, redirect=redirect, app={"loopback_any_port": True})
        with CliLogin(daemon, name) as login:
            target = login.target()
            assert target.port > 0
            assert "You are logged in" in login.finish()
            login.end(0)
        values = salesforce.token_requests(f"app-{name}")[-1]["values"]
        same(values["redirect_uri"], f"http://{target.authority}{target.path}")


def test_quiet_and_json() -> None:
    """-q says the address alone; --json the replies of the daemon, and nothing secret beside the state"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add_login(daemon, salesforce, "quiet")
    with CliLogin(daemon, "quiet", "-q") as login:
        url = login.authorization_url
        login.finish()
        same(login.end(0), (url + "\n", ""))
    with CliLogin(daemon, "quiet", "--json") as login:
        wait_for(lambda: login.read() or "authorizationUrl" in login.text, "the first reply")
        first = json.loads(login.text.splitlines()[0])
        url = salesforce.browse(first["authorizationUrl"], USER)
        SECRETS.of_url(url)
        same(salesforce.visit(url).status, 200)
        written, errors = login.end(0)
    last = json.loads(written.splitlines()[-1])
    same((last["state"], last["loginId"], errors), ("succeeded", first["loginId"], ""))
    assert USER in last["message"] and last["authorizationUrl"] is None


def test_several_at_once() -> None:
    """Three logins of one credential and two of another: each has its own state; they end in another order; the last one counts, the others' grants are revoked"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    for name in ("many", "other"):
        add_login(daemon, salesforce, name)
    logins = [CliLogin(daemon, name) for name in ("many", "many", "other", "many", "other")]
    try:
        same(len({login.authorization_url for login in logins}), 5)
        same(len({login.target().port for login in logins}), 5)
        for i in (3, 2, 0, 4, 1):
            assert "You are logged in" in logins[i].finish()
            logins[i].end(0)
    finally:
        for login in logins:
            login.close()
    for name, number in (("many", 3), ("other", 2)):
        wait_for(lambda: [g["live"] for g in salesforce.grants(f"app-{name}")] == [False] * (number - 1) + [True], "the replaced grants are revoked")
        same({g["ended"] for g in salesforce.grants(f"app-{name}")}, {None, "revoked"})
        good(daemon, salesforce, name)
        same([a["kind"] for a in history(daemon, name)].count("login"), number)


def test_code_of_another_login() -> None:
    """The answer of one login at the listener of another, and at one of the same credential: 400, both go on and succeed"""
    daemon = Shared.daemon
    with CliLogin(daemon, "many") as one, CliLogin(daemon, "many") as two:
        first, second = one.browse(), two.browse()
        crossed = one.target().get(second.partition("?")[2])
        same(crossed.status, 400)
        one_state = first.partition("state=")[2].partition("&")[0]
        assert one_state in one.authorization_url
        for login, url in ((one, first), (two, second)):
            same(Shared.salesforce.visit(url).status, 200)
            login.end(0)


def test_a_code_of_somebody_else() -> None:
    """The right state with a code that was made for another login (injection): the verifier does not fit, 76, nothing changes"""
    daemon = Shared.daemon
    kept = Kept(daemon, "paste-https")
    with CliLogin(daemon, "paste-https", terminal=True) as victim, CliLogin(daemon, "paste-https") as attacker:
        foreign = attacker.browse().partition("code=")[2].partition("&")[0]
        state = victim.authorization_url.partition("state=")[2].partition("&")[0]
        victim.type(f"https://apps.example.com/done?code={foreign}&state={state}\r")
        assert "newest link" in victim.end(76)[0]
        attacker.process.send_signal(signal.SIGINT)
        attacker.end(130)
    kept.check()


def test_other_flows() -> None:
    """--flow: device for a web_server credential works, user_agent does not; credentials without a person: 64 and what to do"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.add_app("app-many", device_interval_s=1)
    with CliLogin(daemon, "many", "--flow", "device") as login:
        link, code = login.prompt()
        salesforce.enter_code(link, code, USER)
        login.end(0)
    good(daemon, salesforce, "many")
    daemon.add_client_credentials("cc")
    daemon.add_jwt("jwt")
    daemon.cli("reload")
    for name, flow in (("many", "user_agent"), ("cc", "web_server"), ("jwt", "device")):
        with CliLogin(daemon, name, "--flow", flow) as login:
            out, errors = login.end(64)
        assert not out and len(errors.splitlines()) == 1 and "GrantType=" in errors, errors
    with CliLogin(daemon, "absent") as login:
        login.end(66)


def test_refresh_token_credential() -> None:
    """GrantType=refresh_token logs in, too; what was imported is revoked"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add_login(daemon, salesforce, "imported", "refresh_token")
    grant = salesforce.new_grant(USER, "app-imported")
    daemon.give("imported", "refresh_token", str(grant["refresh_token"]))
    wait_state(daemon, "imported", "valid")
    with CliLogin(daemon, "imported") as login:
        login.finish()
        login.end(0)
    wait_for(lambda: [g["live"] for g in salesforce.grants("app-imported")] == [False, True], "the imported grant is revoked")
    good(daemon, salesforce, "imported")


def test_no_refresh_token() -> None:
    """An app without the scope refresh_token: 76, what to change, nothing is kept, and the session is ended"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add_login(daemon, salesforce, "short", scopes="api id")
    with CliLogin(daemon, "short") as login:
        page = login.finish()
        _, errors = login.end(76)
    assert "refresh_token" in errors and "You are logged in" not in page, errors
    same(info(daemon, "short")["state"], "login_required")
    wait_for(lambda: not [s for s in salesforce.sessions("app-short") if s["live"]], "the session is ended")


def test_nothing_secret_is_told() -> None:
    """Codes, states, verifiers, tokens, the client secret: in no log, output, history, argument"""
    told_nothing(Shared.daemon, Shared.salesforce, "many", "paste", "quiet", "imported", *(f"web-{auth}" for auth in AUTHS))
    no_alarms(Shared.salesforce)


def run() -> int:
    with Standin(max_grants=0, rotation=True) as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings(f"[Limits]\n{CALM}")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
