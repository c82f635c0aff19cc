# SPDX-License-Identifier: Apache-2.0
"""What the token endpoint gives for a login of a person: always a new session, and a refresh token
if the scopes say so. No grant by itself."""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional

from ..exchange import Exchange
from ..families import Family
from ..scopes import wants_refresh
from ..sessions import Session
from ..settings import App
from . import Granted

Then = Callable[[Session, Optional[Family]], None]


def logged_in(exchange: Exchange, app: App, user: str, scopes: str, then: Then,
              nonce: Optional[str] = None) -> Granted:
    """The grant of a login; then() is called once nothing can refuse it."""
    granted = Granted(exchange.client_id or "", app, user, scopes, True, fresh=True, nonce=nonce)
    granted.done = functools.partial(_done, exchange, granted, then)
    return granted


def begin_family(exchange: Exchange, app: App, granted: Granted, session: Session) -> Family:
    """The refresh token of a login; the oldest of too many ends."""
    world = exchange.world
    family = world.families.begin(granted.user, granted.client_id, granted.scopes, None,
                                  world.setting(app, "max_grants"))
    world.families.own(family, session)
    exchange.log.update(grant=family.id, number=1)
    return family


def _done(exchange: Exchange, granted: Granted, then: Then, session: Session) -> dict[str, Any]:
    family = None
    if wants_refresh(granted.scopes):
        family = begin_family(exchange, granted.app, granted, session)
        exchange.delivery = exchange.world.families.deliver(family, exchange.log["seq"])
        exchange.log["reply"] = exchange.delivery.facts
    exchange.log["sub"] = granted.user
    then(session, family)
    return {"refresh_token": family.current.text} if family else {}
