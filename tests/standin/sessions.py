# SPDX-License-Identifier: Apache-2.0
"""Access tokens are sessions: how they begin, are handed out again, live on and die."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Optional

from .clock import Clock

SESSIONS_MAX = 100_000          # the oldest are forgotten beyond it
_ALPHABET = string.ascii_letters + string.digits + "._"
_TABLE = bytes(_ALPHABET[i % 64].encode()[0] for i in range(256))

Key = tuple[str, str, str]      # user, app, scopes


@dataclass(slots=True)
class Session:
    """One token. Times are server time."""

    id: int
    key: Key
    token: str
    timeout: float
    granted: float              # when it was made, or last extended by a grant
    active: float               # last use that was written down
    fixed: bool                 # use never extends it, as always in JWT format
    real_life: Optional[float]
    created: float
    killed: bool = False
    grants: int = 1
    uses: int = 0

    def deadline(self) -> float:
        """When it ends for want of use; what introspection says."""
        return self.active + self.timeout

    def live(self, now: float) -> bool:
        if self.killed or now >= self.deadline():
            return False
        return self.real_life is None or now < self.created + self.real_life


def opaque_token(org15: str) -> str:
    """00D...!... as Salesforce makes them: 112 characters."""
    return org15 + "!" + secrets.token_bytes(96).translate(_TABLE).decode()


class Sessions:
    """All sessions by token, and the newest of each (user, app, scopes) and of each app."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = 1
        self._by_token: dict[str, Session] = {}
        self._newest: dict[Key, Session] = {}
        self._newest_of_app: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_token.values()))

    def find(self, token: str) -> Optional[Session]:
        """The session of a token, dead or alive."""
        return self._by_token.get(token)

    def live(self, token: str) -> Optional[Session]:
        """The session of a token that is good now."""
        session = self._by_token.get(token)
        return session if session and session.live(self._clock.now()) else None

    def reusable(self, key: Key, dead_too: bool) -> Optional[Session]:
        """The session that a repeated grant would hand out again."""
        session = self._newest.get(key)
        if session and (dead_too or session.live(self._clock.now())):
            return session
        return None

    def begin(self, key: Key, timeout: float, real_life: Optional[float], fixed: bool,
              make_token: Callable[[], str]) -> Session:
        """A new session; make_token gives its text."""
        now = self._clock.now()
        session = Session(self._next, key, make_token(), timeout, now, now, fixed, real_life, now)
        self._next += 1
        self._by_token[session.token] = session
        self._newest[key] = self._newest_of_app[key[1]] = session
        if len(self._by_token) > SESSIONS_MAX:
            del self._by_token[next(iter(self._by_token))]
        return session

    def extend(self, session: Session) -> None:
        """A repeated grant that begins the life anew."""
        if not session.fixed:
            session.granted = session.active = self._clock.now()

    def use(self, session: Session, extends: bool) -> None:
        """A successful call: the last use is written down only once half the time has passed."""
        now = self._clock.now()
        session.uses += 1
        if extends and not session.fixed and now - session.active > session.timeout / 2:
            session.active = now

    def age_fraction(self, client_id: str) -> Optional[float]:
        """How much of its life the newest session of an app has behind it."""
        session = self._newest_of_app.get(client_id)
        if session is None or session.timeout <= 0:
            return None
        return (self._clock.now() - session.granted) / session.timeout

    def _named(self, token: Optional[str]) -> Iterator[Session]:
        """That one, or all of them."""
        if token is None:
            return iter(self)
        found = self._by_token.get(token)
        return iter([found] if found else [])

    def kill(self, token: Optional[str], client_id: Optional[str] = None,
             user: Optional[str] = None) -> int:
        """End one session, those of an app or a user, or all; how many were alive."""
        now = self._clock.now()
        killed = 0
        for session in self._named(token):
            if client_id not in (None, session.key[1]) or user not in (None, session.key[0]):
                continue
            killed += session.live(now)
            session.killed = True
        return killed

    def describe(self) -> list[dict[str, Any]]:
        """For the control interface."""
        now = self._clock.now()
        return [{"id": s.id, "token": s.token, "client_id": s.key[1], "user": s.key[0],
                 "scope": s.key[2], "age_s": now - s.created, "left_s": s.deadline() - now,
                 "live": s.live(now), "grants": s.grants, "uses": s.uses, "fixed": s.fixed,
                 "jwt": "!" not in s.token}
                for s in self]
