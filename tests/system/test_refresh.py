# SPDX-License-Identifier: Apache-2.0
"""Refresh tokens: imported, spent, rotated, kept over restarts, revoked, refused; what callers and administrators see of it."""

from __future__ import annotations

import sys
import threading
import time

from harness import BROKER, MANAGER, SECRET, Daemon, Standin, VarlinkError, expect, make_key, run_tests, same, wait_for
from rotating import (CALM, good, history, info, kill_mint, no_alarms, outcomes, posts, refresh, revoke, shown, status, token, wait_first,
                      wait_state)
from storm import Storm


class Shared:
    salesforce: Standin
    daemon: Daemon


# -- spending ------------------------------------------------------------------------------------


def test_rotation_on() -> None:
    """Rotation on: each renewal spends the newest refresh token, alone on a fresh connection; no alarm, none is sent twice"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    grant = daemon.add_refresh_token("rotates")
    generations = [wait_first(daemon, "rotates")["generation"]]
    generations += [refresh(daemon, "rotates") for _ in range(4)]
    same(generations, sorted(set(generations)), "generations")
    family = salesforce.grants(grant=grant["grant"])[0]
    same([len(t["posts"]) for t in family["tokens"]], [1] * 5 + [0], "POSTs with each refresh token")
    same((family["live"], family["refreshes"], family["rotations"]), (True, 5, 5))
    same(token(daemon, "rotates")["accessToken"] in (s["token"] for s in salesforce.sessions("app-rotates") if s["live"]), True)
    no_alarms(salesforce)


def test_rotation_off() -> None:
    """Rotation off: the one refresh token is sent each time and stays good"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    grant = daemon.add_refresh_token("stays", rotating=False)
    wait_first(daemon, "stays")
    for _ in range(3):
        refresh(daemon, "stays")
    family = salesforce.grants(grant=grant["grant"])[0]
    same([len(t["posts"]) for t in family["tokens"]], [4])
    same(family["current"], grant["refresh_token"])


def test_rotation_switched_on() -> None:
    """An administrator of the org switches rotation on: from the next renewal on the new tokens are spent"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    daemon.add_refresh_token("switched", rotating=None)
    wait_first(daemon, "switched")
    salesforce.add_app("app-switched", rotation=True)
    for _ in range(3):
        good(daemon, salesforce, "switched")
    same([len(t["posts"]) for t in salesforce.grants("app-switched")[0]["tokens"]], [2, 1, 1, 0])


def test_at_login_url_and_instance() -> None:
    """A refresh token goes to LoginUrl=, one of an SFDX auth URL to the host in it, and so does the next"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    port = salesforce.port
    daemon.add_refresh_token("login")
    wait_first(daemon, "login")
    daemon.add_refresh_token("instance")
    wait_first(daemon, "instance")
    text = daemon.write_credential("instance", (daemon.credentials / "instance.conf").read_text()).read_text()
    # nobody resolves this name: only the host in the auth URL can answer
    daemon.write_credential("instance", text.replace(salesforce.url, "https://login.example.invalid"))
    daemon.cli("reload")
    grant = salesforce.new_grant("instance@example.com", "app-instance", True)
    daemon.give("instance", "sfdx_auth_url", f"force://app-instance:{SECRET}:{grant['refresh_token']}@127.0.0.1:{port}\n")
    wait_first(daemon, "instance")
    refresh(daemon, "instance")
    same([len(t["posts"]) for t in salesforce.grants(grant=grant["grant"])[0]["tokens"]], [1, 1, 0])
    kill_mint(daemon)
    good(daemon, salesforce, "instance")
    refused = daemon.cli("import", "instance", "--kind", "sfdx_auth_url", check=64,
                         stdin=f"force://app-instance:{SECRET}:{grant['refresh_token']}@elsewhere.example.com:{port}")
    assert "AllowedHosts=" in refused.stderr, refused.stderr


def test_public_and_confidential() -> None:
    """A public client sends no secret, a confidential one its own; with stored: it is given by import and lasts over a restart of the mint"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    daemon.add_refresh_token("public", secret=None)
    wait_first(daemon, "public")
    daemon.add_refresh_token("kept")
    path = daemon.credentials / "kept.conf"
    daemon.write_credential("kept", "\n".join("ClientSecret=stored:" if line.startswith("ClientSecret=") else line
                                              for line in path.read_text().splitlines()) + "\n")
    daemon.cli("reload")
    error = expect(VarlinkError, lambda: refresh(daemon, "kept"))
    assert "import" in str(error), error
    daemon.give("kept", "client_secret", SECRET + "\n")
    good(daemon, salesforce, "kept")
    kill_mint(daemon)
    good(daemon, salesforce, "kept")
    sent = [set(r["parameters"]) for r in salesforce.token_requests("app-public")]
    assert sent and all("client_secret" not in s for s in sent), sent
    assert all("client_secret" in r["parameters"] for r in salesforce.token_requests("app-kept")), "a confidential client without its secret"
    no_alarms(salesforce)


def test_stored_key() -> None:
    """A private key with stored: is given by import, signs, and lasts over a restart of the mint"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    key = daemon.directory / "given.key"
    certificate = make_key(key)
    salesforce.configure(users={"jwt@example.com": {}}, apps={"app-jwt": {"cert_pem": certificate, "approved": ["jwt@example.com"]}})
    daemon.write_credential("jwt", f"[Credential]\nGrantType=jwt_bearer\nLoginUrl={salesforce.url}\nClientId=app-jwt\n"
                                   "Username=jwt@example.com\nPrivateKey=stored:\n")
    daemon.cli("reload")
    same(posts(salesforce, "jwt"), 0)
    daemon.give("jwt", "private_key", key.read_text())
    first = token(daemon, "jwt")
    assert salesforce.is_live(first["accessToken"])
    kill_mint(daemon)
    same(token(daemon, "jwt")["generation"], first["generation"])
    assert refresh(daemon, "jwt") > first["generation"]


def test_scopes() -> None:
    """The scopes of the grant are told as Salesforce tells them, and are not asked for"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    daemon.add_refresh_token("scopes", app={"scopes": "api id refresh_token"})
    same(sorted(wait_first(daemon, "scopes")["scopes"]), ["api", "id", "refresh_token"])
    assert "refresh_token" in shown(daemon, "scopes")
    same(["scope" in r["parameters"] for r in salesforce.token_requests("app-scopes")], [False])


def test_many_callers() -> None:
    """An import, an administrator and 200 callers at once: one POST, 200 equal answers"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.fault("delay", client_id="app-shared", seconds=1)
    grant = daemon.add_refresh_token("shared")
    administrator = threading.Thread(target=refresh, args=(daemon, "shared"))
    administrator.start()
    salesforce.wait_requests(1, client_id="app-shared")
    with Storm(daemon.broker_path, 200) as storm:
        replies = storm.call(BROKER + ".GetToken", {"credential": "shared", "waitSeconds": 20})
    administrator.join()
    same({r.get("error") for r in replies}, {None})
    same(len({(r["parameters"]["token"]["accessToken"], r["parameters"]["token"]["generation"]) for r in replies}), 1)
    same([len(t["posts"]) for t in salesforce.grants(grant=grant["grant"])[0]["tokens"]], [1, 0])


# -- administrators ------------------------------------------------------------------------------


def test_history() -> None:
    """show and History tell the last attempts, newest first: imports, renewals, refusals, at most 20"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    daemon.add_refresh_token("told")
    wait_first(daemon, "told")
    # what was loaded before the import had nothing to send
    same(outcomes(daemon, "told"), ["new_token", "done", "not_sent"])
    same([a["kind"] for a in history(daemon, "told")][1], "import")
    salesforce.fault("oauth_error", client_id="app-told", error="server_error", error_description="try later", status=400)
    expect(VarlinkError, lambda: refresh(daemon, "told"))
    newest = history(daemon, "told")[0]
    same((newest["outcome"], newest["httpStatus"]), ("transient", 400))
    assert newest["message"] and abs(newest["time"] - time.time()) < 60
    text = shown(daemon, "told")
    for word in ("transient", "new_token", "import", newest["message"][:40]):
        assert word in text, f"{word!r} is not in {text}"
    for _ in range(25):
        refresh(daemon, "told")
    same(outcomes(daemon, "told"), ["new_token"] * 20)
    with daemon.manager() as m:
        error = expect(VarlinkError, lambda: m.call(MANAGER + ".History", {"credential": "nobody"}))
    same(getattr(error, "short", None), "NoSuchCredential")


def test_revoke() -> None:
    """revoke ends the access token at Salesforce, and no renewal follows before somebody asks; the refresh token stays good"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    grant = daemon.add_refresh_token("ended")
    first = wait_first(daemon, "ended")
    before = posts(salesforce, "ended")
    daemon.cli("revoke", "ended")
    assert not salesforce.is_live(first["accessToken"]), "Salesforce still takes the token"
    same(salesforce.grants(grant=grant["grant"], tokens=False)[0]["live"], True)
    same(posts(salesforce, "ended"), before)
    second = token(daemon, "ended")
    assert second["generation"] > first["generation"] and salesforce.is_live(second["accessToken"])
    same(posts(salesforce, "ended"), before + 1)
    same([o for o in outcomes(daemon, "ended") if o != "new_token"][:1], ["done"])


def test_revoke_and_forget() -> None:
    """revoke --forget ends the grant at Salesforce and erases the refresh token: login_required, also after a restart; an import heals"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    grant = daemon.add_refresh_token("forgotten")
    first = wait_first(daemon, "forgotten")
    daemon.cli("revoke", "--forget", "forgotten")
    same(salesforce.grants(grant=grant["grant"], tokens=False)[0]["ended"], "revoked")
    assert not salesforce.is_live(first["accessToken"])
    before = posts(salesforce, "forgotten")
    for _ in range(2):
        daemon.cli("get", "forgotten", check=80)
        wait_state(daemon, "forgotten", "login_required")
        kill_mint(daemon)
    same(posts(salesforce, "forgotten"), before, "requests without a refresh token")
    new = salesforce.new_grant("forgotten@example.com", "app-forgotten", True)
    daemon.give("forgotten", "refresh_token", new["refresh_token"])
    assert wait_first(daemon, "forgotten")["generation"] > first["generation"]


def test_revoke_is_refused() -> None:
    """Salesforce cannot be reached or refuses: revoke says so, and nothing is forgotten"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    daemon.add_refresh_token("kept2")
    first = wait_first(daemon, "kept2")
    salesforce.fault("gateway", path="revoke", status=502)
    error = expect(VarlinkError, lambda: revoke(daemon, "kept2", True))
    assert getattr(error, "short", None) in ("Unavailable", "Rejected"), error
    same(token(daemon, "kept2")["generation"], first["generation"])
    good(daemon, salesforce, "kept2")


# -- permanent errors (T10) ----------------------------------------------------------------------

PERMANENT = {
    "expired": ("expired_refresh_token", "login_required", 80, "import"),
    "inactive": ("inactive_user", "suspended", 76, "activate"),
    "approval": ("user_not_approved", "login_required", 80, "import"),
    "client": ("invalid_client", "suspended", 76, "ClientSecret="),
}


def test_permanent_errors() -> None:
    """The refusals that time does not mend: told in the state within 1 s and to callers at once, and not one further POST however long one waits"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    slowest = 0.0
    for name, (error, state, code, advice) in PERMANENT.items():
        daemon.add_refresh_token(name)
        first = wait_first(daemon, name)
        salesforce.force_error(f"app-{name}", error)
        salesforce.kill_token(first["accessToken"])
        answered = time.monotonic()
        expect(VarlinkError, lambda name=name: refresh(daemon, name))  # type: ignore[misc]
        wait_state(daemon, name, state, timeout=1)
        assert time.monotonic() - answered < 2, "the state came late"
        shown_text = shown(daemon, name)
        assert advice in shown_text, f"{name}: {advice!r} is not in {shown_text}"
        with daemon.broker() as c:
            # the old token is still believed in: who has seen it refused hears at once
            for _ in range(20):
                begun = time.monotonic()
                refused = expect(VarlinkError, lambda c=c, first=first, name=name: c.get(  # type: ignore[misc]
                    name, rejectedGeneration=first["generation"], waitSeconds=30))
                slowest = max(slowest, time.monotonic() - begun)
            same(getattr(refused, "short", None), "LoginRequired" if code == 80 else "Rejected", name)
        daemon.cli("get", name, "--rejected", str(first["generation"]), check=code)
        PERMANENT_POSTS[name] = posts(salesforce, name)
    print(f"# told to callers within {slowest * 1000:.1f} ms")
    assert slowest < 0.5, f"{slowest:.3f} s"
    LATEST[0] = time.monotonic()


PERMANENT_POSTS: dict[str, int] = {}
LATEST = [0.0]


def test_permanent_errors_later() -> None:
    """None of them was tried again, by time, by callers or by a reload, a dead refresh token not even by a new mint; an import or a refresh mends it"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    # with BackoffMax=100ms, SuspendedRetryMax=100ms and PermanentRetry=1s: a day's tries have room in this
    wait_for(lambda: time.monotonic() > LATEST[0] + 4, "4 s more")
    daemon.cli("reload")
    for name in PERMANENT:
        daemon.cli("get", name, check=None)
        same(posts(salesforce, name), PERMANENT_POSTS[name], f"POSTs for {name}")
    kill_mint(daemon)
    for name, (_, state, _, _) in PERMANENT.items():
        daemon.cli("get", name, check=None)
        # what an administrator of the org may have mended meanwhile is tried once by a new mint
        most = PERMANENT_POSTS[name] + (state == "suspended")
        assert posts(salesforce, name) <= most, f"{posts(salesforce, name)} POSTs for {name}, {most} allowed"
    for name, (_, state, _, _) in PERMANENT.items():
        salesforce.force_error(f"app-{name}", None)
        if state == "login_required":
            new = salesforce.new_grant(f"{name}@example.com", f"app-{name}", True)
            daemon.give(name, "refresh_token", new["refresh_token"])
            wait_state(daemon, name, "valid")
        else:
            refresh(daemon, name)
        assert token(daemon, name)["validity"] == "fresh"
    no_alarms(salesforce)


# -- restarts ------------------------------------------------------------------------------------


def test_restart() -> None:
    """A restart of everything keeps tokens, generations, enabled and disabled: 0 requests to the token endpoint"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    daemon.add_refresh_token("off")
    wait_first(daemon, "off")
    daemon.cli("disable", "off")
    names = [n for n in ("rotates", "stays", "switched", "instance", "public", "kept", "jwt", "told", "ended", "forgotten", "shared")]
    before = {n: token(daemon, n) for n in names}
    requests = len(salesforce.token_requests())
    same(daemon.stop(), 0)
    daemon.start()
    for name in names:
        after = token(daemon, name)
        for field in ("accessToken", "generation", "instanceUrl", "scopes", "organizationId", "userId", "issuedAt", "expirySource"):
            same(after[field], before[name][field], f"{field} of {name}")
        assert abs(after["expiresAt"] - before[name]["expiresAt"]) <= 1, f"expiry of {name}"
    same(len(salesforce.token_requests()), requests, "requests to the token endpoint")
    same(info(daemon, "off")["state"], "disabled")
    daemon.cli("get", "off", check=76)
    daemon.cli("enable", "off")
    assert daemon.cli("get", "off").stdout.strip()
    kill_mint(daemon)
    assert daemon.cli("get", "off").stdout.strip()
    same(status(daemon)["store"], "ok")
    same(len(salesforce.token_requests()), requests, "requests to the token endpoint")
    for name in names:
        if name != "jwt":
            good(daemon, salesforce, name)
    no_alarms(salesforce)


def test_generations() -> None:
    """Generations never repeat: over renewals within one second, a killed mint, both children killed, and restarts"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    seen = [token(daemon, "rotates")["generation"]]
    for how in range(12):
        seen.append(refresh(daemon, "rotates"))
        if how % 4 == 1:
            kill_mint(daemon)
        elif how % 4 == 2:
            daemon.kill("front")
            kill_mint(daemon)
        elif how % 4 == 3:
            same(daemon.stop(), 0)
            daemon.start()
    same(seen, sorted(set(seen)), "generations")
    no_alarms(salesforce)


def run() -> int:
    with Standin(max_grants=0) as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings(f"[Network]\nAllowedHosts=127.0.0.1:{salesforce.port} login.example.invalid\n[Limits]\n{CALM}"
                            "PermanentRetry=1s\nBackoffFirst=50ms\nBackoffMax=100ms\nCheckInterval=100ms\nDemandGap=0\nSuspendedRetryFirst=100ms\n"
                            "SuspendedRetryMax=100ms\n")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
