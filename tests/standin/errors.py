# SPDX-License-Identifier: Apache-2.0
"""Every refusal of the token endpoint, word for word (facts/salesforce-oauth.md section 8.1)."""

from __future__ import annotations

from typing import Any


class OAuthError(Exception):
    """An answer {"error", "error_description"} with its HTTP status."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status

    def body(self) -> dict[str, str]:
        return {"error": self.error, "error_description": self.description}


# name -> (error, error_description); the names are ours, for force_error and for the code
ERRORS: dict[str, tuple[str, str]] = {
    "expired_assertion": ("invalid_grant", "expired authorization code"),
    "expired_refresh_token": ("invalid_grant", "expired access/refresh token"),
    "processing": ("invalid_grant", "token request is already being processed"),
    "expired_code": ("invalid_grant", "expired authorization code"),
    "user_not_approved": ("invalid_grant", "user hasn't approved this consumer"),
    "not_admin_approved": ("invalid_app_access",
                           "user is not admin approved to access this app"),
    "invalid_assertion": ("invalid_grant", "invalid assertion"),
    "invalid_client": ("invalid_client", "invalid client credentials"),
    "audience_invalid": ("invalid_grant", "audience is invalid"),
    "audience_validation": ("invalid_grant", "Audience validation failed"),
    "invalid_client_id": ("invalid_client_id", "client identifier invalid"),
    "app_not_found": ("app_not_found", "External client app is not installed in this org"),
    "no_run_as": ("invalid_grant", "no client credentials user enabled"),
    "wrong_domain": ("invalid_grant", "request not supported on this domain"),
    "flow_disabled": ("invalid_grant", "client credentials flow not enabled"),
    "ip_restricted": ("invalid_grant", "ip restricted"),
    "login_hours": ("invalid_grant", "invalid login hours"),
    "user_locked": ("invalid_grant", "user is locked"),
    "inactive_user": ("inactive_user", "user is inactive"),
    "inactive_org": ("inactive_org", "org is locked, closed, or suspended"),
    "rate_limit": ("rate_limit_exceeded", "number of logins exceeded"),
    "login_rate": ("login rate exceeded", "number of logins exceeded"),
    "unknown_error": ("unknown_error", "retry your request"),
    "server_error": ("server_error", "an unexpected error has occurred"),
    "temporarily_unavailable": ("temporarily_unavailable", "the server is busy"),
    "unsupported_grant_type": ("unsupported_grant_type", "grant type not supported"),
    "invalid_scope": ("invalid_scope", "the requested scope is not allowed"),
    "https_required": ("invalid_request", "HTTPS required"),
    "must_post": ("invalid_request", "must use HTTP POST"),
    "scope_not_supported": ("invalid_request", "scope parameter not supported"),
}

# the same for logins of people, assertions and token exchange
GRANT_ERRORS: dict[str, tuple[str, str]] = {
    "invalid_verifier": ("invalid_grant", "invalid code verifier"),
    "redirect_uri_mismatch": ("redirect_uri_mismatch", "redirect_uri must match configuration"),
    "redirect_uri_missing": ("redirect_uri_missing", "redirect_uri not provided"),
    "two_authentications": ("invalid_request", "more than one kind of client authentication"),
    # device: the descriptions are not known of the real server, see the setting device_texts
    "authorization_pending": ("authorization_pending", "end-user has not yet authorized"),
    "slow_down": ("slow_down", "polling too fast"),
    "access_denied": ("access_denied", "end-user denied authorization"),
    "expired_device_code": ("invalid_grant", "expired device code"),
    "expired_token": ("expired_token", "the device code has expired"),
}

# those of the redirect from the authorization endpoint (section 8.2)
AUTHORIZE_ERRORS: dict[str, tuple[str, str]] = {
    "denied": ("access_denied", "end-user denied authorization"),
    "app_blocked": ("OAUTH_APP_BLOCKED", "this app is blocked by admin"),
    "app_access_denied": ("OAUTH_APP_ACCESS_DENIED",
                          "user is not admin approved to access this app"),
    "ec_app_not_found": ("OAUTH_EC_APP_NOT_FOUND",
                         "External client app is not installed in this org"),
    "approval_generic": ("OAUTH_APPROVAL_ERROR_GENERIC",
                         "An unexpected error has occurred during authentication."
                         " Please try again."),
    "unsupported_response_type": ("unsupported_response_type", "response type not supported"),
    "immediate_unsuccessful": ("immediate_unsuccessful",
                               "immediate mode needs a user who is logged in and has approved"),
    "missing_code_challenge": ("invalid_request", "missing required code challenge"),
    "plain_challenge": ("invalid_request", "invalid code challenge method"),
    "invalid_code_challenge": ("invalid_request", "invalid code challenge"),
}

ALL_ERRORS = ERRORS | GRANT_ERRORS | AUTHORIZE_ERRORS

# what plain OAuth 2.0 (RFC 6749 5.2) calls Salesforce's own errors
_PLAIN = {"invalid_client_id": "invalid_client", "app_not_found": "invalid_client",
          "invalid_app_access": "invalid_grant", "inactive_user": "invalid_grant",
          "inactive_org": "invalid_grant", "rate_limit_exceeded": "temporarily_unavailable",
          "login rate exceeded": "temporarily_unavailable", "unknown_error": "server_error",
          "redirect_uri_mismatch": "invalid_grant", "redirect_uri_missing": "invalid_request",
          "OAUTH_APP_BLOCKED": "access_denied", "OAUTH_APP_ACCESS_DENIED": "access_denied",
          "OAUTH_EC_APP_NOT_FOUND": "unauthorized_client",
          "OAUTH_APPROVAL_ERROR_GENERIC": "server_error",
          "immediate_unsuccessful": "login_required"}


def refusal(name: str, status: int = 400) -> OAuthError:
    """The error of that name, ready to raise."""
    error, description = ALL_ERRORS[name]
    return OAuthError(error, description, status)


def plain(error: OAuthError) -> OAuthError:
    """The same in the words of RFC 6749; 401 where the client did not prove itself."""
    name = _PLAIN.get(error.error, error.error)
    status = 401 if name == "invalid_client" and error.status == 400 else error.status
    return OAuthError(name, error.description, status)


def at_authorize(spec: str | dict[str, Any]) -> bool:
    """Whether a forced error belongs to the authorization endpoint rather than to a grant."""
    return isinstance(spec, str) and spec in AUTHORIZE_ERRORS


def forced(spec: str | dict[str, Any]) -> OAuthError:
    """The error that a configuration asks for: a name, or the parts."""
    if isinstance(spec, str):
        return refusal(spec)
    return OAuthError(spec["error"], spec.get("error_description", ""), spec.get("status", 400))
