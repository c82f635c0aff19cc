# SPDX-License-Identifier: Apache-2.0
"""Each refusal of a login, word for word: what the page of Salesforce sends the browser back with (salesforce-oauth.md 8.2), and what the token endpoint says to the
code (8.1): exit status, sentence, and that nothing has changed."""

from __future__ import annotations

import sys

from harness import Daemon, Standin, expect, run_tests, same
from people import USER, CliLogin, Kept, add_login, log_in, told_nothing
from rotating import CALM, good, history, info, no_alarms
from standin.grants_client import StandinError
from standin.errors import AUTHORIZE_ERRORS, ERRORS, GRANT_ERRORS

# name in tests/standin/errors.py: words of the sentence. The exit status of a login that was refused is always 76
ANY = {
    "not_admin_approved": "permission set", "invalid_client": "ClientSecret=", "invalid_client_id": "ClientId=", "app_not_found": "install",
    "wrong_domain": "LoginUrl=", "ip_restricted": "IP", "login_hours": "login hours", "user_locked": "unlock", "inactive_user": "activate",
    "inactive_org": "org", "rate_limit": "too many logins", "login_rate": "too many logins", "unknown_error": "start it again",
    "server_error": "start it again", "temporarily_unavailable": "start it again", "unsupported_grant_type": "enable the flow",
    "invalid_scope": "scope", "https_required": "https://", "processing": "start it again", "redirect_uri_mismatch": "Callback URLs",
    "redirect_uri_missing": "RedirectUri=",
}
CODE = {
    **ANY, "expired_code": "log in again", "expired_assertion": "log in again", "invalid_verifier": "newest link",
    **{name: "log in again" for name in ("expired_refresh_token", "user_not_approved", "invalid_assertion", "audience_invalid",
                                         "audience_validation", "no_run_as", "flow_disabled", "expired_device_code")},
    "must_post": "RedirectUri=", "scope_not_supported": "RedirectUri=", "two_authentications": "report this",
    "authorization_pending": "not known here", "slow_down": "not known here", "access_denied": "log in again", "expired_token": "not known here",
}
PAGE = {
    "denied": "choose Allow", "app_blocked": "unblock", "app_access_denied": "permission set", "ec_app_not_found": "install",
    "approval_generic": "policies", "unsupported_response_type": "enable the flow", "immediate_unsuccessful": "confirm on its page",
    "missing_code_challenge": "code challenge", "plain_challenge": "code challenge", "invalid_code_challenge": "code challenge",
    **{name: ANY[name] for name in ("not_admin_approved", "invalid_scope", "server_error", "temporarily_unavailable", "inactive_org", "inactive_user",
                                    "rate_limit", "app_not_found", "ip_restricted", "login_hours", "user_locked", "unknown_error")},
}
ODD = {"error": "brand_new_error", "error_description": "with \x1b[31m colour and\nlines " + "x" * 500}


class Shared:
    salesforce: Standin
    daemon: Daemon


def refused(what: str, words: str) -> str:
    """One login that is refused: 76, one line with the words; the page says so, too."""
    with CliLogin(Shared.daemon, "refused") as login:
        page = login.finish()
        out, errors = login.end(76)
    lines = errors.splitlines()
    assert len(lines) == 1 and words.lower() in errors.lower(), f"{what}: {errors}"
    assert "\x1b" not in errors and "logged in as" not in out and "You are logged in" not in page, f"{what}: {page}"
    return errors


def test_page() -> None:
    """What the page of the login says (8.2): each has its sentence, and nothing is asked at the token endpoint"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    kept = Kept(daemon, "refused")
    before = len(salesforce.token_requests("app-refused"))
    for error, words in PAGE.items():
        salesforce.add_app("app-refused", authorize_error=error)
        errors = refused(error, words)
        name = {**ERRORS, **AUTHORIZE_ERRORS}[error][0]
        assert name in errors or errors.rstrip().endswith("..."), f"{error}: {errors}"
    salesforce.add_app("app-refused", authorize_error=ODD)
    assert "brand_new_error" in refused("odd", "not known here")
    salesforce.add_app("app-refused", authorize_error=None)
    same(len(salesforce.token_requests("app-refused")), before)
    kept.check()
    same(sorted(set(AUTHORIZE_ERRORS) - set(PAGE)), [])


def test_code() -> None:
    """What the token endpoint says to the code (8.1): each has its sentence, is asked once, and the grant in use is as before"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    kept = Kept(daemon, "refused")
    for error, words in CODE.items():
        before = len(salesforce.token_requests("app-refused"))
        salesforce.force_error("app-refused", error)
        refused(error, words)
        same(len(salesforce.token_requests("app-refused")), before + 1, f"requests with {error}")
    salesforce.force_error("app-refused", ODD)
    refused("odd", "brand_new_error")
    salesforce.force_error("app-refused", None)
    kept.check()
    same(sorted({*ERRORS, *GRANT_ERRORS} - set(CODE)), [])


def test_never_logged_in() -> None:
    """A credential that never had a token: the refusal is its last error, callers get LoginRequired as before, and the next login clears it"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add_login(daemon, salesforce, "new", app={"authorize_error": "app_blocked"})
    with CliLogin(daemon, "new") as login:
        login.finish()
        login.end(76)
    same(info(daemon, "new")["state"], "login_required")
    assert "unblock" in daemon.cli("show", "new").stdout
    daemon.cli("get", "new", check=80)
    salesforce.add_app("app-new", authorize_error=None)
    log_in(daemon, "new")
    same((info(daemon, "new")["state"], info(daemon, "new")["lastError"]), ("valid", None))


def test_no_redirect() -> None:
    """Unknown client, or a redirect URI that the app does not have: Salesforce shows its own page, the login waits, and can be cancelled"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add_login(daemon, salesforce, "nowhere", redirect="http://localhost:0/elsewhere", app={"redirect_uris": ["http://localhost:0/OauthRedirect"]})
    with CliLogin(daemon, "nowhere") as login:
        login.target()
        error = expect(StandinError, login.browse)
        assert "redirect_uri" in str(error), error
        assert login.process.poll() is None
        login.process.terminate()
        login.end(143)


def test_afterwards() -> None:
    """All that is forgotten: the next login succeeds, and so does the renewal"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    log_in(daemon, "refused")
    good(daemon, salesforce, "refused")
    kinds = [a["kind"] for a in history(daemon, "refused")]
    assert "login" in kinds, kinds
    told_nothing(daemon, salesforce, "refused", "new", "nowhere")
    no_alarms(salesforce)


def run() -> int:
    with Standin(max_grants=0, rotation=True, auto_consent=True, login_limit=0) as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings(f"[Limits]\n{CALM}")
        daemon.start()
        add_login(daemon, salesforce, "refused", app={"auto_user": USER})
        log_in(daemon, "refused")
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
