# SPDX-License-Identifier: Apache-2.0
"""Every kind of fault, as a client sees it. Run by test_standin.py."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import time
import zlib
from typing import Any, Callable, Iterator

from .errors import ERRORS
from .faultkinds import KINDS
from .faults import CONNECT_KINDS
from .standin_client import StandinError
from .tap import APP, FORM, JWT_APP, Case, Reply, equal, wait_for

BODY = f"grant_type=client_credentials&client_id={APP}&client_secret=s3cr%2Bt%2F%3D".encode()
REQUEST = (b"POST /services/oauth2/token HTTP/1.1\r\nHost: 127.0.0.1\r\n"
           b"Accept: application/json\r\nUser-Agent: sftokend/0.1\r\nContent-Type: " + FORM.encode()
           + b"\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)
DROPPED = (ConnectionError, http.client.HTTPException, ssl.SSLError)


def _spoiled(case: Case, kind: str, **args: Any) -> Reply:
    case.standin.fault(kind, **args)
    return case.client.client_credentials()


@contextlib.contextmanager
def _refused(*kinds: type[BaseException]) -> Iterator[None]:
    try:
        yield
    except kinds:
        return
    raise AssertionError("no exception")


@contextlib.contextmanager
def _asked(case: Case, timeout: float = 10.0) -> Iterator[ssl.SSLSocket]:
    """A socket on which a good token request has been sent."""
    context = ssl.create_default_context(cafile=case.standin.ca)
    with socket.create_connection(("127.0.0.1", case.standin.port), timeout) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1",
                                 suppress_ragged_eofs=True) as sock:
            sock.sendall(REQUEST)
            yield sock


def _read(sock: ssl.SSLSocket, at_most: int = 1 << 40) -> bytes:
    data = b""
    while len(data) < at_most:
        piece = sock.recv(65536)
        if not piece:
            break
        data += piece
    return data


def test_selection(case: Case) -> None:
    """faults: count, skip, forever, app, path, clear, and what the log says"""
    case.standin.fault("html", status=503, skip=1, count=2)
    equal([case.client.client_credentials().status for _ in range(4)], [200, 503, 503, 200])
    case.standin.fault("html", status=503, client_id=JWT_APP, forever=True)
    equal((case.client.client_credentials().status, case.client.jwt_bearer().status), (200, 503))
    equal(case.client.jwt_bearer().status, 503)
    case.standin.clear_faults()
    equal(case.client.jwt_bearer().status, 200)
    case.standin.fault("html", path="userinfo", status=503)
    token = case.client.client_credentials().json["access_token"]
    equal(case.client.get("/services/oauth2/userinfo", token).status, 503)
    faults = [e["fault"] for e in case.standin.requests() if e["fault"]]
    equal(faults, ["html"] * 5)
    wrong: list[tuple[str, Any]] = [("no_such", {}), ("html", {"no_such": 1})]
    for kind, args in wrong:
        with _refused(StandinError):
            case.standin.fault(kind, **args)


def test_delay(case: Case) -> None:
    """delay, before and after processing, and the latency of every answer"""
    for after in (False, True):
        begin = time.monotonic()
        equal(_spoiled(case, "delay", seconds=0.2, after=after).status, 200)
        assert time.monotonic() - begin >= 0.2
    case.standin.configure(latency_s=0.2)
    begin = time.monotonic()
    equal(case.client.client_credentials().status, 200)
    assert time.monotonic() - begin >= 0.2


def test_drop(case: Case) -> None:
    """drop_before processes nothing, drop_after does, by FIN or by RST"""
    for kind, made in (("drop_before", 0), ("drop_after", 1)):
        for reset in (False, True):
            case.standin.reset()
            with _refused(*DROPPED):
                _spoiled(case, kind, reset=reset)
            equal((kind, len(case.standin.sessions())), (kind, made))
            equal(case.standin.token_requests()[0]["status"], None)


def test_truncate(case: Case) -> None:
    """truncate with a length is an error of transport, without one half a JSON text"""
    with _refused(http.client.IncompleteRead):
        _spoiled(case, "truncate", n=30)
    reply = _spoiled(case, "truncate", n=30, length=False)
    equal((reply.status, len(reply.body)), (200, 30))


def test_half_close(case: Case) -> None:
    """half_close: a part of the answer, FIN, and a server that reads on"""
    case.standin.fault("half_close", n=10)
    with _asked(case) as sock:
        assert len(_read(sock).partition(b"\r\n\r\n")[2]) == 10
        equal(case.standin.stats()["open_connections"], 1)
    wait_for(lambda: not case.standin.stats()["open_connections"], "the end of the connection")


def test_silence(case: Case) -> None:
    """hang, huge_length, tls_stall: no answer for as long as the client waits"""
    for kind in ("hang", "tls_stall"):
        case.standin.fault(kind)
        with _refused(TimeoutError):
            case.client.client_credentials(timeout=0.3)
        equal(case.client.client_credentials().status, 200)
    case.standin.fault("huge_length")
    with _asked(case, 0.3) as sock, _refused(TimeoutError):
        _read(sock)
    case.standin.fault("hang", processed=True)
    before = len(case.standin.sessions())
    with _refused(TimeoutError):
        case.client.client_credentials(timeout=0.3)
    equal(len(case.standin.sessions()), before + 1)


def test_slow(case: Case) -> None:
    """slow_body and slow_headers: a byte at a time"""
    begin = time.monotonic()
    equal(_spoiled(case, "slow_body", bytes_per_s=2000).status, 200)
    assert time.monotonic() - begin > 0.15
    case.standin.fault("slow_headers", bytes_per_s=10)
    with _asked(case) as sock:
        equal([sock.recv(100) for _ in range(3)], [b"H", b"T", b"T"])


def test_floods(case: Case) -> None:
    """huge, gzip_bomb, many_headers, 1xx flood, big_token: as large as asked for"""
    equal(len(_spoiled(case, "huge", mb=4).body), 4 * 1024 * 1024)
    reply = _spoiled(case, "gzip_bomb", mb=4)
    equal((reply.headers["Content-Encoding"], len(zlib.decompress(reply.body, 31))),
          ("gzip", 4 * 1024 * 1024))
    assert len(reply.body) < 65536
    case.standin.fault("many_headers", n=10_000)
    with _asked(case) as sock:
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(65536)
        equal(data.count(b"\r\nX-Filler-"), 10_000)
    case.standin.fault("informational", n=1000)
    with _asked(case) as sock:
        data = b""
        while b"HTTP/1.1 200" not in data:
            data += sock.recv(65536)
        equal(data.count(b"HTTP/1.1 103"), 1000)
    equal(len(_spoiled(case, "big_token").json["access_token"]), 17 * 1024)


def test_huge_abandoned(case: Case) -> None:
    """huge: the stand-in notices that the client has gone"""
    case.standin.fault("huge", mb=100_000)
    with _asked(case) as sock:
        _read(sock, 1 << 20)
    wait_for(lambda: not case.standin.stats()["open_connections"], "the end of the flood")
    equal(case.client.client_credentials().status, 200)


def test_other_answers(case: Case) -> None:
    """html, redirect, Retry-After (one, many, odd), status, raw, errors in JSON"""
    reply = _spoiled(case, "html", status=200)
    assert reply.status == 200 and b"maintenance" in reply.body
    assert reply.headers["Content-Type"].startswith("text/html")
    for status in (301, 302, 303, 307, 308):
        reply = _spoiled(case, "redirect", status=status, location="file:///etc/passwd")
        equal((reply.status, reply.headers["Location"]), (status, "file:///etc/passwd"))
    for status in (429, 503):
        for values in ("7", "-1", "1e20", "Tue, 19 Jan 2038 03:14:08 GMT", ["1", "9"]):
            reply = _spoiled(case, "retry_after", status=status, values=values)
            wanted = values if isinstance(values, list) else [values]
            equal((reply.status, reply.headers.get_all("Retry-After")), (status, wanted))
    reply = _spoiled(case, "status", status=420, body="x", headers=[["X-A", "b"]])
    equal((reply.status, reply.body, reply.headers["X-A"]), (420, b"x", "b"))
    with _refused(http.client.BadStatusLine):
        _spoiled(case, "raw", text="HTTP/0.9 hello\r\n\r\n")
    for kind, status in (("server_error", 500), ("unknown_error", 400)):
        reply = _spoiled(case, kind)
        equal((reply.status, reply.error), (status, ERRORS[kind]))
    for status, text in ((502, b"502 Bad Gateway"), (504, b"504 Gateway Time-out")):
        for after in (False, True):
            before = len(case.standin.sessions())
            reply = _spoiled(case, "gateway", status=status, after=after)
            equal((reply.status, text in reply.body), (status, True))
            equal(len(case.standin.sessions()) - before, int(after))
    reply = _spoiled(case, "oauth_error", error="inactive_user")
    equal(reply.error, ERRORS["inactive_user"])
    reply = _spoiled(case, "oauth_error", error="a", error_description="b", status=401)
    equal((reply.status, reply.error), (401, ("a", "b")))


def test_nearly_right(case: Case) -> None:
    """bodies with duplicate keys, trailing text, BOM, no body, wrong type, odd tokens and URLs"""
    body = _spoiled(case, "duplicate_keys").body
    equal(body.count(b'"access_token"'), 2)
    json.loads(body)
    assert _spoiled(case, "trailing", text=" garbage").body.endswith(b"} garbage")
    assert _spoiled(case, "bom").body.startswith(b"\xef\xbb\xbf{")
    equal(_spoiled(case, "empty").body, b"")
    reply = _spoiled(case, "content_type", value="text/html")
    equal((reply.headers["Content-Type"], "access_token" in reply.json), ("text/html", True))
    equal(_spoiled(case, "content_type", value="").headers["Content-Type"], None)
    for text in ("\0", "\r", "\n", " ", "é"):
        assert text in _spoiled(case, "bad_token", insert=text).json["access_token"]
    equal(_spoiled(case, "instance_url", value="http://x.example").json["instance_url"],
          "http://x.example")
    answer = _spoiled(case, "edit", set={"expires_in": "7"}, remove=["scope"]).json
    equal((answer["expires_in"], "scope" in answer), ("7", False))


def test_connections(case: Case) -> None:
    """reset, plain_text, disconnect of kept connections, listening off and on"""
    with _refused(*DROPPED):
        _spoiled(case, "reset")
    with _refused(ssl.SSLError):
        _spoiled(case, "plain_text")
    kept = case.client.connect()
    equal(case.client.client_credentials(kept=kept).status, 200)
    case.standin.disconnect()
    with _refused(*DROPPED):
        case.client.client_credentials(kept=kept)
    case.standin.listen(False)
    with _refused(ConnectionRefusedError):
        case.client.client_credentials()
    case.standin.listen(True)
    equal(case.client.client_credentials().status, 200)
    case.standin.configure(keep_alive=False)
    equal(case.client.client_credentials().headers["Connection"], "close")


def test_certificates(case: Case) -> None:
    """expired, wrong name, self-signed, TLS 1.1: a careful client sends nothing"""
    for kind in ("expired", "wrong_name", "self_signed", "tls1_1"):
        case.standin.configure(tls=kind)
        with _refused(ssl.SSLError):
            case.client.client_credentials()
    case.standin.configure(tls="good")
    equal(case.client.client_credentials().status, 200)
    equal(len(case.standin.token_requests()), 1)


async def _one(port: int, context: ssl.SSLContext, gate: asyncio.Barrier) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context,
                                                   ssl_handshake_timeout=30)
    await gate.wait()
    writer.write(REQUEST)
    line = await reader.readline()
    writer.close()
    return line


def test_many_connections(case: Case) -> None:
    """1,000 connections at once, each answered"""
    context = ssl.create_default_context(cafile=case.standin.ca)

    async def everyone() -> list[bytes]:
        gate = asyncio.Barrier(1000)
        return await asyncio.gather(*(_one(case.standin.port, context, gate)
                                      for _ in range(1000)))

    equal(set(asyncio.run(everyone())), {b"HTTP/1.1 200 OK\r\n"})
    equal(len(case.standin.token_requests()), 1000)


def test_every_kind_is_tested(case: Case) -> None:
    """no kind of fault without a test"""
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    equal([kind for kind in (*KINDS, *CONNECT_KINDS) if f'"{kind}"' not in text], [])


FAULT_TESTS: list[Callable[[Case], None]] = [
    value for name, value in list(globals().items()) if name.startswith("test_")]
