# SPDX-License-Identifier: Apache-2.0
"""The control interface: plain HTTP and JSON on a port of its own, for tests only."""

from __future__ import annotations

import json
from typing import Any, Awaitable, Callable, Optional, Union
from urllib.parse import parse_qs

from . import interactive
from .http1 import Answer, Connection, Request, Response
from .server import Server
from .settings import App, User, merged

CONFIG_MAX = 64 * 1024 * 1024     # thousands of apps with their certificates
Reply = Union[dict[str, Any], Awaitable[dict[str, Any]]]
Method = Callable[[dict[str, Any]], Reply]


def _json(value: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(value).encode(), "application/json")


class Control:
    """The methods, and the table of them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._world = server.world
        self._testers: set[Connection] = set()
        self._methods: dict[tuple[str, str], Method] = {
            ("POST", "/config"): self.configure,
            ("GET", "/config"): self._show,
            ("POST", "/fault"): self._fault,
            ("GET", "/fault"): lambda _: {"faults": server.faults.describe()},
            ("DELETE", "/fault"): self._clear_faults,
            ("GET", "/requests"): self._requests,
            ("GET", "/problems"): lambda _: {"problems": server.log.problems},
            ("GET", "/sessions"): lambda _: {"sessions": self._world.sessions.describe()},
            ("GET", "/stats"): lambda _: server.stats(),
            ("POST", "/grants"): self._new_grants,
            ("POST", "/grants/show"): self._grants,
            ("POST", "/grants/revoke"): self._revoke_grants,
            ("POST", "/refresh_token"): self._refresh_token,
            ("GET", "/replies"): self._replies,
            ("GET", "/alarms"): lambda _: {"alarms": self._world.families.alarms},
            ("GET", "/counters"): lambda _: self._world.families.counters(),
            ("GET", "/devices"): lambda _: interactive.devices(self._world),
            ("POST", "/devices/decide"): lambda body: interactive.decide(self._world, **body),
            ("POST", "/codes"): lambda body: interactive.new_code(self._world, **body),
            ("POST", "/live"): self._live,
            ("POST", "/kill"): self._kill,
            ("POST", "/advance"): self._advance,
            ("POST", "/reset"): self._reset,
            ("POST", "/disconnect"): lambda _: {"disconnected": server.disconnect()},
            ("POST", "/listen"): self._listen,
        }

    def connection(self) -> Connection:
        """One tester's connection."""
        return Connection(self.handle, self._testers, body_max=CONFIG_MAX)

    def handle(self, _: Connection, request: Request) -> Answer:
        """One call. Mistakes of the caller are 400 with a text."""
        method = self._methods.get((request.method, request.path))
        if method is None:
            return _json({"error": f"no {request.method} {request.path} here"}, 404)
        try:
            body = json.loads(request.body) if request.body else {}
            body |= {name: values[0] for name, values in parse_qs(request.query).items()}
            reply = method(body)
        except (ValueError, TypeError, KeyError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)
        return _json(reply) if isinstance(reply, dict) else self._later(reply)

    @staticmethod
    async def _later(reply: Awaitable[dict[str, Any]]) -> Optional[Response]:
        return _json(await reply)

    def configure(self, body: dict[str, Any]) -> dict[str, Any]:
        """Merge a configuration; nothing changes if any of it is wrong."""
        unknown = set(body) - {"settings", "apps", "users"}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        world = self._world
        settings = merged(world.settings, body.get("settings", {}))
        apps = {name: None if fields is None else merged(world.apps.get(name, App()), fields)
                for name, fields in body.get("apps", {}).items()}
        users = {name: None if fields is None else merged(world.users.get(name, User()), fields)
                 for name, fields in body.get("users", {}).items()}
        world.settings = settings
        if world.clock.scale != settings.time_scale:
            world.clock.scale = settings.time_scale
        world.clock.offset = settings.clock_offset_s
        _update(world.apps, apps)
        _update(world.users, users)
        return {"apps": len(world.apps), "users": len(world.users)}

    def _show(self, _: dict[str, Any]) -> dict[str, Any]:
        world = self._world
        return {"settings": vars(world.settings), "apps": sorted(world.apps),
                "users": sorted(world.users)}

    def _fault(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"fault": self._server.faults.add(body).number}

    def _clear_faults(self, _: dict[str, Any]) -> dict[str, Any]:
        self._server.faults.clear()
        return {}

    def _requests(self, body: dict[str, Any]) -> dict[str, Any]:
        log = self._server.log
        return {"seq": log.seq, "requests": log.since(int(body.get("since", 0)))}

    def _new_grants(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"grants": interactive.log_in(self._world, body["grants"])}

    def _grants(self, body: dict[str, Any]) -> dict[str, Any]:
        with_tokens = bool(body.pop("tokens", True))
        return {"grants": [family.describe(with_tokens)
                           for family in self._world.families.select(**body)]}

    def _revoke_grants(self, body: dict[str, Any]) -> dict[str, Any]:
        families = self._world.families
        return {"revoked": sum([families.end(f, "revoked") for f in families.select(**body)])}

    def _refresh_token(self, body: dict[str, Any]) -> dict[str, Any]:
        token = self._world.families.find(body["token"])
        if token is None:
            raise ValueError("no refresh token of this stand-in")
        return token.describe()

    def _replies(self, body: dict[str, Any]) -> dict[str, Any]:
        replies = self._world.families.replies[int(body.get("since", 0)):]
        return {"replies": [delivery.facts for delivery in replies]}

    def _live(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"live": self._world.sessions.live(body["token"]) is not None}

    def _kill(self, body: dict[str, Any]) -> dict[str, Any]:
        killed = self._world.sessions.kill(body.get("token"), body.get("client_id"),
                                           body.get("user"))
        return {"killed": killed}

    def _advance(self, body: dict[str, Any]) -> dict[str, Any]:
        self._world.clock.advance(float(body["seconds"]))
        return {"now": self._world.clock.now()}

    def _reset(self, body: dict[str, Any]) -> dict[str, Any]:
        self._server.reset(bool(body.get("log_only")))
        return {}

    async def _listen(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["on"] and not self._server.listening:
            await self._server.listen()
        elif not body["on"]:
            await self._server.unlisten()
        return {"listening": self._server.listening}


def _update(into: dict[str, Any], changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if value is None:
            into.pop(name, None)
        else:
            into[name] = value
