# SPDX-License-Identifier: Apache-2.0
"""Servers that are not Salesforce (Issuer=): logins, renewals and client credentials at a plain OAuth 2.0 server, and discovery documents that must not be believed."""

from __future__ import annotations

import sys
from typing import Any

from harness import Daemon, Standin, run_tests, same, wait_for
from people import USER, CliLogin, Kept, add_login, client_lines, log_in, told_nothing
from rotating import CALM, info, no_alarms, posts, refresh, token

OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"
ISSUER_PATH = "/realms/x"


class Shared:
    server: Standin
    daemon: Daemon


def issuer() -> str:
    return Shared.server.url + ISSUER_PATH


def add(name: str, lines: str = "", auth: str = "client_secret_post", **app: Any) -> None:
    """client_credentials at the server."""
    client, fields = client_lines(Shared.daemon, auth)
    Shared.server.configure(users={USER: {}}, apps={f"app-{name}": {**fields, **app}})
    Shared.daemon.write_credential(name, f"[Credential]\nGrantType=client_credentials\nIssuer={issuer()}\nClientId=app-{name}\n{client}{lines}\n")


def anew(kind: str = "", args: Any = None) -> None:
    """A daemon that remembers no discovery document, and what becomes of the next ones."""
    Shared.daemon.stop()
    Shared.server.clear_faults()
    for path in (OPENID, OAUTH) if kind else ():
        Shared.server.fault(kind, path=path, forever=True, **args)
    Shared.daemon.start()


def test_client_credentials() -> None:
    """Scopes, each way to prove the client, InstanceUrl=, the end from expires_in; discovery is not asked again for each token"""
    server, daemon = Shared.server, Shared.daemon
    auths = ("client_secret_post", "client_secret_basic", "private_key_jwt")
    for auth in auths:
        add(f"cc-{auth}", "Scopes=api\nInstanceUrl=https://api.example.com\n", auth, expires_in=600, scopes="api openid")
    daemon.cli("reload")
    for name in (f"cc-{auth}" for auth in auths):
        assert server.is_live(daemon.cli("get", name).stdout.strip())
        same(server.token_requests(f"app-{name}")[-1]["values"]["scope"], "api")
        same((token(daemon, name)["instanceUrl"], token(daemon, name)["expirySource"]), ("https://api.example.com", "response"))
    asked = len(server.requests(path=OPENID))
    assert 1 <= asked <= len(auths), asked  # those that begin at the same time may ask each
    for auth in auths:
        refresh(daemon, f"cc-{auth}")
    same(len(server.requests(path=OPENID)), asked)
    same(server.problems(), [])


def test_web_server() -> None:
    """A login by browser: openid offline_access is asked for; the name comes from userinfo; the renewal spends and rotates the refresh token"""
    server, daemon = Shared.server, Shared.daemon
    for name, auth in (("web", "client_secret_basic"), ("public", "none"), ("signed", "private_key_jwt")):
        add_login(daemon, server, name, auth=auth, issuer=True, scopes="openid offline_access api", reload=False)
        conf = daemon.credentials / f"{name}.conf"
        conf.write_text(conf.read_text().replace(f"Issuer={server.url}\n", f"Issuer={issuer()}\n"))
        daemon.cli("reload")
        with CliLogin(daemon, name) as login:
            assert "scope=openid" in login.authorization_url and "offline_access" in login.authorization_url, login.authorization_url
            login.finish()
            assert USER in login.end(0)[0]
        same(token(daemon, name)["username"], USER)
        first = daemon.cli("get", name).stdout.strip()
        refresh(daemon, name)
        assert daemon.cli("get", name).stdout.strip() != first
        same(server.grants(f"app-{name}")[0]["rotations"], 1)
    no_alarms(server)


def test_replaced() -> None:
    """A second login replaces and revokes the first grant, as the server's revocation endpoint wants it; sftoken revoke --forget ends it all"""
    server, daemon = Shared.server, Shared.daemon
    for name in ("web", "signed"):
        log_in(daemon, name)
        wait_for(lambda: [g["live"] for g in server.grants(f"app-{name}")] == [False, True], "the replaced grant is revoked")
        daemon.cli("revoke", name, "--forget")
        same([g["live"] for g in server.grants(f"app-{name}")], [False, False])
        daemon.cli("get", name, check=80)
    no_alarms(server)


def test_refused_by_person() -> None:
    """Refusals in the words of RFC 6749: 76; nothing changes"""
    daemon = Shared.daemon
    kept = Kept(daemon, "public")
    with CliLogin(daemon, "public") as login:
        login.finish(consent=False)
        assert "choose Allow" in login.end(76)[1]
    for error, words in (("expired_code", "log in again"), ("invalid_client", "ClientAuth="), ("server_error", "start it again"), ("invalid_scope", "scope")):
        Shared.server.force_error("app-public", error)
        with CliLogin(daemon, "public") as login:
            login.finish()
            assert words in login.end(76)[1], error
    Shared.server.force_error("app-public", None)
    kept.check()


def test_other_issuer_answers() -> None:
    """RFC 9207: an answer with the iss of another server is not believed (mix-up)"""
    daemon = Shared.daemon
    kept = Kept(daemon, "public")
    before = posts(Shared.server, "public")
    with CliLogin(daemon, "public") as login:
        page = login.target().get(login.browse().partition("?")[2] + "&iss=https%3A%2F%2Fevil.example")
        assert "You are logged in" not in page.body
        assert "iss" in login.end(76)[1]
    same(posts(Shared.server, "public"), before)
    kept.check()


# what discovery answers: state of a credential that needs it, exit status of get, and words of the last error
WRONG: dict[str, tuple[str, dict[str, Any], str, int, str]] = {
    "another issuer": ("edit", {"set": {"issuer": "https://evil.example"}}, "suspended", 76, "another issuer"),
    "no issuer": ("edit", {"remove": ["issuer"]}, "suspended", 76, "another issuer"),
    "issuer with a slash": ("edit", {"set": {"issuer": "SELF/"}}, "suspended", 76, "another issuer"),
    "no token endpoint": ("edit", {"remove": ["token_endpoint"]}, "suspended", 76, "token_endpoint"),
    "token endpoint on a foreign host": ("edit", {"set": {"token_endpoint": "https://evil.example/token"}}, "suspended", 76, "token_endpoint"),
    "token endpoint over http": ("edit", {"set": {"token_endpoint": "http://api.example.com/token"}}, "suspended", 76, "token_endpoint"),
    "revocation on a foreign host": ("edit", {"set": {"revocation_endpoint": "https://evil.example/revoke"}}, "suspended", 76, "revocation_endpoint"),
    "token endpoint is no text": ("edit", {"set": {"token_endpoint": 7}}, "suspended", 76, ""),
    "a page": ("html", {"status": 200}, "suspended", 76, "Issuer="),
    "503": ("html", {"status": 503}, "backoff", 75, ""),
    "no answer": ("drop_before", {}, "backoff", 75, ""),
    "half an answer": ("truncate", {"n": 50}, "backoff", 75, ""),
    "another place": ("redirect", {"location": "https://evil.example/"}, "suspended", 76, ""),
    "far too much": ("huge", {"mb": 3}, "backoff", 75, ""),
}


def test_discovery_that_is_wrong() -> None:
    """Another issuer, endpoints on foreign hosts or over http, no token endpoint, pages, silence: no secret is sent, the state and the words are right; mended, it works"""
    server, daemon = Shared.server, Shared.daemon
    add("d", scopes="api")
    for what, (kind, args, state, status, words) in WRONG.items():
        if args.get("set", {}).get("issuer") == "SELF/":
            args = {"set": {"issuer": issuer() + "/"}}
        sent = len(server.token_requests())
        anew(kind, args)
        said = daemon.cli("get", "d", check=None)
        told = info(daemon, "d")
        same((said.returncode, told["state"]), (status, state), f"{what}: {said.stderr}{told['lastError']}")
        assert words in told["lastError"] and len(told["lastError"]) <= 200, f"{what}: {told['lastError']}"
        same(len(server.token_requests()), sent, f"{what}: something was sent")
    anew()
    assert server.is_live(daemon.cli("get", "d").stdout.strip())


def test_either_document() -> None:
    """OpenID Connect Discovery alone, RFC 8414 alone; none: the error names Issuer="""
    server, daemon = Shared.server, Shared.daemon
    for kind, status in (("openid", 0), ("oauth", 0), ("none", 76)):
        daemon.stop()
        server.configure(discovery=kind)
        anew()
        name = f"only-{kind}"
        add(name, scopes="api")
        daemon.cli("reload")
        daemon.cli("get", name, check=status)
        assert status == 0 or "Issuer=" in str(info(daemon, name)["lastError"]), info(daemon, name)
    server.configure(discovery="both")
    anew()


def test_login_when_discovery_is_wrong() -> None:
    """A login needs discovery, too: it ends at once with 76 and the same words, nothing is opened"""
    daemon = Shared.daemon
    for kind, args, words in (("edit", {"set": {"authorization_endpoint": "https://evil.example/authorize"}}, "authorization_endpoint"),
                              ("html", {"status": 503}, "start it again"), ("edit", {"remove": ["authorization_endpoint"]}, "--flow device")):
        anew(kind, args)
        with CliLogin(daemon, "web") as login:
            out, errors = login.end(76)
        assert words in errors and "http" not in out and len(errors.splitlines()) == 1, f"{kind}: {out}{errors}"
    anew()
    log_in(daemon, "web")


def test_endpoints_move() -> None:
    """The token endpoint that was learned is gone (404): discovery is asked again, without a restart"""
    server, daemon = Shared.server, Shared.daemon
    daemon.cli("refresh", "d")
    before = len(server.requests(path=OPENID))
    server.fault("html", status=404, client_id="app-d")
    daemon.cli("refresh", "d", check=None)
    wait_for(lambda: daemon.cli("refresh", "d", check=None).returncode == 0, "a token")
    assert len(server.requests(path=OPENID)) > before


def test_nothing_secret_is_told() -> None:
    """No code, token or secret is in a log, output, history or argument"""
    told_nothing(Shared.daemon, Shared.server, "web", "public", "signed", "d")
    no_alarms(Shared.server)


def run() -> int:
    with Standin(dialect="generic", issuer_path=ISSUER_PATH, max_grants=0, rotation=True, login_limit=0) as server, Daemon(server) as daemon:
        Shared.server, Shared.daemon = server, daemon
        daemon.add_settings(f"[Limits]\n{CALM}BackoffFirst=1h\nBackoffMax=1h\n[Network]\nAllowedHosts=127.0.0.1:{server.port} api.example.com\n")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
