# SPDX-License-Identifier: Apache-2.0
"""Refresh tokens: the grants (families) that a login makes, their rotation and their ends."""

from __future__ import annotations

import itertools
import secrets
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Iterator, Optional

from .clock import Clock, boottime
from .delivery import Delivery
from .sessions import Session

DAY = 86400.0
SESSIONS_KEPT = 16              # of a family: a longer list is cleared of dead ones
_TOKEN_BYTES = 60


@dataclass(slots=True)
class RefreshToken:
    """One refresh token. state: current, rotated (out) or revoked."""

    family: "Family"
    number: int
    text: str
    state: str = "current"
    replaced: float = 0.0           # server time at which the next one was made
    posts: list[float] = field(default_factory=list)
    delivery: Optional[Delivery] = None

    def describe(self) -> dict[str, Any]:
        return {"grant": self.family.id, "number": self.number, "state": self.state,
                "token": self.text, "posts": self.posts,
                "reply": self.delivery.facts if self.delivery else None}


@dataclass(slots=True)
class Family:
    """One grant: a user has let an app in. Times are server time."""

    id: int
    user: str
    client_id: str
    scopes: str
    rotating: Optional[bool]        # None: as the app has it
    created: float
    used: float
    tokens: list[RefreshToken] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    ended: Optional[str] = None     # reuse revoked evicted idle expired
    refreshes: int = 0
    lost: int = 0

    @property
    def current(self) -> RefreshToken:
        """The newest token; not good any more once the family has ended."""
        return self.tokens[-1]

    def describe(self, with_tokens: bool) -> dict[str, Any]:
        facts = {"grant": self.id, "user": self.user, "client_id": self.client_id,
                 "scopes": self.scopes, "rotating": self.rotating, "live": self.ended is None,
                 "ended": self.ended, "current": None if self.ended else self.current.text,
                 "number": self.current.number, "created_t": self.created, "used_t": self.used,
                 "refreshes": self.refreshes, "rotations": self.current.number - 1,
                 "lost_replies": self.lost}
        if with_tokens:
            facts["tokens"] = [token.describe() for token in self.tokens]
        return facts


@dataclass(slots=True)
class Policy:
    """How long the refresh tokens of an app live, in server seconds."""

    kind: str
    idle: float
    life: float

    def end(self, family: Family) -> Optional[float]:
        """When the family ends by itself; None: never."""
        if self.kind == "expire_if_idle":
            return family.used + self.idle
        if self.kind == "expire_after":
            return family.created + self.life
        return family.created if self.kind == "expire_immediately" else None

    def ended(self, family: Family, now: float) -> Optional[str]:
        """Why it has ended by itself, if it has."""
        end = self.end(family)
        if end is None or now < end:
            return None
        return "idle" if self.kind == "expire_if_idle" else "expired"


class Families:
    """All grants, by refresh token and by user and app, and what happened to them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._tokens: dict[str, RefreshToken] = {}
        self._families: dict[int, Family] = {}
        self._live: defaultdict[tuple[str, str], list[Family]] = defaultdict(list)
        self._in_flight: set[str] = set()
        self._counts: Counter[str] = Counter()
        self.alarms: list[dict[str, Any]] = []
        self.replies: list[Delivery] = []

    def find(self, text: str) -> Optional[RefreshToken]:
        """The refresh token of that text, dead or alive."""
        return self._tokens.get(text)

    def family(self, name: Any) -> Optional[Family]:
        """By its number, or by any of its refresh tokens."""
        if isinstance(name, str) and not name.isdecimal():
            token = self._tokens.get(name)
            return token.family if token else None
        return self._families.get(int(name))

    def select(self, grant: Any = None, client_id: Optional[str] = None,
               user: Optional[str] = None) -> Iterator[Family]:
        """The families that match everything that is given."""
        if grant is None:
            families = list(self._families.values())
        else:
            found = self.family(grant)
            families = [found] if found else []
        return (f for f in families if client_id in (None, f.client_id) and user in (None, f.user))

    # -- birth and rotation ----------------------------------------------------------------------

    def begin(self, user: str, client_id: str, scopes: str, rotating: Optional[bool],
              limit: int) -> Family:
        """What a login makes. Beyond the limit (0: none) the oldest grant of user and app ends."""
        now = self._clock.now()
        family = Family(next(self._numbers), user, client_id, scopes, rotating, now, now)
        self._families[family.id] = family
        self._add(family)
        live = self._live[user, client_id]
        live.append(family)
        while limit and len(live) > limit:
            self._counts["evictions"] += 1
            self.end(live[0], "evicted")
        return family

    def _add(self, family: Family) -> RefreshToken:
        text = "5Aep861" + secrets.token_urlsafe(_TOKEN_BYTES).replace("-", ".")
        token = RefreshToken(family, len(family.tokens) + 1, text)
        family.tokens.append(token)
        self._tokens[text] = token
        return token

    def refreshed(self, token: RefreshToken, session: Session, end_old: bool) -> None:
        """A refresh has been granted: the session belongs to the family, which is in use."""
        family = token.family
        family.used = self._clock.now()
        family.refreshes += 1
        self._counts["refreshes"] += 1
        if end_old:
            self._end_sessions(family)
        self.own(family, session)

    def own(self, family: Family, session: Session) -> None:
        """An access token that ends with the family."""
        if len(family.sessions) >= SESSIONS_KEPT:
            now = self._clock.now()
            family.sessions = [s for s in family.sessions if s.live(now)]
        family.sessions.append(session)

    def rotate(self, token: RefreshToken, seq: int) -> RefreshToken:
        """The next token takes the place of this one, and its answer is on its way."""
        family = token.family
        if token is family.current:
            token.state, token.replaced = "rotated", self._clock.now()
            self._add(family)
            self._counts["rotations"] += 1
        new = family.current
        new.delivery = self._delivery(new, seq)
        return new

    def deliver(self, family: Family, seq: int) -> Delivery:
        """The answer with the first token of a family is on its way."""
        delivery = self._delivery(family.current, seq)
        family.current.delivery = delivery
        return delivery

    def _delivery(self, token: RefreshToken, seq: int) -> Delivery:
        def settled(taken: bool) -> None:
            self._counts["settled"] += 1
            if not taken:
                token.family.lost += 1
                self._counts["lost_replies"] += 1

        delivery = Delivery({"reply": len(self.replies) + 1, "grant": token.family.id,
                             "number": token.number, "seq": seq, "t": boottime()}, settled)
        self.replies.append(delivery)
        return delivery

    # -- the ends --------------------------------------------------------------------------------

    def end(self, family: Family, why: str) -> bool:
        """The refresh token and all access tokens of the family die; False if they had."""
        if family.ended:
            return False
        family.ended = why
        family.current.state = "revoked"
        self._end_sessions(family)
        live = self._live[family.user, family.client_id]
        live.remove(family)
        return True

    @staticmethod
    def _end_sessions(family: Family) -> None:
        for session in family.sessions:
            session.killed = True
        family.sessions.clear()

    def expire(self, family: Family, policy: Policy) -> bool:
        """Whether the family has ended; ends it first if its time is over."""
        if family.ended is None:
            why = policy.ended(family, self._clock.now())
            if why:
                self.end(family, why)
        return family.ended is not None

    def in_grace(self, token: RefreshToken, grace: float) -> bool:
        """Whether this rotated-out token may be used once more, as the one before the newest."""
        family = token.family
        return (grace > 0 and family.ended is None and token.number + 1 == family.current.number
                and self._clock.now() < token.replaced + grace)

    def reused(self, token: RefreshToken, seq: int) -> None:
        """A rotated-out token has come again: whoever holds the newest one loses everything."""
        family = token.family
        killed = self.end(family, "reuse")
        self._counts["reuse_alarms"] += 1
        self.alarms.append({"t": boottime(), "seq": seq, "grant": family.id,
                            "number": token.number, "user": family.user,
                            "client_id": family.client_id, "killed": killed})

    # -- one request at a time -------------------------------------------------------------------

    def enter(self, token: RefreshToken) -> bool:
        """A request with that token has come; False if another one is still being processed."""
        token.posts.append(boottime())
        if token.text in self._in_flight:
            self._counts["busy"] += 1
            return False
        self._in_flight.add(token.text)
        return True

    def leave(self, token: RefreshToken) -> None:
        """Processed, or dropped without."""
        self._in_flight.discard(token.text)

    def counters(self) -> dict[str, int]:
        """For the control interface."""
        names = ("refreshes", "rotations", "reuse_alarms", "lost_replies", "busy", "evictions")
        return {name: self._counts[name] for name in names} | {
            "pending_replies": len(self.replies) - self._counts["settled"],
            "grants": len(self._families),
            "live_grants": sum(len(live) for live in self._live.values())}
