# SPDX-License-Identifier: Apache-2.0
"""Fault injection: which request is spoiled. What then happens is in faultkinds.py."""

from __future__ import annotations

import inspect
import itertools
import random
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

from .exchange import Exchange
from .faultkinds import KINDS

CONNECT = "connect"
CONNECT_KINDS = ("tls_stall", "reset", "plain_text")
_numbers = itertools.count(1)


@dataclass
class Fault:
    """One rule. The first rule that matches a request spoils it."""

    kind: str
    path: str = "token"
    client_id: Optional[str] = None
    user: Optional[str] = None
    refresh_token: Optional[str] = None     # its text, as the form has it
    grant: Optional[int] = None             # any refresh token of that family
    grant_type: Optional[str] = None
    probability: Optional[float] = None     # None: each one that matches
    seed: int = 0
    count: int = 1
    forever: bool = False
    skip: int = 0
    args: dict[str, Any] = field(default_factory=dict)
    number: int = field(default_factory=lambda: next(_numbers))
    hits: int = 0

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed).random

    def matches(self, path: str, exchange: Optional[Exchange]) -> bool:
        """Whether it is meant for this request, or this connection; draws if it is by chance."""
        if self.path not in ("*", path):
            return False
        if exchange is None:
            return self._drawn()
        family = exchange.refresh.family.id if exchange.refresh else None
        return (self.client_id in (None, exchange.client_id)
                and self.user in (None, exchange.user)
                and self.refresh_token in (None, exchange.params.get("refresh_token"))
                and self.grant in (None, family)
                and self.grant_type in (None, exchange.params.get("grant_type"))
                and self._drawn())

    def _drawn(self) -> bool:
        return self.probability is None or self._draw() < self.probability


def _full_path(path: str) -> str:
    if path in ("*", CONNECT) or path.startswith("/"):
        return path
    return "/services/oauth2/" + path


class Faults:
    """The rules, in the order in which they were given."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []

    def add(self, spec: dict[str, Any]) -> Fault:
        """A rule from the control interface; ValueError or TypeError if it is none."""
        rule = Fault(**spec)
        if rule.kind in CONNECT_KINDS:
            rule.path = CONNECT
        elif rule.kind not in KINDS:
            raise ValueError(f"no fault is called {rule.kind!r}")
        elif rule.path == CONNECT:
            raise ValueError(f"{rule.kind} is no fault of a connection")
        else:
            inspect.signature(KINDS[rule.kind]).bind(None, **rule.args)
        rule.path = _full_path(rule.path)
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        self._rules.clear()

    def take(self, path: str, exchange: Optional[Exchange] = None) -> Optional[Fault]:
        """The rule that spoils this request, counted down; None as a rule."""
        for rule in self._rules:
            if not rule.matches(path, exchange):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            rule.hits += 1
            if not rule.forever:
                rule.count -= 1
                if rule.count <= 0:
                    self._rules.remove(rule)
            return rule
        return None

    def describe(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self._rules]
