# SPDX-License-Identifier: Apache-2.0
"""Renewal ahead of the expiry, and what is believed of a token's life. Short sessions; the long form is tests/soak."""

from __future__ import annotations

import time
from typing import Any

from harness import Daemon, Standin, main, same, wait_for
from renewal import Together, renewals_on_time, reuse

SESSION_S, CYCLES = 20, 4

LONG = Together({
    "on time": lambda: renewals_on_time(50, SESSION_S, CYCLES),
    "same": lambda: reuse("same", SESSION_S, 3),
    "extended_by_use": lambda: reuse("extended_by_use", SESSION_S, 3),
    "same_extended": lambda: reuse("same_extended", SESSION_S, 3),
})


def test_on_time() -> None:
    """50 credentials, 20-second sessions, 4 cycles: every renewal between 42 % and 52 % of the life (44 % with 60 seconds: soak), no get fails"""
    LONG.result("on time")


def test_same_token() -> None:
    """The same token until it dies, never extended: no get fails or waits longer than one answer, at most 8 requests a session"""
    LONG.result("same")


def test_extended_by_use() -> None:
    """The same with a session that use extends"""
    LONG.result("extended_by_use")


def test_same_extended() -> None:
    """The same with a session that each grant extends"""
    LONG.result("same_extended")


def wait_source(c: Any, name: str, source: str) -> dict[str, Any]:
    def found() -> Any:
        token = c.get(name)
        return token["expirySource"] == source and token

    return dict(wait_for(found, f"{name}: expirySource {source}"))  # type: ignore[call-overload]


def test_expiry_sources() -> None:
    """The end of a token is known from expires_in, exp of a JWT token, introspection, else SessionTimeout="""
    with Standin(session_timeout_s=3000) as salesforce, Daemon(salesforce) as daemon:
        common = "SessionTimeout=1000s\n"
        daemon.add_client_credentials("introspected", extra=common)
        daemon.add_client_credentials("not-asked", extra=common + "Introspect=no")
        for answer in ("forbidden", "bad_request", "inactive"):
            daemon.add_client_credentials(f"introspect-{answer}", extra=common, app={"introspect": answer})
        daemon.add_client_credentials("expires-in", extra=common, app={"expires_in": 1500})
        daemon.add_client_credentials("jwt-token", extra=common, app={"jwt_tokens": True, "session_timeout_s": 2000})
        daemon.add_client_credentials("both", extra=common, app={"jwt_tokens": True, "session_timeout_s": 2000, "expires_in": 1500})
        daemon.add_jwt("configured", extra=common)
        daemon.add_jwt("default")
        secret = daemon.write_secret("jwt.secret", "s3cret")
        daemon.add_jwt("jwt-secret", extra=f"{common}ClientSecret=file:{secret}", app={"secret": "s3cret"})
        daemon.start()
        wanted = {
            "introspected": ("introspection", 3000), "not-asked": ("configured", 1000), "introspect-forbidden": ("configured", 1000),
            "introspect-bad_request": ("configured", 1000), "introspect-inactive": ("configured", 1000), "expires-in": ("response", 1500),
            "jwt-token": ("token", 2000), "both": ("response", 1500), "configured": ("configured", 1000), "default": ("configured", 7200),
            "jwt-secret": ("introspection", 3000),
        }
        with daemon.broker() as c:
            for name, (source, life) in wanted.items():
                token = wait_source(c, name, source)
                assert abs(token["expiresAt"] - token["issuedAt"] - life) <= 2, f"{name}: {token['expiresAt'] - token['issuedAt']} s, not {life}"
                same(c.info(name)["expirySource"], source)
            wait_for(lambda: len([r for r in salesforce.requests(path="introspect") if r["status"]]) == 5, "the introspections")
            for name, (source, _) in wanted.items():
                same(c.get(name)["expirySource"], source, name)
        same({r["client_id"] for r in salesforce.requests(path="introspect")},
             {f"app-{n}" for n in ("introspected", "introspect-forbidden", "introspect-bad_request", "introspect-inactive", "jwt-secret")})
        same(salesforce.problems(), [])


def test_introspection_is_no_news() -> None:
    """Introspection corrects the end of the token without a new generation, and no watch hears of it"""
    with Standin(session_timeout_s=3000) as salesforce, Daemon(salesforce) as daemon:
        salesforce.fault("delay", path="introspect", seconds=1)
        daemon.add_client_credentials("crm", extra="SessionTimeout=1000s")
        daemon.start()
        with daemon.broker() as watch, daemon.broker() as c:
            watch.send("io.sftoken.Broker.WatchToken", {"credential": "crm"}, more=True)
            first = watch.receive()["token"]
            same(first["expirySource"], "configured", "introspection delayed the token")
            later = wait_source(c, "crm", "introspection")
            same(later["generation"], first["generation"])
            generation = daemon_refresh(daemon)
            same(watch.receive()["token"]["generation"], generation)


def daemon_refresh(daemon: Daemon) -> int:
    with daemon.manager() as c:
        return int(c.call("io.sftoken.Manager.Refresh", {"credential": "crm"})["generation"])


def test_renew_at() -> None:
    """RenewAt= moves the renewal; RenewWhenIdle=no leaves it out until somebody asks"""
    with Standin(session_timeout_s=12) as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings("[Limits]\nMinRenewDelay=0s\nStartSpread=0s\n")
        daemon.add_client_credentials("late", extra="SessionTimeout=12s\nRenewAt=80%\nRequired=yes\nIntrospect=no")
        daemon.add_client_credentials("idle", extra="SessionTimeout=4s\nRenewWhenIdle=no\nRequired=yes\nIntrospect=no")
        daemon.start()
        salesforce.wait_requests(2, client_id="app-late")
        age = salesforce.token_requests("app-late")[1]["age_fraction"]
        assert 0.74 <= age <= 0.83, age
        same(len(salesforce.token_requests("app-idle")), 1, "renewals that nobody asked for")
        with daemon.broker() as c:
            assert c.get("idle")["validity"] == "fresh"
        salesforce.wait_requests(2, client_id="app-idle")


def test_long_wish() -> None:
    """minValidSeconds: what a new token can meet brings one, what no token can meet is LifetimeTooShort at once"""
    with Standin(session_timeout_s=100) as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm", extra="SessionTimeout=100s\nRequired=yes\nIntrospect=no")
        daemon.start()
        with daemon.broker() as c:
            first = c.get("crm")
            time.sleep(2)
            assert c.get("crm", minValidSeconds=99)["generation"] > first["generation"]
            same(len(salesforce.token_requests()), 2)
            result = daemon.cli("get", "crm", "--min-valid", "101", check=76)
            assert "100" in result.stderr, result.stderr
            same(len(salesforce.token_requests()), 2)


if __name__ == "__main__":
    main()
