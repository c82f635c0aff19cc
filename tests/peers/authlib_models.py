# SPDX-License-Identifier: Apache-2.0
"""What the second authorization server remembers: clients, people, codes, tokens, devices. In memory, one lock around all of it."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any, Optional
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin
from authlib.oauth2.rfc8628 import DeviceCredentialMixin

CODE_LIFE_S = 60


@dataclasses.dataclass
class Client(ClientMixin):
    """One registered client, in the words of RFC 7591."""

    client_id: str
    client_secret: str = ""
    token_endpoint_auth_method: str = "client_secret_basic"
    grant_types: list[str] = dataclasses.field(default_factory=list)
    redirect_uris: list[str] = dataclasses.field(default_factory=list)
    scope: str = "openid profile"
    public_key: str = ""                # PEM: JWT bearer and private_key_jwt
    subjects: list[str] = dataclasses.field(default_factory=list)   # JWT bearer: whom it may speak for

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> Optional[str]:
        return self.redirect_uris[0] if self.redirect_uris else None

    def get_allowed_scope(self, scope: Optional[str]) -> str:
        allowed = self.scope.split()
        return " ".join(s for s in (scope or self.scope).split() if s in allowed)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Exactly, but for the port of a loopback address (RFC 8252 7.3)."""
        return redirect_uri in self.redirect_uris or without_port(redirect_uri) in map(without_port, self.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        return bool(self.client_secret) and client_secret == self.client_secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.token_endpoint_auth_method

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and "authorization_code" in self.grant_types

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grant_types


def without_port(uri: str) -> str:
    """A loopback redirect without its port; others as they are."""
    parts = urlsplit(uri)
    if parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"):
        return f"{parts.scheme}://{parts.hostname}{parts.path}"
    return uri


@dataclasses.dataclass
class User:
    name: str
    password: str = "secret"


@dataclasses.dataclass
class Code(AuthorizationCodeMixin):
    code: str
    client_id: str
    redirect_uri: str
    scope: str
    user: User
    code_challenge: Optional[str]
    code_challenge_method: Optional[str]
    made: float = dataclasses.field(default_factory=time.monotonic)

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def is_expired(self) -> bool:
        return time.monotonic() > self.made + CODE_LIFE_S


@dataclasses.dataclass
class Token(TokenMixin):
    """An access token and, where there is one, the refresh token that came with it."""

    client_id: str
    user: Optional[User]
    access_token: str
    refresh_token: Optional[str]
    scope: str
    expires_in: int
    issued_at: int = dataclasses.field(default_factory=lambda: int(time.time()))
    access_revoked: bool = False
    refresh_revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return self.expires_in

    def is_expired(self) -> bool:
        return time.time() > self.issued_at + self.expires_in

    def is_revoked(self) -> bool:
        return self.access_revoked


@dataclasses.dataclass
class Device(DeviceCredentialMixin):
    device_code: str
    user_code: str
    client_id: str
    scope: str
    ends: float
    interval: float
    polled: float = 0.0
    decided: Optional[bool] = None      # what the person said
    user: Optional[User] = None

    def get_client_id(self) -> str:
        return self.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_user_code(self) -> str:
        return self.user_code

    def is_expired(self) -> bool:
        return time.monotonic() > self.ends


class Memory:
    """All of it. `settings` and what they mean: authlib_server.py --help tells where they come from."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.clients: dict[str, Client] = {}
        self.users: dict[str, User] = {}
        self.codes: dict[str, Code] = {}
        self.tokens: list[Token] = []
        self.devices: list[Device] = []
        self.jtis: set[str] = set()
        self.log: list[dict[str, Any]] = []
        self.settings: dict[str, Any] = {
            "expires_in": 3600,
            "tell_expires_in": True,    # in the token's answer (RFC 6749 5.1 lets it out)
            "discovery": "both",        # openid oauth both none
            "issuer": "",               # what the discovery document says instead of the truth
            "iss": "",                  # the member of that name in the redirect (RFC 9207)
            "device_interval": 1,
            "device_expires_in": 60,
            "slow_downs": 0,            # so many polls are told to slow down although they do not come too fast
        }

    def configure(self, change: dict[str, Any]) -> None:
        """Merge {clients: {id: fields}, users: {name: fields}, settings: {}, revoke: client id}; TypeError and KeyError for unknown names."""
        for client_id, fields in change.get("clients", {}).items():
            self.clients[client_id] = Client(client_id, **fields)
        for name, fields in change.get("users", {}).items():
            self.users[name] = User(name, **fields)
        for name, value in change.get("settings", {}).items():
            self.settings[name] = type(self.settings[name])(value)
        for token in self.tokens:
            if token.client_id == change.get("revoke"):
                token.access_revoked = token.refresh_revoked = True

    def by_access(self, text: str) -> Optional[Token]:
        return next((t for t in self.tokens if t.access_token == text), None)

    def by_refresh(self, text: str) -> Optional[Token]:
        return next((t for t in self.tokens if t.refresh_token == text), None)

    def device(self, *, device_code: str = "", user_code: str = "") -> Optional[Device]:
        return next((d for d in self.devices if device_code == d.device_code or user_code == d.user_code), None)
