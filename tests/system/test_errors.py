# SPDX-License-Identifier: Apache-2.0
"""Each refusal of the token endpoint, word for word, for each grant: state, broker error, exit status, and what to do about it."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from harness import BROKER, Daemon, Standin, make_key, run_tests, same
from standin.errors import ERRORS

ADMIN = ("suspended", "Rejected", 76)
LATER = ("backoff", "Unavailable", 75)
LOGIN = ("login_required", "LoginRequired", 80)
# name in tests/standin/errors.py: what becomes of it (salesforce-oauth.md 8.1), and words of the advice. ANY is for all grants
ANY: dict[str, tuple[tuple[str, str, int], str]] = {
    "not_admin_approved": (ADMIN, "permission set"), "invalid_client": (ADMIN, ""), "invalid_client_id": (ADMIN, "ClientId="),
    "app_not_found": (ADMIN, "install"), "wrong_domain": (ADMIN, "LoginUrl="), "ip_restricted": (ADMIN, "IP"),
    "login_hours": (ADMIN, "login hours"), "user_locked": (LATER, "unlock"), "inactive_user": (ADMIN, "activate"),
    "inactive_org": (ADMIN, "org"), "rate_limit": (LATER, "too many logins"), "login_rate": (LATER, "too many logins"),
    "unknown_error": (LATER, "passing"), "server_error": (LATER, "passing"), "temporarily_unavailable": (LATER, "not available"),
    "unsupported_grant_type": (ADMIN, "enable the flow"), "invalid_scope": (ADMIN, "scope"), "https_required": (ADMIN, "https://"),
    "must_post": (ADMIN, "report this"), "scope_not_supported": (ADMIN, "report this"), "processing": (LATER, "busy"),
}
JWT = {
    "expired_assertion": (LATER, "clock"), "user_not_approved": (ADMIN, "pre-authorized"), "invalid_assertion": (ADMIN, "certificate"),
    "audience_invalid": (ADMIN, "Audience="), "audience_validation": (ADMIN, "Audience="), "no_run_as": (ADMIN, ""),
    "flow_disabled": (ADMIN, ""), "expired_refresh_token": (ADMIN, ""), "expired_code": (LATER, "clock"), **ANY,
    "invalid_client": (ADMIN, "certificate"),
}
CLIENT = {
    "no_run_as": (ADMIN, "Run As"), "flow_disabled": (ADMIN, "Client Credentials Flow"), "expired_assertion": (ADMIN, ""),
    "user_not_approved": (ADMIN, ""), "invalid_assertion": (ADMIN, ""), "audience_invalid": (ADMIN, ""), "audience_validation": (ADMIN, ""),
    "expired_refresh_token": (ADMIN, ""), "expired_code": (ADMIN, ""), **ANY, "invalid_client": (ADMIN, "ClientSecret="),
    "wrong_domain": (ADMIN, "My Domain"),
}
REFRESH = {
    "expired_refresh_token": (LOGIN, "sftoken import"), "expired_code": (LATER, "busy"), "expired_assertion": (LATER, "busy"),
    "user_not_approved": (LOGIN, "sftoken import"), "invalid_assertion": (LOGIN, ""), "audience_invalid": (LOGIN, ""),
    "audience_validation": (LOGIN, ""), "no_run_as": (LOGIN, ""), "flow_disabled": (LOGIN, ""), **ANY,
    "invalid_client": (ADMIN, "ClientSecret="),
}
SAML = {
    "expired_assertion": (LATER, "have its provider renew it"), "expired_code": (LATER, "clock"), "user_not_approved": (ADMIN, "pre-authorized"),
    "invalid_assertion": (ADMIN, "certificate"), "audience_invalid": (ADMIN, "Audience="), "audience_validation": (ADMIN, "Audience="),
    "no_run_as": (ADMIN, "login history"), "flow_disabled": (ADMIN, "login history"), "expired_refresh_token": (ADMIN, "login history"), **ANY,
    "invalid_client": (ADMIN, "certificate"),
}
EXCHANGE = {
    "user_not_approved": (ADMIN, "pre-authorized"), **{name: (ADMIN, "SubjectToken=") for name in (
        "expired_assertion", "expired_code", "invalid_assertion", "audience_invalid", "audience_validation", "no_run_as", "flow_disabled",
        "expired_refresh_token")}, **ANY, "invalid_client": (ADMIN, "ClientSecret="), "https_required": (ADMIN, "https://"),
    "must_post": (ADMIN, "TokenHandler="), "scope_not_supported": (ADMIN, "TokenHandler="),
}
ODD = {"error": "brand_new_error", "error_description": "with \x1b[31m colour and\nlines " + "x" * 500}
GRANTS = {"jwt": JWT, "cc": CLIENT, "rt": REFRESH, "saml": SAML, "exchange": EXCHANGE}


class Shared:
    salesforce: Standin
    daemon: Daemon


def check(name: str, error: str, wanted: tuple[str, str, int], advice: str) -> None:
    state, broker_error, status = wanted
    daemon = Shared.daemon
    result = daemon.cli("get", name, check=status)
    assert result.stdout == "" and len(result.stderr.splitlines()) == 1, result
    with daemon.broker() as c:
        c.send(BROKER + ".GetToken", {"credential": name})
        reply = json.loads(c.receive_raw())
        same(reply["error"], f"{BROKER}.{broker_error}", name)
        info = c.info(name)
    same(info["state"], state, name)
    oauth_error, description = ERRORS[error]
    if broker_error == "Rejected":
        same({k: reply["parameters"][k] for k in ("oauthError", "httpStatus")}, {"oauthError": oauth_error, "httpStatus": 400}, name)
    elif broker_error == "Unavailable":
        assert 1 <= reply["parameters"]["retryAfterSeconds"] <= 3 * 3600 + 200, reply
    shown = daemon.cli("show", name).stdout
    assert advice.lower() in info["lastError"].lower() and advice.lower() in shown.lower(), f"{name}: {info['lastError']}"
    assert len(info["lastError"].encode()) <= 200, info["lastError"]
    assert oauth_error in shown or description in shown or info["lastError"].endswith("..."), f"{name}: {shown}"
    assert re.search(rf'attempt\.failed credential={name} .*description="{re.escape(description)}"', daemon.log()), name


def test_jwt() -> None:
    """JWT bearer: each error has its class, state, answer, exit status and advice"""
    for error, (wanted, advice) in JWT.items():
        check(f"jwt-{error}", error, wanted, advice)


def test_client_credentials() -> None:
    """Client credentials: the same"""
    for error, (wanted, advice) in CLIENT.items():
        check(f"cc-{error}", error, wanted, advice)


def test_refresh_token() -> None:
    """Refresh token: the same"""
    for error, (wanted, advice) in REFRESH.items():
        check(f"rt-{error}", error, wanted, advice)


def test_saml_bearer() -> None:
    """SAML bearer: the same"""
    for error, (wanted, advice) in SAML.items():
        check(f"saml-{error}", error, wanted, advice)


def test_token_exchange() -> None:
    """Token exchange: the same"""
    for error, (wanted, advice) in EXCHANGE.items():
        check(f"exchange-{error}", error, wanted, advice)


def test_none_forgotten() -> None:
    """Every error that the stand-in knows was tried with all grants"""
    for table in GRANTS.values():
        same(sorted(table), sorted(ERRORS))


def test_one_request_each() -> None:
    """No refusal was asked for again and again: two requests at most, for what the first demand may bring forward; one more with the server's clock"""
    counts: dict[str, int] = {}
    for request in Shared.salesforce.token_requests():
        counts[request["client_id"]] = counts.get(request["client_id"], 0) + 1
    by_clock = {f"{grant}-{error}" for grant in ("jwt", "saml") for error in ("expired_assertion", "expired_code")}
    same({client: n for client, n in counts.items() if n > 2 + (client in by_clock)}, {})
    assert sum(counts.values()) < 1.2 * len(counts), counts


def test_unknown_error() -> None:
    """An error that nobody has seen yet suspends and is shown as it came, without control characters"""
    daemon = Shared.daemon
    result = daemon.cli("get", "cc-odd", check=76)
    assert "brand_new_error" in result.stderr and "\x1b" not in result.stderr and len(result.stderr.splitlines()) == 1, result.stderr
    assert "\x1b" not in daemon.log() and "\x1b" not in daemon.cli("show", "cc-odd").stdout


def test_mended() -> None:
    """What an administrator has mended works after a refresh, without a restart"""
    Shared.salesforce.force_error("cc-inactive_user", None)
    daemon = Shared.daemon
    daemon.cli("refresh", "cc-inactive_user", "--manager", daemon.manager_path)
    assert daemon.cli("get", "cc-inactive_user").stdout.strip()
    with daemon.broker() as c:
        same((c.info("cc-inactive_user")["state"], c.info("cc-inactive_user")["lastError"]), ("valid", None))


def add(salesforce: Standin, daemon: Daemon) -> None:
    """A credential for each error and grant; one key for all."""
    certificate = make_key(daemon.directory / "key")
    secret = daemon.write_secret("secret", "s3cret")
    apps: dict[str, Any] = {}
    for grant, table in GRANTS.items():
        for error in (*table, "odd"):
            name = f"{grant}-{error}"
            how = {"jwt": f"GrantType=jwt_bearer\nUsername=u@example.com\nPrivateKey=file:{daemon.directory}/key",
                   "cc": f"GrantType=client_credentials\nClientSecret=file:{secret}",
                   "rt": f"GrantType=refresh_token\nClientSecret=file:{secret}",
                   "saml": f"GrantType=saml_bearer\nUsername=u@example.com\nPrivateKey=file:{daemon.directory}/key",
                   "exchange": f"GrantType=token_exchange\nClientSecret=file:{secret}\nSubjectToken=file:{secret}"}[grant]
            daemon.write_credential(name, f"[Credential]\n{how}\nLoginUrl={salesforce.url}\nClientId={name}\nRenewWhenIdle=no\n")
            apps[name] = {"secret": "s3cret", "run_as": "u@example.com", "cert_pem": certificate,
                          "force_error": ODD if error == "odd" else error}
    salesforce.configure(users={"u@example.com": {}}, apps=apps)
    for name in (f"rt-{error}" for error in (*REFRESH, "odd")):
        daemon.to_import.append((name, "refresh_token", str(salesforce.new_grant("u@example.com", name, True)["refresh_token"])))


def run() -> int:
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        # no second try within the test, by whatever class; nothing is renewed by itself (RenewWhenIdle=no): only our gets send
        daemon.add_settings("[Limits]\nBackoffFirst=1h\nBackoffMax=1h\nStartSpread=1h\nDemandGap=1h\nBreakerFailures=1000\n")
        add(salesforce, daemon)
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
