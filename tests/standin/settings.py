# SPDX-License-Identifier: Apache-2.0
"""What can be configured: the whole server, apps and users. Unknown names are refused."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import Any, Optional, TypeVar

from .ca import KINDS
from .errors import ALL_ERRORS

REUSE = ("new", "same", "same_extended", "extended_by_use")
SESSION_KINDS = ("sliding", "fixed")
REFRESH_POLICIES = ("expire_if_idle", "valid_until_revoked", "expire_immediately", "expire_after")
INTROSPECT = ("on", "forbidden", "bad_request", "inactive")
DIALECTS = ("salesforce", "generic")
PKCE = ("optional", "required", "off")
FLOWS = ("web_server", "user_agent", "device", "jwt_bearer", "client_credentials", "refresh_token",
         "saml_bearer", "token_exchange")
AUTH_METHODS = ("client_secret_post", "client_secret_basic", "private_key_jwt", "none")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


@dataclass
class Settings:
    """Of the whole server. Those that App has too are the default of every app."""

    dialect: str = "salesforce"           # or generic: plain OAuth 2.0 and OpenID Connect
    strict: bool = True                   # complain of, and refuse, what our client must not send
    accepted_aud: Optional[list[str]] = None    # None: login, test and the own origin
    host_kinds: dict[str, str] = field(default_factory=dict)  # host -> login test mydomain setup
    reuse: str = "new"                    # new same same_extended extended_by_use
    session_timeout_s: float = 7200.0     # server seconds
    session_kind: str = "sliding"         # or fixed: use does not extend it
    real_life_s: Optional[float] = None   # dies at this age, whatever introspection says
    rotation: bool = False                # each refresh gives a new refresh token
    rotation_grace_s: float = 0.0         # the old one is good for so long; really none
    refresh_policy: str = "expire_if_idle"
    refresh_idle_s: float = 30 * 86400.0  # server seconds
    refresh_life_s: float = 365 * 86400.0  # for expire_after
    max_grants: int = 5                   # a user and app; the oldest ends; 0: no limit
    refresh_ends_sessions: bool = False   # a refresh ends the old access tokens of its grant
    refresh_is_login: bool = False        # counts for login_limit; not known of the real server
    concurrent_error: str = "processing"  # or expired_code: the wording before Winter '25
    revoke_body: str = "urlencoded"       # or json: form of revoke's errors
    expires_in: Optional[float] = None    # a value to announce; None as the real server: absent
    introspect: str = "on"                # on forbidden bad_request inactive
    instance_url: Optional[str] = None    # None: the origin that was asked
    use_extends: Optional[bool] = None    # None: yes, except with reuse "same"
    userinfo_is_use: bool = False         # not known of the real server
    introspect_is_use: bool = False       # not known of the real server
    userinfo_bad_status: int = 403        # 403 Bad_OAuth_Token, or 401
    bad_signature: str = "invalid_client"  # or invalid_assertion: both have been seen
    login_limit: int = 3600               # a user and server hour; 0: none
    client_auth_status: int = 400         # of invalid_client; 401 has been seen
    rate_status: int = 400                # HTTP status of the login limit's error
    clock_offset_s: float = 0.0           # of the server's wall clock
    time_scale: float = 1.0
    latency_s: float = 0.0                # before each answer of the OAuth endpoints
    date_header: bool = True
    keep_alive: bool = True
    tls: str = "good"                     # good expired wrong_name self_signed tls1_1
    # logins of people: authorize, authorization code, user agent
    auto_consent: bool = False            # no pages: whoever asks is let in at once
    remember_consent: bool = False        # a second login of user and app is not asked again
    pkce: str = "optional"                # optional required off (a challenge is ignored)
    missing_challenge_error: str = "missing_code_challenge"    # or approval_generic: both seen
    code_life_s: float = 900.0            # server seconds
    code_reuse_revokes: bool = False      # a second use ends what the first one gave: not known
    code_spent_by_failure: bool = False   # a wrong verifier spends the code: not known
    loopback_any_port: Optional[bool] = None    # RFC 8252 7.3; None: with dialect generic only
    id_token_life_s: float = 120.0        # real seconds
    community_url: Optional[str] = None   # sfdc_community_url, and with it sfdc_community_id
    api_instance_url: Optional[str] = None      # a member of newer orgs' answers
    token_format: Optional[str] = None    # a member of newer orgs' answers: opaque, jwt or ""
    # device
    device_interval_s: float = 5.0        # real seconds
    device_life_s: float = 600.0          # server seconds
    device_slow_down: bool = True         # refuse polls that come too fast
    slow_down_adds_s: float = 5.0
    device_texts: dict[str, str] = field(default_factory=dict)  # error -> its description
    rfc8628: bool = False                 # the device grant of the RFC beside Salesforce's own
    # assertions and token exchange
    saml_audiences: Optional[list[str]] = None  # None: host or token URL of login, test and own
    saml_recipients: Optional[list[str]] = None  # None: the token URLs of login, test and own
    saml_skew_s: float = 0.0              # not known of the real server
    token_handlers: dict[str, Any] = field(default_factory=dict)   # "": the default handler
    exchange_text: str = "token exchange failed"    # opaque; the real words are not known
    # what servers that are not Salesforce do differently
    basic_encoding: str = "either"        # raw form either: is a name in Basic percent-encoded?
    token_type: str = "Bearer"
    issuer_path: str = ""                 # generic only: "/realms/x"
    scope_in_answer: bool = True          # generic only: RFC 6749 5.1 lets it out
    discovery: str = "both"               # both openid oauth none
    dev_hub: bool = False                 # knows ScratchOrgInfo


@dataclass
class App:
    """One connected app or external client app."""

    secret: Optional[str] = None          # None: a public client, which must not send one
    run_as: Optional[str] = None          # client credentials: the user; None: error no_run_as
    cert_pem: Optional[str] = None        # JWT bearer: its certificate
    flows: list[str] = field(default_factory=lambda: list(FLOWS))
    scopes: str = "api id"
    approved: Optional[list[str]] = None  # None: every user
    unapproved_error: str = "user_not_approved"     # or not_admin_approved
    installed: bool = True                # False: app_not_found
    jwt_tokens: bool = False              # access tokens in JWT format
    force_error: Any = None               # a name of errors.py, or its parts in an object
    introspect_any: bool = False          # may introspect the tokens of other apps
    reuse_dead: bool = False              # hand out the newest token again although it is dead
    refresh_needs_secret: bool = True     # "Require Secret for Refresh Token Flow"
    redirect_uris: list[str] = field(default_factory=list)
    auto_user: Optional[str] = None       # with auto_consent; None: login_hint, run_as, the first
    secret_for_web_flow: bool = True      # "Require Secret for Web Server Flow"
    secret_for_device: bool = False
    secret_for_token_exchange: bool = True
    token_endpoint_auth_method: Optional[str] = None    # None: any that it can
    authorize_error: Any = None           # like force_error, for the authorization endpoint
    saml_issuer_certs: dict[str, str] = field(default_factory=dict)  # Issuer of an IdP -> PEM
    auto_consent: Optional[bool] = None   # None for these: as in Settings
    pkce: Optional[str] = None
    loopback_any_port: Optional[bool] = None
    rfc8628: Optional[bool] = None
    device_interval_s: Optional[float] = None
    reuse: Optional[str] = None
    session_timeout_s: Optional[float] = None
    session_kind: Optional[str] = None
    real_life_s: Optional[float] = None
    rotation: Optional[bool] = None
    rotation_grace_s: Optional[float] = None
    refresh_policy: Optional[str] = None
    refresh_idle_s: Optional[float] = None
    refresh_life_s: Optional[float] = None
    max_grants: Optional[int] = None
    refresh_ends_sessions: Optional[bool] = None
    expires_in: Optional[float] = None
    introspect: Optional[str] = None
    instance_url: Optional[str] = None
    use_extends: Optional[bool] = None


@dataclass
class User:
    """One user of an org."""

    id: str = ""                          # 18 characters; made from the name when empty
    org: str = "00Dxx0000001gPL"          # 15 or 18 characters
    password: str = "secret"
    email: str = ""                       # the name when empty
    active: bool = True
    locked: bool = False
    org_locked: bool = False
    ip_restricted: bool = False
    outside_login_hours: bool = False


T = TypeVar("T", Settings, App, User)


def id18(id15: str) -> str:
    """The 18-character form of a 15-character id: three check characters tell the case."""
    if len(id15) != 15:
        return id15
    suffix = ""
    for part in (id15[0:5], id15[5:10], id15[10:15]):
        suffix += _CHECK[sum(1 << i for i, c in enumerate(part) if "A" <= c <= "Z")]
    return id15 + suffix


def user_id(name: str) -> str:
    """A user id of the right shape, always the same for the same name."""
    digest = hashlib.sha256(name.encode()).digest()
    return id18("005" + "".join(_ALPHABET[b % 62] for b in digest[:12]))


def _check_choice(name: str, value: Any) -> None:
    choices: dict[str, tuple[str, ...]] = {
        "reuse": REUSE, "introspect": INTROSPECT, "tls": KINDS, "session_kind": SESSION_KINDS,
        "refresh_policy": REFRESH_POLICIES, "concurrent_error": ("processing", "expired_code"),
        "revoke_body": ("urlencoded", "json"),
        "bad_signature": ("invalid_client", "invalid_assertion"),
        "unapproved_error": ("user_not_approved", "not_admin_approved"),
        "dialect": DIALECTS, "pkce": PKCE, "token_endpoint_auth_method": AUTH_METHODS,
        "missing_challenge_error": ("missing_code_challenge", "approval_generic"),
        "basic_encoding": ("raw", "form", "either"),
        "discovery": ("both", "openid", "oauth", "none")}
    if name in choices and value is not None and value not in choices[name]:
        raise ValueError(f"{name}: {value!r} is none of {', '.join(choices[name])}")
    if name == "flows" and set(value) - set(FLOWS):
        raise ValueError(f"flows: {value!r} are not all of {', '.join(FLOWS)}")
    if name in ("force_error", "authorize_error") and isinstance(value, str):
        if value not in ALL_ERRORS:
            raise ValueError(f"{name}: no error is called {value!r}")


def merged(old: T, changes: dict[str, Any]) -> T:
    """old with the changes; ValueError for an unknown name or choice."""
    known = {f.name for f in dataclasses.fields(old)}
    for name, value in changes.items():
        if name not in known:
            raise ValueError(f"{type(old).__name__} has no {name!r}")
        _check_choice(name, value)
    return dataclasses.replace(old, **changes)
