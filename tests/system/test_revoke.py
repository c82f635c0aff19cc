# SPDX-License-Identifier: Apache-2.0
"""sftoken revoke for every grant: what ends at the server, what is forgotten here, and how callers get the next token."""

from __future__ import annotations

import sys
from typing import Any

from harness import Daemon, Standin, run_tests, same, wait_for
from people import USER, CliLogin, add_login, certificate, client_lines, log_in
from rotating import CALM, info, no_alarms, wait_state

ITSELF = ("cc", "jwt", "saml", "exchange")
PEOPLE = ("web", "device", "imported")


class Shared:
    salesforce: Standin
    daemon: Daemon


def add(name: str, lines: str, **app: Any) -> None:
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.configure(users={USER: {}}, apps={f"app-{name}": app})
    daemon.write_credential(name, f"[Credential]\nLoginUrl={salesforce.url}\nClientId=app-{name}\n{lines}\n")


def add_all() -> None:
    """A credential for each grant, with a token."""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    client, app = client_lines(daemon, "client_secret_post")
    key = f"Username={USER}\nPrivateKey=file:{daemon.directory}/key\n"
    add("cc", f"GrantType=client_credentials\n{client}", run_as=USER, **app)
    add("jwt", f"GrantType=jwt_bearer\n{key}", cert_pem=certificate(daemon))
    add("saml", f"GrantType=saml_bearer\n{key}", cert_pem=certificate(daemon))
    add("exchange", f"GrantType=token_exchange\n{client}SubjectToken=file:{daemon.write_secret('subject', 'theirs')}", **app)
    salesforce.configure(token_handlers={"": {"tokens": {"theirs": USER}}})
    add_login(daemon, salesforce, "web", reload=False)
    add_login(daemon, salesforce, "device", "device", reload=False, app={"device_interval_s": 1})
    add_login(daemon, salesforce, "imported", "refresh_token", reload=False)
    add_login(daemon, salesforce, "agent", "user_agent", auth="none", extra="AllowUserAgent=yes", scopes="api id", reload=False)
    daemon.cli("reload")
    log_in(daemon, "web")
    log_in(daemon, "agent")
    with CliLogin(daemon, "device") as login:
        link, code = login.prompt()
        salesforce.enter_code(link, code, USER)
        login.end(0)
    daemon.give("imported", "refresh_token", str(salesforce.new_grant(USER, "app-imported")["refresh_token"]))
    for name in (*PEOPLE, "agent"):
        wait_state(daemon, name, "valid")


def get(name: str) -> str:
    return Shared.daemon.cli("get", name).stdout.strip()


def live_grants(name: str) -> int:
    return sum(1 for g in Shared.salesforce.grants(f"app-{name}") if g["live"])


def test_grants_that_renew_themselves() -> None:
    """client_credentials, jwt_bearer, saml_bearer, token_exchange: the token ends at the server; the next caller gets another one; --forget has no more to end"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    for name in ITSELF:
        for options in ((), ("--forget",)):
            first = get(name)
            daemon.cli("revoke", name, *options)
            same(salesforce.is_live(first), False, name)
            second = get(name)
            assert second != first and salesforce.is_live(second), name


def test_grants_of_people() -> None:
    """web_server, device, refresh_token: without --forget the access token alone ends, and the refresh token gives the next"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    for name in PEOPLE:
        first = get(name)
        daemon.cli("revoke", name)
        same((salesforce.is_live(first), live_grants(name)), (False, 1), name)
        second = get(name)
        assert second != first and salesforce.is_live(second), name
    no_alarms(salesforce)


def test_unreachable() -> None:
    """Salesforce does not answer: 75, nothing is forgotten, the token is served on"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.fault("html", path="revoke", forever=True, status=503)
    for name in (*ITSELF, *PEOPLE, "agent"):
        first = get(name)
        said = daemon.cli("revoke", name, "--forget", check=75)
        assert len(said.stderr.splitlines()) == 1, said.stderr
        same(get(name), first, name)
    salesforce.clear_faults()


def test_gone_already() -> None:
    """What the server does not know any more (invalid_token, unsupported_token_type) is as good as revoked"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    for name, error in (("cc", "invalid_token"), ("jwt", "unsupported_token_type")):
        get(name)
        salesforce.fault("oauth_error", path="revoke", error=error, error_description="no such token")
        daemon.cli("revoke", name)
        get(name)


def test_forget() -> None:
    """--forget: the refresh token and all its sessions end, and it is erased from the store, over a restart, too: LoginRequired (80); the next login serves again"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    last = {name: get(name) for name in PEOPLE}
    for name in PEOPLE:
        daemon.cli("revoke", name, "--forget")
        same((salesforce.is_live(last[name]), live_grants(name)), (False, 0), name)
        daemon.cli("get", name, check=80)
        same(info(daemon, name)["state"], "login_required")
    daemon.stop()
    daemon.start()
    for name in PEOPLE:
        daemon.cli("get", name, check=80)
    log_in(daemon, "web")
    assert salesforce.is_live(get("web"))
    no_alarms(salesforce)


def test_user_agent() -> None:
    """user_agent: the token ends, and with it all there is: LoginRequired until the next login"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    first = get("agent")
    daemon.cli("revoke", "agent")
    same((salesforce.is_live(first), info(daemon, "agent")["state"]), (False, "login_required"))
    daemon.cli("get", "agent", check=80)
    log_in(daemon, "agent")
    assert salesforce.is_live(get("agent"))


def test_while_logging_in() -> None:
    """A revoke while a login is pending ends what there is; the login goes on and succeeds"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    with CliLogin(daemon, "web") as login:
        login.target()
        daemon.cli("revoke", "web", "--forget")
        daemon.cli("get", "web", check=80)
        login.finish()
        login.end(0)
    assert salesforce.is_live(get("web"))
    wait_for(lambda: live_grants("web") == 1, "one living grant")


def test_nothing_to_revoke() -> None:
    """Without a token: 64 and the reason, nothing is sent; an unknown name: 66"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add_login(daemon, salesforce, "empty")
    before = len(salesforce.requests(path="/services/oauth2/revoke"))
    assert "no token" in daemon.cli("revoke", "empty", check=64).stderr
    same(len(salesforce.requests(path="/services/oauth2/revoke")), before)
    daemon.cli("revoke", "absent", check=66)


def run() -> int:
    with Standin(max_grants=0, rotation=True, login_limit=0) as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings(f"[Limits]\n{CALM}")
        daemon.start()
        add_all()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
