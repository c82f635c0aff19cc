# SPDX-License-Identifier: Apache-2.0
"""sftoken doctor: for each broken set-up the step that fails, why, and what to do about it; a good one is good; and never a secret."""

from __future__ import annotations

import re
import sys

from doctor import (LOGIN, NETWORK, ORG, SETTINGS, Shared, client_credentials, doctor, everywhere, first_failed, healthy, jwt, no_secret, reload,
                    server, sick)
from harness import Daemon, Standin, VarlinkError, expect, make_key, run_tests, same
from rotating import refresh, token, wait_first, wait_state, warnings

# -- good ones ---------------------------------------------------------------------------------------


def test_healthy() -> None:
    """Client credentials, JWT bearer and refresh token: all is well, with user and organization; a refresh token is not spent for it"""
    client_credentials("good")
    rows = doctor("good")
    healthy(rows, "audience", "key")
    assert "good@example.com" in rows["token"]["message"] and ORG in rows["token"]["message"], rows["token"]
    jwt("signed")
    rows = doctor("signed")
    healthy(rows)
    assert Shared.salesforce.url in rows["audience"]["message"], rows["audience"]
    grant = Shared.daemon.add_refresh_token("kept")
    wait_first(Shared.daemon, "kept")
    before = len(Shared.salesforce.token_requests("app-kept"))
    healthy(doctor("kept"), "audience", "key")
    same(len(Shared.salesforce.token_requests("app-kept")), before, "requests for a refresh token grant")
    assert Shared.salesforce.grants(grant=grant["grant"])[0]["live"]


def test_asks_once() -> None:
    """A grant that renews itself is asked once, and the token that came is served"""
    client_credentials("once")
    Shared.salesforce.wait_requests(1, client_id="app-once")
    wait_state(Shared.daemon, "once", "valid")
    doctor("once")
    same(len(Shared.salesforce.token_requests("app-once")), 2)
    with Shared.daemon.broker() as c:
        assert Shared.salesforce.is_live(c.get("once")["accessToken"])


# -- the way there -----------------------------------------------------------------------------------


def test_unknown_name() -> None:
    """A host that no name service knows"""
    client_credentials("nowhere", "https://no-such-domain.my.salesforce.invalid")
    rows = sick("nowhere", "name", "has no address", "spelling of LoginUrl=", NETWORK)
    for step in ("tls", "clock", "grant", "approval", "scopes", "token"):
        same(rows[step]["outcome"], "skipped", step)
    assert "see name" in rows["grant"]["message"], rows["grant"]


def test_nobody_listens() -> None:
    """A port where nothing listens"""
    client_credentials("closed", "https://127.0.0.1:9")
    sick("closed", "name", "takes no connection", "firewall", NETWORK)


def test_certificates() -> None:
    """A certificate of an unknown authority, of another name, one that has expired, and a server without TLS 1.2"""
    client_credentials("tls")
    with server(tls="self_signed"):
        rows = sick("tls", "tls", "does not trust", "CaFile=")
        same(rows["name"]["outcome"], "ok")
        assert "see tls" in rows["grant"]["message"], rows["grant"]
    with server(tls="wrong_name"):
        sick("tls", "tls", "for another name", "LoginUrl=")
    with server(tls="expired"):
        sick("tls", "tls", "has expired", "clock of this machine")
    with server(tls="tls1_1"):
        sick("tls", "tls", "no TLS connection", "firewall")
    same(first_failed(doctor("tls")), "")


def test_untrusted_ca() -> None:
    """Without CaFile= the stand-in's authority is unknown, as that of a proxy that opens TLS would be"""
    salesforce = Shared.salesforce
    with Daemon(salesforce) as daemon:
        daemon.write_settings(SETTINGS)
        daemon.add_client_credentials("proxied")
        daemon.start()
        good, Shared.daemon = Shared.daemon, daemon
        try:
            sick("proxied", "tls", "does not trust", "opens TLS on the way")
        finally:
            Shared.daemon = good


def test_clock() -> None:
    """Ten minutes behind is failed, although the grants work; one minute a warning"""
    client_credentials("clock")
    jwt("clockjwt")
    with server(clock_offset_s=600):
        rows = sick("clock", "clock", "min behind", "NTP")
        same(rows["grant"]["outcome"], "ok")
        rows = sick("clockjwt", "clock", "min behind", "NTP")
        same(rows["grant"]["outcome"], "ok", f"the assertion is corrected by the server's time: {rows['grant']}")
    with server(clock_offset_s=-60):
        rows = doctor("clock")
        same(rows["clock"]["outcome"], "warning")
        assert "ahead of" in rows["clock"]["message"], rows["clock"]


def test_host_that_has_failed_often() -> None:
    """The breaker is open: the doctor waits for its turn, and says what is wrong with the host"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings("[Limits]\nStartSpread=0s\nBreakerFailures=1\nDemandGap=1s\nBackoffFirst=10min\nBackoffMax=10min\n")
        daemon.add_client_credentials("crm")
        salesforce.configure(tls="wrong_name")
        daemon.start()
        good, Shared.daemon = Shared.daemon, daemon
        try:
            wait_state(daemon, "crm", "backoff")
            sick("crm", "tls", "for another name", "LoginUrl=")
        finally:
            Shared.daemon = good


# -- the host ----------------------------------------------------------------------------------------


def test_generic_host() -> None:
    """Client credentials at a host that is no My Domain"""
    client_credentials("generic")
    with server(host_kinds={"127.0.0.1": "login"}):
        rows = sick("generic", "host", "My Domain", "my.salesforce.com")
        assert "see host" in rows["grant"]["message"], rows["grant"]


def test_moved() -> None:
    """An org that has moved: the host that it went to is named"""
    client_credentials("moved")
    with server():
        everywhere("redirect", status=301, location="https://newname.my.salesforce.com/services/oauth2/token?x=00D000000000001!AQ")
        sick("moved", "host", "https://newname.my.salesforce.com", "LoginUrl=")
    with server():
        Shared.salesforce.fault("redirect", client_id="app-moved", forever=True, status=301, location="https://newname.my.salesforce.com/x")
        sick("moved", "host", "https://newname.my.salesforce.com", "LoginUrl=")


def test_maintenance() -> None:
    """A page of HTML instead of answers"""
    client_credentials("page")
    with server():
        everywhere("html", status=200)
        rows = sick("page", "grant", "web page", "", NETWORK)
        same(rows["host"]["outcome"], "warning", str(rows["host"]))
    with server():
        everywhere("html", status=503)
        rows = sick("page", "grant", "in trouble", "", NETWORK)
        assert "status.salesforce.com" in rows["host"]["action"], rows["host"]


def test_instance_url() -> None:
    """A token for a host that is not allowed"""
    client_credentials("elsewhere", app={"instance_url": "https://other.example.net"})
    sick("elsewhere", "host", "not allowed", "AllowedHosts=")


def test_page_hosts() -> None:
    """LoginUrl= of Lightning: the right one is named, nothing is sent"""
    client_credentials("lightning", "https://acme--uat.sandbox.lightning.force.com")
    rows = doctor("lightning", None)
    same(rows["host"]["outcome"], "failed")
    assert "https://acme--uat.sandbox.my.salesforce.com" in rows["host"]["action"], rows["host"]


# -- client credentials ------------------------------------------------------------------------------


def test_run_as() -> None:
    """Nobody is chosen under Run As"""
    client_credentials("runas", app={"run_as": None})
    sick("runas", "approval", "no user to run as", "Run As")


def test_flow_not_enabled() -> None:
    """The flow is off in the app"""
    client_credentials("off", app={"flows": ["jwt_bearer"]})
    sick("off", "grant", "flow is off", "Enable Client Credentials Flow")


def test_wrong_secret() -> None:
    """A client secret of another app"""
    client_credentials("secret", app={"secret": "another-planted-secret"})
    sick("secret", "grant", "refuses the client", "ClientSecret=")


def test_unknown_client() -> None:
    """A client id that Salesforce does not know"""
    client_credentials("client")
    Shared.salesforce.configure(apps={"app-client": None})
    sick("client", "grant", "does not know the client id", "ClientId=")


def test_login_rate() -> None:
    """Too many logins of the user"""
    client_credentials("rate", app={"force_error": "login_rate"})
    sick("rate", "grant", "too many logins", "wait up to an hour", NETWORK)


def test_app() -> None:
    """The app is blocked, or not installed, or has no scope api"""
    client_credentials("blocked", app={"force_error": {"error": "OAUTH_APP_BLOCKED", "error_description": "app blocked"}})
    sick("blocked", "approval", "blocked", "Unblock")
    client_credentials("absent", app={"installed": False})
    sick("absent", "approval", "not installed", "install it")
    client_credentials("noapi", app={"scopes": "id"})
    rows = doctor("noapi")
    same(rows["scopes"]["outcome"], "warning")
    assert "api is not among" in rows["scopes"]["message"] and "OAuth Scopes" in rows["scopes"]["action"], rows["scopes"]


def test_user() -> None:
    """The user is inactive, restricted to other addresses, or out of hours"""
    for name, user, cause, action in (("inactive", {"active": False}, "inactive", "Setup > Users"),
                                      ("address", {"ip_restricted": True}, "from this address", "login IP ranges"),
                                      ("hours", {"outside_login_hours": True}, "at this hour", "login hours")):
        client_credentials(name)
        Shared.salesforce.add_user(f"{name}@example.com", **user)
        sick(name, "approval", cause, action)


# -- JWT bearer --------------------------------------------------------------------------------------


def test_not_approved() -> None:
    """The user has not approved the app, and no administrator has"""
    jwt("unapproved", app={"approved": []})
    rows = sick("unapproved", "approval", "not pre-authorized", "Permitted Users")
    same([rows[s]["outcome"] for s in ("audience", "key", "grant")], ["ok", "ok", "skipped"])
    assert "see approval" in rows["grant"]["message"], rows["grant"]
    jwt("notadmin", app={"approved": [], "unapproved_error": "not_admin_approved"})
    sick("notadmin", "approval", "may not use this app", "permission set")


def test_wrong_certificate() -> None:
    """The app has the certificate of another key, in both wordings of the server"""
    other = make_key(Shared.daemon.directory / "other.key")
    jwt("certificate", app={"cert_pem": other})
    for wording in ("invalid_client", "invalid_assertion"):
        Shared.salesforce.configure(bad_signature=wording)
        rows = sick("certificate", "key", "certificate" if wording == "invalid_client" else "cannot verify the assertion", "digital signatures")
        assert "see key" in rows["grant"]["message"], rows["grant"]
    Shared.salesforce.configure(bad_signature="invalid_client")


def test_wrong_audience() -> None:
    """An audience that the server does not take"""
    jwt("audience")
    with server(accepted_aud=["https://login.salesforce.com"]):
        sick("audience", "audience", "another audience", "Audience=https://login.salesforce.com")


# -- refresh tokens ----------------------------------------------------------------------------------


def test_no_refresh_token() -> None:
    """Nobody has logged in yet"""
    daemon = Shared.daemon
    daemon.write_credential("empty", f"[Credential]\nGrantType=refresh_token\nLoginUrl={Shared.salesforce.url}\nClientId=app-empty\n")
    reload()
    sick("empty", "grant", "no refresh token yet", "sftoken login empty", LOGIN)


def test_dead_refresh_token() -> None:
    """An administrator has revoked it: a person has to log in"""
    daemon, salesforce = Shared.daemon, Shared.salesforce
    grant = daemon.add_refresh_token("dead")
    wait_first(daemon, "dead")
    salesforce.revoke_grant(grant["grant"])
    rows = doctor("dead", None)
    same((rows["grant"]["outcome"], rows["token"]["outcome"]), ("ok", "failed"), "nobody has tried it yet")
    expect(VarlinkError, lambda: refresh(daemon, "dead"))
    sick("dead", "grant", "refresh token is dead", "sftoken login dead", LOGIN)


def test_unknown_outcome() -> None:
    """The answer to a renewal is lost: told, nothing is sent"""
    daemon, salesforce = Shared.daemon, Shared.salesforce
    daemon.add_refresh_token("lost", extra="Introspect=no")
    wait_first(daemon, "lost")
    salesforce.fault("drop_after", client_id="app-lost")
    expect(VarlinkError, lambda: refresh(daemon, "lost"))
    before = len(salesforce.token_requests("app-lost"))
    rows = doctor("lost", None)
    same(rows["grant"]["outcome"], "warning")
    assert "is lost; the token works until" in rows["grant"]["message"] and "import" in rows["grant"]["action"], rows["grant"]
    same(len(salesforce.token_requests("app-lost")), before)


def test_other_app() -> None:
    """The app of ClientId= is another one than that of the token: the stored one does not fit"""
    daemon = Shared.daemon
    daemon.add_refresh_token("foreign")
    wait_first(daemon, "foreign")
    path = daemon.credentials / "foreign.conf"
    daemon.write_credential("foreign", path.read_text().replace("ClientId=app-foreign", "ClientId=app-kept"))
    reload()
    sick("foreign", "grant", "belongs to another", "sftoken login foreign", LOGIN)


# -- the token, and what is configured ---------------------------------------------------------------


def test_killed() -> None:
    """An administrator has ended the session"""
    daemon, salesforce = Shared.daemon, Shared.salesforce
    daemon.add_refresh_token("killed")
    wait_first(daemon, "killed")
    salesforce.kill_token(client_id="app-killed")
    sick("killed", "token", "dead", "sftoken refresh killed")


def test_disabled() -> None:
    """Disabled: nothing is asked"""
    client_credentials("disabled")
    Shared.salesforce.wait_requests(1, client_id="app-disabled")
    wait_state(Shared.daemon, "disabled", "valid")
    Shared.daemon.cli("disable", "disabled")
    before = len(Shared.salesforce.token_requests("app-disabled"))
    rows = sick("disabled", "configuration", "disabled", "sftoken enable disabled")
    same(rows["grant"]["outcome"], "skipped")
    same(len(Shared.salesforce.token_requests("app-disabled")), before)


def test_missing_secret() -> None:
    """A stored: secret that nobody has given"""
    client_credentials("missing")
    path = Shared.daemon.credentials / "missing.conf"
    Shared.daemon.write_credential("missing", re.sub("ClientSecret=.*", "ClientSecret=stored:", path.read_text()))
    reload()
    rows = sick("missing", "configuration", "", "sftoken import missing")
    assert "configuration" in rows["grant"]["message"], rows["grant"]


def test_not_reloaded() -> None:
    """A configuration that was changed and not read again: the step says which file, until a reload; also drop-ins and sftokend.conf, and status says it"""
    client_credentials("stale")
    path = Shared.daemon.credentials / "stale.conf"
    text = path.read_text()

    def stale(what: str) -> None:
        row = doctor("stale", None)["configuration"]
        same((row["outcome"], row["actor"], row["action"]), ("warning", "administrator", "sftoken reload"), str(row))
        assert what in row["message"], row
        assert f"{what}: sftoken reload" in warnings(Shared.daemon), warnings(Shared.daemon)

    healthy(doctor("stale"), "audience", "key")
    assert "sftoken reload" not in warnings(Shared.daemon)
    path.write_text(text.replace("ClientId=app-stale", "ClientId=app-wrong"))
    stale(f"{path} was changed since it was read")
    path.write_text(text)
    stale(f"{path} was changed since it was read")      # the daemon does not know what it is
    reload()                        # which changes nothing of the credential
    healthy(doctor("stale"), "audience", "key")
    drop_in = path.parent / "stale.conf.d" / "more.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Credential]\nSessionTimeout=1h\n")
    stale(f"{drop_in} was added since the configuration was read")
    reload()
    healthy(doctor("stale"), "audience", "key")
    drop_in.unlink()
    stale(f"{drop_in} was removed since it was read")
    reload()
    settings = Shared.daemon.add_settings("[Limits]\nKeepAlive=13d\n", name="stale.conf")
    stale(f"{settings} was added since the configuration was read")
    settings.unlink()
    healthy(doctor("stale"), "audience", "key")
    new = path.with_name("unread.conf")
    new.write_text(text)
    assert f"{new} was added since the configuration was read: sftoken reload" in warnings(Shared.daemon)
    new.unlink()
    assert "sftoken reload" not in warnings(Shared.daemon)


def test_budget() -> None:
    """The budget holds for a doctor, too: skipped, with when it can be asked"""
    client_credentials("busy")
    Shared.daemon.add_settings("[Limits]\nMaxRequestsPerHour=2\nMaxRequestsPerLife=1\n", "zz.conf")
    reload()
    wait_state(Shared.daemon, "busy", "valid")
    for _ in range(3):
        rows = doctor("busy")
    sent = len(Shared.salesforce.token_requests("app-busy"))
    rows = doctor("busy")
    same(rows["grant"]["outcome"], "skipped")
    assert "MaxRequestsPerHour=" in rows["grant"]["message"] and "again in" in rows["grant"]["message"], rows["grant"]
    same(rows["token"]["outcome"], "ok")
    same(len(Shared.salesforce.token_requests("app-busy")), sent)
    (Shared.daemon.config / "sftokend.conf.d/zz.conf").unlink()
    reload()


def test_no_problems() -> None:
    """The stand-in had nothing to complain of, and no token stands in the log of the daemon"""
    same(Shared.salesforce.problems(), [])
    no_secret(Shared.daemon.log(), token(Shared.daemon, "good")["accessToken"])


def run() -> int:
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings(SETTINGS)
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
