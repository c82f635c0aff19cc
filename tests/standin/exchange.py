# SPDX-License-Identifier: Apache-2.0
"""What an endpoint gets: one request taken apart, the world it acts on, and its line in the log."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Optional
from urllib.parse import unquote_plus

from .clock import Clock
from .delivery import Delivery
from .dialect import TOKEN_PATH, canonical, shown
from .errors import refusal
from .families import Families, RefreshToken
from .forms import body_pairs, form_pairs
from .http1 import Request
from .logins import Logins
from .people import People
from .sessions import Sessions
from .settings import App, Settings, User

SAML_BEARER = "urn:ietf:params:oauth:grant-type:saml2-bearer"


@dataclass
class World:
    """Everything that lives longer than a request."""

    clock: Clock
    sessions: Sessions
    logins: Logins
    families: Families
    settings: Settings = field(default_factory=Settings)
    apps: dict[str, App] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    people: People = field(default_factory=People)
    origin: str = ""
    user_agent: str = ""            # the first one seen: it must stay the same

    def setting(self, app: Optional[App], name: str) -> Any:
        """A setting of the app, or of the server where the app leaves it open."""
        own = getattr(app, name) if app else None
        return getattr(self.settings, name) if own is None else own


def fingerprint(secret: str) -> str:
    """What the log keeps of a secret: enough to compare."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def _decoded(part: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return value if isinstance(value, dict) else {}


def unverified(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT whose signature nobody has looked at; {} where unreadable."""
    parts = (assertion + "..").split(".")
    return _decoded(parts[0]), _decoded(parts[1])


def unverified_saml(assertion: str) -> dict[str, Any]:
    """Issuer and NameID of a SAML assertion that nobody has looked at, as a JWT would name them."""
    try:
        xml = base64.urlsafe_b64decode(assertion + "=" * (-len(assertion) % 4))
    except (ValueError, binascii.Error):
        return {}
    found = {}
    for claim, element in (("iss", b"Issuer"), ("sub", b"NameID")):
        match = re.search(rb"<(?:\w+:)?" + element + rb"\b[^>]*>([^<]*)<", xml)
        if match:
            found[claim] = match.group(1).decode("utf-8", "replace").strip()
    return found


def basic_auth(header: str) -> Optional[tuple[str, str]]:
    """Name and password of an Authorization: Basic header."""
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(value).decode().partition(":")
    except ValueError:
        return None
    return name, password


class Exchange:
    """One request on its way through the stand-in."""

    def __init__(self, world: World, request: Request) -> None:
        self.world = world
        self.request = request
        self.generic = world.settings.dialect == "generic"
        self.path = canonical(world.settings.dialect, request.path,
                              world.settings.issuer_path)
        self.query = dict(form_pairs(request.query.encode()))
        self.pairs = body_pairs(request.header("content-type"), request.body) \
            if request.method == "POST" else []
        self.params = dict(self.pairs)
        if request.method == "POST" and self.path == TOKEN_PATH:
            self.params = self.query | self.params      # the real server takes either
        self.basic = basic_auth(request.header("authorization"))
        self.header, self.claims = self._assertion()
        self.token = self._bearer()
        self.problems: list[str] = []
        self.log: dict[str, Any] = {}
        self.client_id = self._client_id()
        self.refresh = self._refresh_token()
        self.busy = False               # the same refresh token is being processed already
        self.delivery: Optional[Delivery] = None
        self._entered = False
        self.user = self._user()

    def _assertion(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What an assertion says of itself; for the log, and to find the app."""
        text = self.params.get("assertion", "")
        if self.params.get("grant_type") == SAML_BEARER:
            return {}, unverified_saml(text)
        return unverified(text)

    def _bearer(self) -> str:
        """The access token that the request carries, or is about."""
        kind, _, value = self.request.header("authorization").partition(" ")
        if kind.lower() == "bearer":
            return value
        for name, value in form_pairs(self.request.query.encode()) + self.pairs:
            if name in ("oauth_token", "token"):
                return value
        return ""

    def _client_id(self) -> Optional[str]:
        """The app that asks, as far as the request says so itself."""
        if self.params.get("client_id"):
            return self.params["client_id"]
        if self.basic:
            plain, decoded = self.basic[0], unquote_plus(self.basic[0])
            return decoded if plain not in self.world.apps else plain
        if self.params.get("client_assertion"):
            return str(unverified(self.params["client_assertion"])[1].get("sub") or "")
        if self.query.get("client_id"):
            return self.query["client_id"]
        if self.claims.get("iss"):
            return str(self.claims["iss"])
        session = self.world.sessions.find(self.token) if self.token else None
        return session.key[1] if session else None

    def _refresh_token(self) -> Optional[RefreshToken]:
        """The refresh token that is being spent, if it is one of ours."""
        if self.params.get("grant_type") != "refresh_token":
            return None
        return self.world.families.find(self.params.get("refresh_token", ""))

    @property
    def spends(self) -> bool:
        """It carries a refresh token to the token endpoint, good or not."""
        return (self.path == TOKEN_PATH
                and self.params.get("grant_type") == "refresh_token")

    def _user(self) -> Optional[str]:
        if self.refresh:
            return self.refresh.family.user
        return str(self.claims.get("prn") or self.claims.get("sub") or "") or None

    def enter(self) -> None:
        """It has come: from now on its refresh token is in flight."""
        if self.refresh and self.spends:
            self._entered = self.world.families.enter(self.refresh)
            self.busy = not self._entered

    def leave(self) -> None:
        """It has been processed, or will not be."""
        if self._entered and self.refresh:
            self.world.families.leave(self.refresh)
            self._entered = False

    def complain(self, text: str) -> None:
        """Strict mode: something our client must never send."""
        self.problems.append(text)

    def origin(self) -> str:
        """The origin that was asked: what the client wrote as Host."""
        scheme = self.world.origin.partition("://")[0]
        host = self.request.header("host")
        return f"{scheme}://{host}" if host else self.world.origin

    def endpoint(self, name: str) -> str:
        """The URL of an endpoint of that origin: token, authorize, ..., or a path."""
        path = name if name.startswith("/") else "/services/oauth2/" + name
        settings = self.world.settings
        return self.origin() + shown(settings.dialect, path, settings.issuer_path)

    def issuer(self) -> str:
        """What iss says; a generic server's may have a path."""
        return self.origin() + (self.world.settings.issuer_path if self.generic else "")

    def host_kind(self) -> str:
        """login, test, mydomain or setup, by the Host header."""
        host = self.request.header("host").lower()
        name = host.rpartition(":")[0] or host
        known = self.world.settings.host_kinds.get(host) or self.world.settings.host_kinds.get(name)
        first = name.partition(".")[0]
        if known:
            return known
        if name.endswith(".my.salesforce-setup.com"):
            return "setup"
        return first if first in ("login", "test") else "mydomain"

    # -- what the grants share -------------------------------------------------------------------

    def app(self, client_id: str) -> App:
        """The app of that id, or the refusal."""
        found = self.world.apps.get(client_id)
        if found is None:
            raise refusal("invalid_client_id")
        if not found.installed:
            raise refusal("app_not_found")
        return found

    def usable_user(self, name: str, is_login: bool = True) -> User:
        """The user, able to log in; counts the login, failed or not."""
        user = self.world.users.get(name)
        if user is None:
            raise refusal("user_not_approved")
        limit = self.world.settings.login_limit
        if is_login and not self.world.logins.count(name, limit):
            raise refusal("rate_limit", self.world.settings.rate_status)
        for field_name, error in (("org_locked", "inactive_org"), ("locked", "user_locked"),
                                  ("ip_restricted", "ip_restricted"),
                                  ("outside_login_hours", "login_hours")):
            if getattr(user, field_name):
                raise refusal(error)
        if not user.active:
            raise refusal("inactive_user")
        return user
