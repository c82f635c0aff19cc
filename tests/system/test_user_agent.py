# SPDX-License-Identifier: Apache-2.0
"""The user-agent flow, which is deprecated: allowed by name only, its token by way of the browser, believed when userinfo confirms it, without a renewal."""

from __future__ import annotations

import sys
import time
from urllib.parse import parse_qsl, urlencode, urlsplit

from attacks import check_page, post, relay_nonce
from harness import BROKER, MANAGER, Daemon, Standin, VarlinkError, expect, run_tests, same, wait_for
from people import ORG, SECRETS, USER, CliLogin, Kept, add_login, log_in, told_nothing
from rotating import CALM, info, no_alarms, posts, token, wait_state
from standin.errors import AUTHORIZE_ERRORS

STRANGER = "eve@elsewhere.example"
LIFE_S = 6
PAGE = {
    "denied": "choose Allow", "app_blocked": "unblock", "app_access_denied": "permission set", "ec_app_not_found": "install", "approval_generic": "policies",
    "unsupported_response_type": "web_server", "immediate_unsuccessful": "confirm on its page", "missing_code_challenge": "PKCE",
    "plain_challenge": "PKCE", "invalid_code_challenge": "PKCE",
}


class Shared:
    salesforce: Standin
    daemon: Daemon


def add(name: str, extra: str = "", **app: object) -> None:
    add_login(Shared.daemon, Shared.salesforce, name, "user_agent", auth="none", extra=f"AllowUserAgent=yes\n{extra}", scopes="api id", app=dict(app))


def test_allowed_by_name_only() -> None:
    """GrantType=user_agent without AllowUserAgent=yes is a mistake, with it a warning; other grants cannot log in this way"""
    daemon = Shared.daemon
    for line in ("", "AllowUserAgent=no\n"):
        path = daemon.write_credential("refused", f"[Credential]\nGrantType=user_agent\nLoginUrl={Shared.salesforce.url}\nClientId=x\n{line}")
        said = daemon.cli("reload", check=None)
        assert said.returncode != 0 and "AllowUserAgent=yes" in said.stderr and "refused.conf" in said.stderr, said
    path.unlink()
    daemon.cli("reload")
    add("agent")
    checked = daemon.cli("check", str(daemon.config), check=None)
    assert "deprecated" in (checked.stdout + checked.stderr + daemon.log()).lower() or "discourage" in daemon.log(), checked
    with CliLogin(daemon, "agent", "--flow", "web_server") as login:
        login.end(64)


def test_relay() -> None:
    """The listener's page takes the fragment out of the browser, posts it, and the login succeeds; the token serves another process; the warning is shown"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    with CliLogin(daemon, "agent") as login:
        assert "response_type=token" in login.authorization_url and "code_challenge" not in login.authorization_url
        target, url = login.target(), login.browse()
        check_page(target.get())
        fragment = urlsplit(url).fragment
        answer = post(target, fragment, relay_nonce(target))
        same((answer.status, "You are logged in" in answer.body), (200, True))
        out, errors = login.end(0)
    assert f"logged in as {USER}, organization {ORG}" in out and "deprecated" in errors and len(errors.splitlines()) == 1, out + errors
    got = daemon.cli("get", "agent").stdout.strip()
    same(got, dict(parse_qsl(fragment))["access_token"])
    assert salesforce.is_live(got)
    same((token(daemon, "agent")["username"], posts(salesforce, "agent")), (USER, 0))


def test_paste() -> None:
    """The address with its fragment can be pasted, also where the redirect is https; a refresh token in it is not kept"""
    daemon = Shared.daemon
    add_login(daemon, Shared.salesforce, "pasted", "user_agent", auth="none", redirect="https://apps.example.com/done", extra="AllowUserAgent=yes", scopes="api id")
    with CliLogin(daemon, "pasted", terminal=True) as login:
        login.wait_text("has come to its end")
        login.type(login.browse() + "\r")
        assert USER in login.end(0)[0]
    same(info(daemon, "pasted")["state"], "valid")


def injected(words: str, **changes: str) -> None:
    """A login whose fragment has been changed on the way, state and all else right: 76, the words, nothing is served."""
    daemon = Shared.daemon
    kept = Kept(daemon, "agent")
    with CliLogin(daemon, "agent") as login:
        target, url = login.target(), login.browse()
        fields = {n: v for n, v in (dict(parse_qsl(urlsplit(url).fragment)) | changes).items() if v}
        answer = post(target, urlencode(fields), relay_nonce(target))
        assert "You are logged in" not in answer.body
        _, errors = login.end(76)
    assert words in errors, f"{changes}: {errors}"
    kept.check(str(changes))


def test_token_injection() -> None:
    """The token of another user or org, with the right state: userinfo says whose it is, and it is not used; nor is one that is dead, unknown, or for another host"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add("attacker")
    with CliLogin(daemon, "attacker") as login:
        theirs = dict(parse_qsl(urlsplit(login.browse(STRANGER)).fragment))
        assert theirs["id"].split("/")[-2] != ORG
        injected("another user", access_token=theirs["access_token"])
        injected("another user", id=theirs["id"])
        injected("does not confirm", access_token="00Dxx0000001gPL!made-up")
        injected("host", instance_url="https://evil.example")
        injected("", id="")
        injected("", token_type="")
        injected("", instance_url="")
        assert salesforce.is_live(token(daemon, "agent")["accessToken"])
        login.process.terminate()
        login.end(143)


def test_wrong_user() -> None:
    """Username=: somebody else's login is refused"""
    add("named", extra=f"Username={USER}")
    with CliLogin(Shared.daemon, "named") as login:
        login.finish(STRANGER)
        assert STRANGER in login.end(76)[1]
    log_in(Shared.daemon, "named")


def test_userinfo_fails() -> None:
    """Userinfo that does not answer, or with nonsense, confirms nothing: 76"""
    salesforce = Shared.salesforce
    for kind, args in (("html", {"status": 503}), ("drop_before", {}), ("empty", {}), ("edit", {"remove": ["user_id"]}), ("edit", {"set": {"organization_id": "00D000000000000AAA"}})):
        salesforce.fault(kind, path="userinfo", forever=True, **args)
        injected("")
        salesforce.clear_faults()


def test_refused_on_the_page() -> None:
    """Each refusal of the page (8.2) comes in the fragment: 76 and its sentence"""
    salesforce = Shared.salesforce
    kept = Kept(Shared.daemon, "agent")
    for error, words in PAGE.items():
        salesforce.add_app("app-agent", authorize_error=error)
        with CliLogin(Shared.daemon, "agent") as login:
            page = login.finish()
            _, errors = login.end(76)
        assert words.lower() in errors.lower() and "You are logged in" not in page, f"{error}: {errors}"
    salesforce.add_app("app-agent", authorize_error=None)
    same(sorted(set(AUTHORIZE_ERRORS) - set(PAGE)), [])
    kept.check()


def test_end() -> None:
    """Nothing renews it: its end is announced ahead, in the log and as last error; callers are served until then, and hear LoginRequired (80) from then on"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add("short", extra=f"SessionTimeout={LIFE_S}s", session_timeout_s=LIFE_S)
    log_in(daemon, "short")
    started = time.monotonic()
    for call in ("Refresh",):
        with daemon.manager() as m:
            error = expect(VarlinkError, lambda: m.call(f"{MANAGER}.{call}", {"credential": "short"}))
        same(getattr(error, "name"), BROKER + ".LoginRequired")
    same(daemon.cli("refresh", "short", check=80).stdout, "")
    wait_for(lambda: info(daemon, "short")["lastError"], "the end is announced")
    announced = time.monotonic() - started
    assert LIFE_S * 0.6 < announced < LIFE_S, announced
    told = info(daemon, "short")
    assert told["state"] in ("valid", "login_soon") and "cannot be renewed: sftoken login short" in told["lastError"], told
    daemon.cli("get", "short")
    wait_state(daemon, "short", "login_required", timeout=LIFE_S * 2)
    said = daemon.cli("get", "short", check=80)
    assert "sftoken login short" in said.stderr and said.stdout == "", said.stderr
    same(posts(salesforce, "short"), 0)
    log_in(daemon, "short")
    daemon.cli("get", "short")


def test_rejected() -> None:
    """A caller reports it dead: no renewal, LoginRequired; the next login serves again"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.kill_token(token(daemon, "named")["accessToken"])
    with daemon.broker() as c:
        c.call(BROKER + ".ReportRejected", {"credential": "named", "generation": c.get("named")["generation"]})
    wait_state(daemon, "named", "login_required")
    daemon.cli("get", "named", check=80)
    log_in(daemon, "named")
    assert salesforce.is_live(daemon.cli("get", "named").stdout.strip())


def test_nothing_secret_is_told() -> None:
    """No token, state or fragment is in a log, output, history or argument"""
    assert SECRETS.words
    told_nothing(Shared.daemon, Shared.salesforce, "agent", "named", "short", "pasted")
    no_alarms(Shared.salesforce)


def run() -> int:
    with Standin(max_grants=0) as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        salesforce.add_user(STRANGER, org="00Dyy0000009zZZ")
        daemon.add_settings(f"[Limits]\n{CALM}")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
