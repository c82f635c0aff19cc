# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 on an asyncio protocol: just what the stand-in needs, and quick."""

from __future__ import annotations

import asyncio
import email.utils
import itertools
import time
import traceback
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Awaitable, Callable, Optional, Union

from . import chunked
from .delivery import Delivery

HEAD_MAX = 64 * 1024
BODY_MAX = 1024 * 1024
CHUNKED = -1                # instead of the body's length
LINGER = 5.0                # for a client to close after its last answer

_numbers = itertools.count(1)


class BadRequest(Exception):
    """The bytes are no request that we can answer."""


@dataclass(slots=True)
class Request:
    """One request as it came. Header names are in lower case, in the order of arrival."""

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int
    first_line: str = ""
    ordinal: int = 1            # the how manieth of its connection
    after_spend: bool = False   # a refresh token came earlier on this connection

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str:
        """The first header of that name, or ''."""
        return next((v for n, v in self.headers if n == name), "")

    def names(self) -> list[str]:
        return [n for n, _ in self.headers]


@dataclass(slots=True)
class Response:
    """One answer. length None: as long as the body is."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json;charset=UTF-8"
    headers: list[tuple[str, str]] = field(default_factory=list)
    close: bool = False
    delivery: Optional[Delivery] = None     # whoever writes this answer reports to it

    def head(self, framing: str, date: Optional[float]) -> bytes:
        """Status line and headers; framing is the Content-Length or Transfer-Encoding line."""
        try:
            reason = HTTPStatus(self.status).phrase
        except ValueError:
            reason = "Other"
        lines = [f"HTTP/1.1 {self.status} {reason}"]
        if date is not None:
            lines.append("Date: " + email.utils.formatdate(date, usegmt=True))
        if self.content_type:
            lines.append("Content-Type: " + self.content_type)
        lines += [f"{name}: {value}" for name, value in self.headers]
        if framing:
            lines.append(framing)
        if self.close:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def encode(self, date: Optional[float]) -> bytes:
        return self.head(f"Content-Length: {len(self.body)}", date) + self.body


def _parse_head(head: bytes, connection: int) -> Request:
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/"):
        raise BadRequest("request line")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise BadRequest("header line")
        headers.append((name.lower(), value.strip()))
    return Request(parts[0], parts[1], parts[2], headers, b"", connection, lines[0])


def _body_length(request: Request, maximum: int) -> int:
    if request.header("transfer-encoding").lower() == "chunked" \
            and "content-length" not in request.names():
        return CHUNKED
    if "transfer-encoding" in request.names():
        raise BadRequest("Transfer-Encoding")
    length = request.header("content-length") or "0"
    if not length.isdecimal() or int(length) > maximum:
        raise BadRequest("Content-Length")
    return int(length)


Answer = Union[None, Response, Awaitable[Optional[Response]]]
Handler = Callable[["Connection", Request], Answer]


class Connection(asyncio.Protocol):
    """One client. The handler answers a request at once, or later from a task of its own."""

    def __init__(self, handler: Handler, connections: set["Connection"],
                 date: Callable[[], Optional[float]] = time.time,
                 body_max: int = BODY_MAX) -> None:
        self.number = next(_numbers)
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.closed = asyncio.Event()
        self.date = date
        self.spent = False              # a refresh token has come on this connection
        self._requests = 0
        self._delivery: Optional[Delivery] = None
        self._handler = handler
        self._body_max = body_max
        self._connections = connections
        self._buffer = bytearray()
        self._head: Optional[Request] = None
        self._missing = 0
        self._task: Optional[asyncio.Task[None]] = None
        self._writable = asyncio.Event()
        self._writable.set()

    # -- asyncio's calls -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._connections.add(self)

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self.closed.set()
        self._writable.set()
        if self._delivery:
            self._delivery.lost(exc)
        self._connections.discard(self)
        if self._task:
            self._task.cancel()

    def eof_received(self) -> None:
        """The client says that it is done: by close_notify, or by FIN where there is no TLS."""
        tls = self.transport.get_extra_info("ssl_object") is not None
        self.peer_closed("close_notify" if tls else "fin")

    def peer_closed(self, how: str) -> None:
        """No more will come; what has been written was read, or never will be."""
        if self._delivery:
            self._delivery.closed(self.transport, how)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._advance()

    # -- reading ---------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Answer the requests that are complete, until one needs a task."""
        try:
            while self._task is None and not self.transport.is_closing():
                request = self._take()
                if request is None:
                    return
                self._answer(request)
        except BadRequest as error:
            self.write(Response(400, str(error).encode(), "text/plain", close=True))

    def _take(self) -> Optional[Request]:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > HEAD_MAX:
                    raise BadRequest("headers too long")
                return None
            self._head = _parse_head(bytes(self._buffer[:end]), self.number)
            del self._buffer[:end + 4]
            self._missing = _body_length(self._head, self._body_max)
            if self._head.header("expect") and len(self._buffer) < self._missing:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._take_body()
        if body is None:
            return None
        request, self._head = self._head, None
        self._requests += 1
        request.ordinal, request.after_spend = self._requests, self.spent
        request.body = body
        return request

    def _take_body(self) -> Optional[bytes]:
        """The whole body, or None."""
        if self._missing == CHUNKED:
            try:
                return chunked.take(self._buffer, self._body_max)
            except ValueError as error:
                raise BadRequest(f"chunked body: {error}") from None
        if len(self._buffer) < self._missing:
            return None
        body = bytes(self._buffer[:self._missing])
        del self._buffer[:self._missing]
        return body

    # -- answering -------------------------------------------------------------------------------

    def _answer(self, request: Request) -> None:
        if self._delivery:
            self._delivery.closed(self.transport, "next_request")
        answer = self._handler(self, request)
        if isinstance(answer, Response):
            self.write(answer, request)
        elif answer is not None:
            self._task = asyncio.get_running_loop().create_task(self._later(answer, request))

    async def _later(self, answer: Awaitable[Optional[Response]], request: Request) -> None:
        try:
            response = await answer
            if response is not None:
                self.write(response, request)
        except Exception:
            traceback.print_exc()
            self.transport.abort()
        finally:
            self._task = None
        self._advance()

    def write(self, response: Response, request: Optional[Request] = None) -> None:
        """A whole answer; closes when one of the two sides wishes it."""
        if request and (request.version != "HTTP/1.1"
                        or request.header("connection").lower() == "close"):
            response.close = True
        self.follow(response.delivery)
        self.transport.write(response.encode(self.date()))
        self.followed(response.close)

    def follow(self, delivery: Optional[Delivery]) -> None:
        """What is written next is that answer."""
        self._delivery = delivery
        if delivery:
            delivery.begin(self.transport)

    def followed(self, close: bool) -> None:
        """All of the answer is written. The client closes first, or our end stays unread."""
        if self._delivery and self._delivery.open:
            self._delivery.written()
            if close:
                asyncio.get_running_loop().call_later(LINGER, self.transport.close)
        elif close:
            self.transport.close()

    async def send(self, data: bytes) -> bool:
        """Some bytes, not faster than the client reads them; False once it has gone."""
        if self.closed.is_set() or self.transport.is_closing():
            return False
        self.transport.write(data)
        await asyncio.sleep(0)      # or we would never hear that the client has gone
        await self._writable.wait()
        return not self.closed.is_set()

    async def sleep(self, seconds: Optional[float]) -> bool:
        """Wait; False if the client left meanwhile. None: wait until it leaves."""
        try:
            await asyncio.wait_for(self.closed.wait(), seconds)
        except asyncio.TimeoutError:
            return True
        return False
