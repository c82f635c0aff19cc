# SPDX-License-Identifier: Apache-2.0
"""What a person's login in a browser would leave behind: a grant with its first two tokens."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

from .exchange import Exchange, World
from .grants import Granted
from .http1 import Request
from .tokens import answer, begin_session


@dataclasses.dataclass
class Login:
    """Who lets which app in. Unknown members are refused with TypeError."""

    user: str
    client_id: str
    rotating: Optional[bool] = None     # None: as the app has it
    scopes: Optional[str] = None        # None: all of the app's


def log_in(world: World, specs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of the token endpoint to so many logins; ValueError if one cannot be."""
    asked = [Login(**spec) for spec in specs]
    for login in asked:
        if login.client_id not in world.apps:
            raise ValueError(f"no app {login.client_id!r}")
        if login.user not in world.users:
            raise ValueError(f"no user {login.user!r}")
    exchange = Exchange(world, Request("GET", "/services/oauth2/authorize", "HTTP/1.1", [], b"", 0))
    return [_one(exchange, login) for login in asked]


def _one(exchange: Exchange, login: Login) -> dict[str, Any]:
    world = exchange.world
    app = world.apps[login.client_id]
    scopes = app.scopes if login.scopes is None else login.scopes
    family = world.families.begin(login.user, login.client_id, scopes, login.rotating,
                                  world.setting(app, "max_grants"))
    granted = Granted(login.client_id, app, login.user, scopes, True, family=family)
    session = begin_session(exchange, granted)
    world.families.own(family, session)
    return answer(exchange, granted, session) | {
        "refresh_token": family.current.text, "grant": family.id, "user": login.user,
        "client_id": login.client_id}
