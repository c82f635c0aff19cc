# SPDX-License-Identifier: Apache-2.0
"""The server: listening sockets, and the way of a request through log, faults and endpoints."""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import sslproto
from pathlib import Path
from typing import Any, Optional

from . import endpoints, grants
from .ca import Authority
from .clock import Clock
from .dialect import OAUTH
from .exchange import Exchange, World
from .faultkinds import KINDS, Spoiled
from .families import Families
from .faults import CONNECT, Fault, Faults
from .http1 import Answer, Connection, Request, Response
from .logins import Logins
from .people import People
from .requestlog import RequestLog
from .sessions import Sessions

BACKLOG = 4096


class Silent(asyncio.Protocol):
    """A connection that is accepted and then left alone, or told plain text."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._kind == "reset":
            transport.abort()
        elif self._kind == "plain_text":
            transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            transport.close()


class Tls(sslproto.SSLProtocol):
    """TLS that tells the connection of a FIN before it answers it by bytes that nobody reads."""

    def __init__(self, connection: Connection, context: ssl.SSLContext) -> None:
        # what loop.create_server(ssl=...) does, but with a context chosen for each connection
        nobody_waits: Any = None
        super().__init__(asyncio.get_running_loop(), connection, context, nobody_waits,
                         server_side=True)
        self._connection: Optional[Connection] = connection

    def eof_received(self) -> Any:
        if self._connection:
            self._connection.peer_closed("fin")
        return super().eof_received()

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        super().connection_lost(exc)
        self._connection = None     # or 256 KiB of buffers would wait for the collector


class Server:
    """One stand-in."""

    def __init__(self, directory: Path, http: bool, time_scale: float, port: int = 0,
                 name: str = "") -> None:
        clock = Clock(time_scale)
        self.world = World(clock, Sessions(clock), Logins(clock), Families(clock))
        self.world.settings.time_scale = time_scale
        self.log = RequestLog()
        self.faults = Faults()
        self.connections: set[Connection] = set()
        self.accepted = 0
        self.port = port
        self._http = http
        self._authority = Authority(directory, name)
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._listeners: list[asyncio.AbstractServer] = []
        grants.load()

    # -- listening -------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Listen on 127.0.0.1 and, where there is IPv6, on ::1 with the same port."""
        loop = asyncio.get_running_loop()
        main = await loop.create_server(self._accept, "127.0.0.1", self.port, backlog=BACKLOG)
        self._listeners = [main]
        self.port = main.sockets[0].getsockname()[1]
        self.world.origin = f"{'http' if self._http else 'https'}://127.0.0.1:{self.port}"
        if socket.has_ipv6:
            try:
                self._listeners.append(await loop.create_server(
                    self._accept, "::1", self.port, backlog=BACKLOG))
            except OSError:
                pass        # no ::1 here, or somebody else has that port on it

    async def unlisten(self) -> None:
        """Refuse new connections; those that are open stay."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close()

    @property
    def listening(self) -> bool:
        return bool(self._listeners)

    def _accept(self) -> asyncio.BaseProtocol:
        self.accepted += 1
        fault = self.faults.take(CONNECT)
        if fault:
            return Silent(fault.kind)
        connection = Connection(self.handle, self.connections, self.date)
        if self._http:
            return connection
        return Tls(connection, self._context())

    def _context(self) -> ssl.SSLContext:
        kind = self.world.settings.tls
        if kind not in self._contexts:
            self._contexts[kind] = self._authority.context(kind)
        return self._contexts[kind]

    def date(self) -> Optional[float]:
        """For the Date header: the server's wall clock."""
        return self.world.clock.wall() if self.world.settings.date_header else None

    # -- a request -------------------------------------------------------------------------------

    def handle(self, connection: Connection, request: Request) -> Answer:
        """Answer at once, or give the work that will."""
        exchange = Exchange(self.world, request)
        entry = self.log.begin(exchange)
        exchange.enter()
        connection.spent |= exchange.spends
        fault = self.faults.take(exchange.path, exchange)
        latency = self.world.settings.latency_s if exchange.path.startswith(OAUTH) else 0.0
        if fault:
            entry["fault"] = fault.kind
            return self._spoil(connection, exchange, fault)
        if latency > 0:
            return self._spoil(connection, exchange, Fault("delay", args={"seconds": latency}))
        response = self._process(exchange)
        self.log.end(exchange, response.status)
        return response

    def _process(self, exchange: Exchange) -> Response:
        response = endpoints.answer(exchange)
        exchange.leave()
        if not self.world.settings.keep_alive:
            response.close = True
        return response

    async def _spoil(self, connection: Connection, exchange: Exchange,
                     fault: Fault) -> Optional[Response]:
        spoiled = Spoiled(connection, lambda: self._process(exchange))
        response = None
        try:
            response = await KINDS[fault.kind](spoiled, **fault.args)
        finally:
            exchange.leave()
            if exchange.delivery and not spoiled.delivered(exchange.delivery, response):
                exchange.delivery.lost(None, fault.kind)
            self.log.end(exchange, response.status if response else spoiled.status)
        return response

    def reset(self, log_only: bool) -> None:
        """Forget what happened; the configuration stays."""
        self.log.clear()
        if log_only:
            return
        self.faults.clear()
        self.world.sessions = Sessions(self.world.clock)
        self.world.families = Families(self.world.clock)
        self.world.logins.reset()
        self.world.people = People()
        self.world.user_agent = ""

    def disconnect(self) -> int:
        """Reset all open connections."""
        connections = list(self.connections)
        for connection in connections:
            connection.transport.abort()
        return len(connections)

    def stats(self) -> dict[str, Any]:
        return {"requests": dict(self.log.by_path), "seq": self.log.seq,
                "open_connections": len(self.connections), "accepted": self.accepted,
                "sessions": len(self.world.sessions), "listening": self.listening}
