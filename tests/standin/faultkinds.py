# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with one request. A kind is a coroutine: it gets the Spoiled request and its
args, and returns an answer to be written as usual, or None when it has done everything itself."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any, Awaitable, Callable, Optional

from .errors import forced
from .delivery import Delivery
from .http1 import Connection, Response
from .tokens import error_response

HTML = b"<!DOCTYPE html><html><head><title>Down</title></head><body>We are down for maintenance"
CHUNK = b"x" * 65536


class Spoiled:
    """A request that a fault has hit: its connection, and the way to process it after all."""

    def __init__(self, connection: Connection, process: Callable[[], Response]) -> None:
        self.connection = connection
        self.process = process
        self.status: Optional[int] = None
        self.whole = False          # the kind itself has sent all of the answer

    def delivered(self, delivery: Delivery, response: Optional[Response]) -> bool:
        """Whether the client could still get this answer: all of it, from whom ever."""
        return self.whole or (response is not None and response.delivery is delivery)

    async def send_whole(self, response: Response, sender: Awaitable[bool]) -> None:
        """sender writes the complete answer."""
        self.connection.follow(response.delivery)
        self.whole = await sender
        if self.whole:
            self.connection.followed(True)

    async def send(self, data: bytes) -> bool:
        return await self.connection.send(data)

    async def sleep(self, seconds: Optional[float]) -> bool:
        return await self.connection.sleep(seconds)

    def close(self) -> None:
        self.connection.transport.close()

    def abort(self) -> None:
        self.connection.transport.abort()

    def head(self, response: Response, framing: str = "") -> bytes:
        """The head of an answer whose body we send ourselves."""
        self.status = response.status
        response.close = True
        return response.head(framing, self.connection.date())


Outcome = Awaitable[Optional[Response]]
Kind = Callable[..., Outcome]
KINDS: dict[str, Kind] = {}


def kind(function: Kind) -> Kind:
    """Decorator: a kind of fault, called like the function."""
    KINDS[function.__name__.rstrip("_")] = function
    return function


# -- time and the connection ---------------------------------------------------------------------

@kind
async def delay(spoiled: Spoiled, seconds: float = 1.0, after: bool = False) -> Optional[Response]:
    """Wait, then answer; after=True: process first, then wait."""
    response = spoiled.process() if after else None
    if not await spoiled.sleep(seconds):
        return None
    return response or spoiled.process()


@kind
async def hang(spoiled: Spoiled, processed: bool = False) -> Optional[Response]:
    """Never answer."""
    if processed:
        spoiled.process()
    await spoiled.sleep(None)
    return None


@kind
async def drop_before(spoiled: Spoiled, reset: bool = False) -> Optional[Response]:
    """Close without having processed anything."""
    (spoiled.abort if reset else spoiled.close)()
    return None


@kind
async def drop_after(spoiled: Spoiled, reset: bool = False) -> Optional[Response]:
    """Process, then close without an answer: the lost reply."""
    spoiled.process()
    (spoiled.abort if reset else spoiled.close)()
    return None


@kind
async def truncate(spoiled: Spoiled, n: int = 40, length: bool = True) -> Optional[Response]:
    """n bytes of the body; length: with the Content-Length of the whole, else until close."""
    response = spoiled.process()
    framing = f"Content-Length: {len(response.body)}" if length else ""
    data = spoiled.head(response, framing) + response.body[:n]
    if n < len(response.body):
        await spoiled.send(data)
        spoiled.close()
    else:
        await spoiled.send_whole(response, spoiled.send(data))
    return None


@kind
async def half_close(spoiled: Spoiled, n: int = 40) -> Optional[Response]:
    """A part of the answer, then FIN; our side goes on reading for ever."""
    response = spoiled.process()
    head = spoiled.head(response, f"Content-Length: {len(response.body)}")
    await spoiled.send(head + response.body[:n])
    spoiled.connection.transport.get_extra_info("socket").shutdown(1)
    await spoiled.sleep(None)
    return None


@kind
async def slow_body(spoiled: Spoiled, bytes_per_s: float = 1.0) -> Optional[Response]:
    """The whole answer, a byte at a time."""
    response = spoiled.process()
    await spoiled.send(spoiled.head(response, f"Content-Length: {len(response.body)}"))
    await spoiled.send_whole(response, _trickle(spoiled, response.body, bytes_per_s))
    return None


@kind
async def slow_headers(spoiled: Spoiled, bytes_per_s: float = 1.0) -> Optional[Response]:
    """Even the status line comes a byte at a time."""
    response = spoiled.process()
    head = spoiled.head(response, f"Content-Length: {len(response.body)}")
    await spoiled.send_whole(response, _trickle(spoiled, head + response.body, bytes_per_s))
    return None


async def _trickle(spoiled: Spoiled, data: bytes, bytes_per_s: float) -> bool:
    for byte in data[:-1]:
        if not await spoiled.send(bytes((byte,))) or not await spoiled.sleep(1 / bytes_per_s):
            return False
    return await spoiled.send(data[-1:])


# -- too much ------------------------------------------------------------------------------------

@kind
async def huge(spoiled: Spoiled, mb: float = 200, status: int = 200) -> Optional[Response]:
    """mb megabytes in chunks; never holds more than the client has room for."""
    head = spoiled.head(Response(status), "Transfer-Encoding: chunked")
    go_on = await spoiled.send(head)
    chunk = b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK)
    for _ in range(int(mb * 16)):
        if not go_on:
            return None
        go_on = await spoiled.send(chunk)
    await spoiled.send(b"0\r\n\r\n")
    spoiled.close()
    return None


@kind
async def huge_length(spoiled: Spoiled, length: int = 10 ** 12) -> Optional[Response]:
    """A Content-Length beyond all reason (or negative), then nothing."""
    await spoiled.send(spoiled.head(Response(200), f"Content-Length: {length}"))
    await spoiled.sleep(None)
    return None


@kind
async def many_headers(spoiled: Spoiled, n: int = 10_000) -> Optional[Response]:
    """n headers before the real answer."""
    response = spoiled.process()
    response.headers += [(f"X-Filler-{i}", "x" * 64) for i in range(n)]
    return response


@kind
async def informational(spoiled: Spoiled, n: int = 100_000,
                        then_answer: bool = True) -> Optional[Response]:
    """A flood of n interim answers, 103."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100
    for _ in range(max(1, n // 100)):
        if not await spoiled.send(interim):
            return None
    return spoiled.process() if then_answer else None


@kind
async def gzip_bomb(spoiled: Spoiled, mb: int = 200) -> Optional[Response]:
    """A small gzip body that grows to mb megabytes, though nobody asked for gzip."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = b""
    for _ in range(mb * 16):
        body += squeeze.compress(CHUNK)
        await asyncio.sleep(0)      # others are answered meanwhile
    return Response(200, body + squeeze.flush(), headers=[("Content-Encoding", "gzip")])


# -- other answers -------------------------------------------------------------------------------

@kind
async def html(spoiled: Spoiled, status: int = 200, text: str = "") -> Optional[Response]:
    """A maintenance page."""
    return Response(status, text.encode() or HTML + b"</body></html>", "text/html;charset=UTF-8")


@kind
async def gateway(spoiled: Spoiled, status: int = 502, after: bool = False) -> Optional[Response]:
    """A page of the gateway in front, 502 or 504, before or after processing."""
    if after:
        spoiled.process()
    text = f"{status} {'Gateway Time-out' if status == 504 else 'Bad Gateway'}"
    page = (f"<html>\r\n<head><title>{text}</title></head>\r\n<body>\r\n"
            f"<center><h1>{text}</h1></center>\r\n</body>\r\n</html>\r\n")
    return Response(status, page.encode(), "text/html")


@kind
async def redirect(spoiled: Spoiled, status: int = 302,
                   location: str = "https://127.0.0.1:1/") -> Optional[Response]:
    """Go elsewhere."""
    return Response(status, b"", "text/html", [("Location", location)])


@kind
async def retry_after(spoiled: Spoiled, status: int = 429,
                      values: Any = "1") -> Optional[Response]:
    """429 or 503 with Retry-After: any string, or a list for several headers."""
    many = values if isinstance(values, list) else [values]
    body = json.dumps({"error": "temporarily_unavailable", "error_description": "slow down"})
    return Response(status, body.encode(), headers=[("Retry-After", str(v)) for v in many])


@kind
async def status(spoiled: Spoiled, status: int = 500, body: str = "",
                 content_type: str = "text/plain",
                 headers: Optional[list[list[str]]] = None) -> Optional[Response]:
    """Any answer."""
    return Response(status, body.encode(), content_type, [(n, v) for n, v in headers or []])


@kind
async def raw(spoiled: Spoiled, text: str = "garbage\r\n\r\n",
              processed: bool = False) -> Optional[Response]:
    """Any bytes (latin-1) instead of an answer, then close."""
    if processed:
        spoiled.process()
    await spoiled.send(text.encode("latin-1"))
    spoiled.close()
    return None


@kind
async def oauth_error(spoiled: Spoiled, error: str = "server_error",
                      **parts: Any) -> Optional[Response]:
    """An error of errors.py by its name, or with error_description and status: that very one."""
    return error_response(forced({"error": error, **parts} if parts else error))


@kind
async def server_error(spoiled: Spoiled, status: int = 500) -> Optional[Response]:
    """The JSON error server_error."""
    response = error_response(forced("server_error"))
    response.status = status
    return response


@kind
async def unknown_error(spoiled: Spoiled) -> Optional[Response]:
    """unknown_error, retry your request."""
    return error_response(forced("unknown_error"))


# -- bodies that are nearly right ----------------------------------------------------------------

def _edited(spoiled: Spoiled, **changes: Any) -> Response:
    """The real answer with some members set."""
    response = spoiled.process()
    response.body = json.dumps(json.loads(response.body) | changes).encode()
    return response


@kind
async def edit(spoiled: Spoiled, set: Optional[dict[str, Any]] = None,
               remove: Optional[list[str]] = None) -> Optional[Response]:
    """The real answer with members set and removed."""
    response = _edited(spoiled, **(set or {}))
    value = json.loads(response.body)
    left = {name: value[name] for name in value if name not in (remove or [])}
    response.body = json.dumps(left).encode()
    return response


@kind
async def duplicate_keys(spoiled: Spoiled, name: str = "access_token",
                         value: str = "00Dother!duplicate") -> Optional[Response]:
    """The same member twice."""
    response = spoiled.process()
    twice = b", %b: %b}" % (json.dumps(name).encode(), json.dumps(value).encode())
    response.body = response.body[:-1] + twice
    return response


@kind
async def content_type(spoiled: Spoiled, value: str = "text/html") -> Optional[Response]:
    """The right body under a wrong name; '' for none at all."""
    response = spoiled.process()
    response.content_type = value
    return response


@kind
async def empty(spoiled: Spoiled, status: int = 200) -> Optional[Response]:
    """No body."""
    spoiled.process()
    return Response(status, b"")


@kind
async def trailing(spoiled: Spoiled, text: str = " garbage") -> Optional[Response]:
    """Something after the JSON object."""
    response = spoiled.process()
    response.body += text.encode()
    return response


@kind
async def bom(spoiled: Spoiled) -> Optional[Response]:
    """A byte order mark before the JSON object."""
    response = spoiled.process()
    response.body = b"\xef\xbb\xbf" + response.body
    return response


@kind
async def bad_token(spoiled: Spoiled, insert: str = "\0") -> Optional[Response]:
    """NUL, CR, LF, a space or anything in the middle of the token, escaped as JSON wants it."""
    token = json.loads(spoiled.process().body).get("access_token", "")
    return _edited(spoiled, access_token=token[:20] + insert + token[20:])


@kind
async def big_token(spoiled: Spoiled, length: int = 17 * 1024) -> Optional[Response]:
    """A token of so many bytes."""
    return _edited(spoiled, access_token="00Dxx0000001gPL!" + "A" * (length - 16))


@kind
async def instance_url(spoiled: Spoiled, value: str = "http://127.0.0.1/") -> Optional[Response]:
    """Another instance_url."""
    return _edited(spoiled, instance_url=value)
