# SPDX-License-Identifier: Apache-2.0
"""The grants of the token endpoint. Each file of this folder registers its own; a further one
only has to be put here."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from ..exchange import Exchange
from ..families import Family
from ..sessions import Session
from ..settings import App


@dataclass
class Granted:
    """What a grant yields; the token endpoint makes session and answer from it."""

    client_id: str
    app: App
    user: str
    scopes: str
    signed: bool                # with issued_at and signature
    extra: dict[str, Any] = field(default_factory=dict)
    family: Optional[Family] = None     # of a refresh: always a new session
    fresh: bool = False                 # of a login: always a new session, too
    nonce: Optional[str] = None         # for the ID token
    done: Optional[Callable[[Session], dict[str, Any]]] = None  # once nothing can refuse it


@dataclass(frozen=True)
class Grant:
    """One grant_type: the parameters that our client may send with it, and what it does."""

    name: str
    parameters: frozenset[str]
    run: Callable[[Exchange], Granted]


# the parameters of client authentication
CLIENT = ("client_id", "client_secret", "client_assertion", "client_assertion_type")

GRANTS: dict[str, Grant] = {}


def register(grant_type: str, name: str, *parameters: str) -> Callable[
        [Callable[[Exchange], Granted]], Callable[[Exchange], Granted]]:
    """Decorator: this function is the grant of that grant_type."""
    def add(run: Callable[[Exchange], Granted]) -> Callable[[Exchange], Granted]:
        GRANTS[grant_type] = Grant(name, frozenset(("grant_type", *parameters)), run)
        return run
    return add


def load() -> None:
    """Import every grant of this folder."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
