# SPDX-License-Identifier: Apache-2.0
"""What is remembered of people in browsers: who is logged in, what is asked of them, and the codes
that come of it."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import Optional

from .families import Family
from .sessions import Session

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"         # no vowels, no words (RFC 8628 6.1)
_ALPHANUMERIC = string.ascii_uppercase + string.digits


@dataclass(slots=True)
class Code:
    """An authorization code. Times are server time."""

    client_id: str
    user: str
    scopes: str
    redirect_uri: str
    challenge: Optional[str]
    nonce: Optional[str]
    created: float
    used: bool = False
    session: Optional[Session] = None
    family: Optional[Family] = None


@dataclass(slots=True)
class Device:
    """A device that waits for somebody to let it in. created: server time; polled: boot time."""

    device_code: str
    user_code: str
    client_id: str
    scopes: str
    rfc: bool
    created: float
    interval: float
    state: str = "pending"          # pending approved denied used
    user: Optional[str] = None
    polled: Optional[float] = None
    polls: int = 0


@dataclass(slots=True)
class Asked:
    """A person's decision that is still out: on an authorization request or on a device."""

    client_id: str
    scopes: str
    parameters: dict[str, str]      # of the authorization request; {} for a device
    device: Optional[Device] = None
    hint: str = ""
    login: bool = False             # wants a login although there is one
    consent: bool = False           # wants a consent although it is remembered


@dataclass
class People:
    """All of it."""

    cookies: dict[str, str] = field(default_factory=dict)       # sid -> user
    asked: dict[str, Asked] = field(default_factory=dict)       # by number in the page's URL
    codes: dict[str, Code] = field(default_factory=dict)
    devices: list[Device] = field(default_factory=list)
    consents: set[tuple[str, str]] = field(default_factory=set)  # user, app
    verifiers: set[str] = field(default_factory=set)            # strict mode: no verifier twice
    assertions: dict[str, str] = field(default_factory=dict)    # ID of SAML assertions
    jtis: set[tuple[str, str]] = field(default_factory=set)     # app, jti of client assertions

    def log_in(self, user: str) -> str:
        """The value of a new cookie."""
        sid = secrets.token_urlsafe(24)
        self.cookies[sid] = user
        return sid

    def ask(self, asked: Asked) -> str:
        """Its number, for the URL of the next page."""
        number = secrets.token_urlsafe(18)
        self.asked[number] = asked
        return number

    def new_code(self, code: Code, salesforce: bool) -> str:
        """The text of a new authorization code; Salesforce's end in ==."""
        text = secrets.token_urlsafe(40)
        text = f"aPrx{text.replace('-', '.')}==" if salesforce else text
        self.codes[text] = code
        return text

    def new_device(self, client_id: str, scopes: str, rfc: bool, created: float,
                   interval: float) -> Device:
        """A device's two codes."""
        if rfc:
            letters = [secrets.choice(_LETTERS) for _ in range(8)]
            user_code = "".join(letters[:4]) + "-" + "".join(letters[4:])
        else:
            user_code = "".join(secrets.choice(_ALPHANUMERIC) for _ in range(8))
        device = Device(secrets.token_urlsafe(48), user_code, client_id, scopes, rfc, created,
                        interval)
        self.devices.append(device)
        return device

    def by_user_code(self, typed: str) -> Optional[Device]:
        """The device whose code that is, however it was typed."""
        wanted = plain_code(typed)
        found = [d for d in self.devices if plain_code(d.user_code) == wanted]
        return found[-1] if found else None

    def by_device_code(self, text: str) -> Optional[Device]:
        return next((d for d in self.devices if d.device_code == text), None)


def plain_code(typed: str) -> str:
    """Letters and digits alone, in upper case."""
    return "".join(c for c in typed.upper() if c.isalnum())
