# SPDX-License-Identifier: Apache-2.0
"""What people would do and leave behind, done at once for a test."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

from .exchange import Exchange, World
from .grants import Granted
from .http1 import Request
from .people import Code
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


def new_code(world: World, user: str, client_id: str, redirect_uri: str,
             challenge: Optional[str] = None, scopes: Optional[str] = None) -> dict[str, Any]:
    """An authorization code; ValueError for an unknown app or user."""
    if client_id not in world.apps or user not in world.users:
        raise ValueError("no such app or user")
    wanted = world.apps[client_id].scopes if scopes is None else scopes
    code = Code(client_id, user, wanted, redirect_uri, challenge, None, world.clock.now())
    return {"code": world.people.new_code(code, world.settings.dialect == "salesforce")}


def devices(world: World) -> dict[str, Any]:
    """All device logins."""
    now = world.clock.now()
    return {"devices": [
        {"user_code": d.user_code, "client_id": d.client_id, "scope": d.scopes, "rfc": d.rfc,
         "state": d.state, "user": d.user, "polls": d.polls, "interval": d.interval,
         "age_s": now - d.created} for d in world.people.devices]}


def decide(world: World, user_code: str, user: str, allow: bool = True) -> dict[str, Any]:
    """A person lets a device in, or not; ValueError for an unknown code or user."""
    device = world.people.by_user_code(user_code)
    if device is None or device.state != "pending":
        raise ValueError(f"no device waits with the code {user_code!r}")
    if user not in world.users:
        raise ValueError(f"no user {user!r}")
    device.state, device.user = ("approved", user) if allow else ("denied", None)
    return {}
