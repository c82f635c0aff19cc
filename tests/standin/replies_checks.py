# SPDX-License-Identifier: Apache-2.0
"""What became of the answers that carried a new refresh token, and faults aimed at one of them. Run
by test_standin.py."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from typing import Any, Callable, Iterator, Optional
from urllib.parse import urlencode

from .delivery import Delivery, tcp_state
from .tap import APP, FORM, SECRET, TOKEN, USER, Case, equal, wait_for

DEAD = ("invalid_grant", "expired access/refresh token")
DROPPED = (ConnectionError, http.client.HTTPException, ssl.SSLError, TimeoutError)

# A client that is killed where it stands: it has sent the request ("sent") or read all of the
# answer ("read"), says so and stops.
VICTIM = """
import os, signal, socket, ssl, sys
port, ca, until, request = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.stdin.buffer.read()
plain = socket.create_connection(("127.0.0.1", port))
sock = ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname="127.0.0.1")
sock.sendall(request)
if until == "read":
    data = b""
    while b"refresh_token" not in data or not data.endswith(b"}"):
        data += sock.recv(65536)
os.write(1, b"x")
signal.pause()
"""


def _request(token: str) -> bytes:
    body = urlencode({"grant_type": "refresh_token", "refresh_token": token, "client_id": APP,
                      "client_secret": SECRET}).encode()
    return (f"POST {TOKEN} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
            f"User-Agent: sftokend/0.1\r\nContent-Type: {FORM}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


@contextlib.contextmanager
def _victim(case: Case, token: str, until: str) -> Iterator[int]:
    """The process, once it is where it shall be killed."""
    arguments = [sys.executable, "-c", VICTIM, str(case.standin.port), case.standin.ca, until]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        process.stdin.write(_request(token))
        process.stdin.close()
        try:
            equal(process.stdout.read(1), b"x")
            yield process.pid
        finally:
            process.kill()


def _token(case: Case) -> str:
    return str(case.standin.new_grant(USER, APP, rotating=True)["refresh_token"])


def _lost(case: Case, token: str, **more: Any) -> None:
    """Spend the token; no whole answer may come."""
    try:
        reply = case.client.refresh(token, **more)
        assert reply.status != 200 or "refresh_token" not in reply.json, reply
    except (*DROPPED, json.JSONDecodeError):
        pass


def _reply(case: Case) -> tuple[Any, ...]:
    """The newest answer, once its fate is known."""
    case.standin.wait_replies()
    newest = case.standin.replies()[-1]
    return newest["written"], newest["taken"], newest["how"]


# -- how an answer ends --------------------------------------------------------------------------

def test_taken(case: Case) -> None:
    """an answer that was read: closed with close_notify, by FIN, or followed by a request"""
    token = _token(case)
    context = ssl.create_default_context(cafile=case.standin.ca)
    with socket.create_connection(("127.0.0.1", case.standin.port), 10) as plain:
        sock = context.wrap_socket(plain, server_hostname="127.0.0.1")
        sock.sendall(_request(token))
        token = json.loads(_whole(sock))["refresh_token"]
        equal(case.standin.counters()["pending_replies"], 1)
        equal(case.standin.refresh_token(token)["reply"]["taken"], None)
        sock.setblocking(False)
        with contextlib.suppress(ssl.SSLWantReadError):
            sock.unwrap()
        equal(_reply(case), (True, True, "close_notify"))
        sock.close()
    token = str(case.client.refresh(token).json["refresh_token"])
    equal(_reply(case), (True, True, "fin"))
    case.standin.configure(strict=False)
    kept = case.client.connect()
    token = str(case.client.refresh(token, kept=kept).json["refresh_token"])
    equal(case.client.refresh(token, kept=kept).status, 200)
    equal(case.standin.refresh_token(token)["reply"]["how"], "next_request")
    kept.close()
    case.standin.wait_replies()
    equal(case.standin.counters()["lost_replies"], 0)
    facts = case.standin.grants()[0]
    equal((facts["rotations"], facts["lost_replies"]), (4, 0))
    equal([r["number"] for r in case.standin.replies()], [2, 3, 4, 5])
    equal([r["reply"] for r in case.standin.replies(since=2)], [3, 4])


def _written(case: Case, number: int) -> bool:
    """Whether so many answers have been made, and the newest lies in the client's socket."""
    replies = case.standin.replies()
    return len(replies) == number and bool(replies[-1]["written"])


def _whole(sock: ssl.SSLSocket) -> bytes:
    data = b""
    while not data.endswith(b"}"):
        piece = sock.recv(65536)
        assert piece, data
        data += piece
    return data.partition(b"\r\n\r\n")[2]


class _Side:
    """Our end of a connection, as Delivery asks for it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def get_extra_info(self, _: str) -> socket.socket:
        return self._sock


def test_answer_meets_fin(_: Case) -> None:
    """an answer on its way while the client closes: refused by the other kernel, so not taken"""
    for late, taken, how in ((False, True, "fin"), (True, False, "reset")):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            side, _address = listener.accept()
        fates: list[bool] = []
        delivery = Delivery({}, fates.append)
        transport: Any = _Side(side)
        with side:
            delivery.begin(transport)
            if late:
                client.close()
                side.sendall(b"answer")
            else:
                side.sendall(b"answer")
                equal(client.recv(100), b"answer")
                client.close()
            delivery.written()
            wait_for(lambda: tcp_state(transport) != 1, "the end of the connection")
            delivery.closed(transport, "fin")
        equal((delivery.facts["taken"], delivery.facts["how"], fates), (taken, how, [taken]))


def test_keep_alive_off(case: Case) -> None:
    """an answer with Connection: close counts as taken too"""
    case.standin.configure(keep_alive=False)
    reply = case.client.refresh(_token(case))
    equal((reply.status, reply.headers["Connection"]), (200, "close"))
    equal(_reply(case), (True, True, "fin"))


def test_killed_clients(case: Case) -> None:
    """SIGKILL of a client: lost before it read the answer, taken after it"""
    for number, (until, taken, how) in enumerate((("sent", False, "reset"),
                                                  ("read", True, "fin")), 1):
        token = _token(case)
        with _victim(case, token, until) as pid:
            wait_for(lambda n=number: _written(case, n), "the answer")  # type: ignore[misc]
            os.kill(pid, signal.SIGKILL)
            equal((until, _reply(case)), (until, (True, taken, how)))
        entry = case.standin.token_requests(APP)[-1]
        equal((entry["status"], entry["reply"]["taken"]), (200, taken))
    equal(case.standin.counters()["lost_replies"], 1)


def test_killed_before_answer(case: Case) -> None:
    """SIGKILL while the server works: not rotated, or rotated for nobody"""
    for after, rotations in ((False, 0), (True, 1)):
        token = _token(case)
        before = case.standin.stats()["seq"]
        case.standin.fault("delay", seconds=3600, after=after, refresh_token=token)
        with _victim(case, token, "sent") as pid:
            case.standin.wait_requests(1, since=before)
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not case.standin.stats()["open_connections"], "the end of the client")
        equal(case.standin.counters()["rotations"], rotations)
    equal(_reply(case), (False, False, "delay"))


def test_gone_before_answer(case: Case) -> None:
    """a client that has closed before the answer is written: gone"""
    token = _token(case)
    context = ssl.create_default_context(cafile=case.standin.ca)
    before = case.standin.stats()["seq"]
    os.kill(case.standin.pid, signal.SIGSTOP)
    stopped = True
    try:
        plain = socket.socket()
        plain.connect(("127.0.0.1", case.standin.port))
        os.kill(case.standin.pid, signal.SIGCONT)
        stopped = False
        sock = context.wrap_socket(plain, server_hostname="127.0.0.1")
        os.kill(case.standin.pid, signal.SIGSTOP)
        stopped = True
        sock.sendall(_request(token))
        sock.close()
    finally:
        if stopped:
            os.kill(case.standin.pid, signal.SIGCONT)
    case.standin.wait_requests(1, since=before)
    equal(_reply(case)[1:], (False, "gone"))
    equal(case.standin.counters()["lost_replies"], 1)


# -- faults --------------------------------------------------------------------------------------

def test_lost_answers(case: Case) -> None:
    """each fault after processing: rotated, lost under its name; the same token again is reuse"""
    faults: list[tuple[str, dict[str, Any]]] = [
        ("drop_after", {}), ("drop_after", {"reset": True}), ("truncate", {"n": 100}),
        ("truncate", {"n": 100, "length": False}), ("hang", {"processed": True}),
        ("gateway", {"after": True}), ("gateway", {"status": 504, "after": True}),
        ("raw", {"processed": True}), ("empty", {}), ("half_close", {})]
    for number, (kind, args) in enumerate(faults, 1):
        token = _token(case)
        case.standin.fault(kind, refresh_token=token, **args)
        _lost(case, token, timeout=1.0 if kind in ("hang", "half_close") else 10.0)
        equal((kind, _reply(case)[1:]), (kind, (False, kind)))
        counters = case.standin.counters()
        equal((counters["rotations"], counters["lost_replies"]), (number, number))
        equal((case.standin.refresh_token(token)["state"], len(
            case.standin.refresh_token(token)["posts"])), ("rotated", 1))
        equal(case.client.refresh(token).error, DEAD)
        equal(case.standin.counters()["reuse_alarms"], number)


def test_not_processed(case: Case) -> None:
    """each fault before processing: posted, not rotated, and the same token is good"""
    faults: list[tuple[str, dict[str, Any]]] = [
        ("drop_before", {}), ("drop_before", {"reset": True}), ("hang", {}), ("gateway", {}),
        ("gateway", {"status": 504}), ("html", {"status": 503}), ("unknown_error", {})]
    token = _token(case)
    for kind, args in faults:
        case.standin.fault(kind, refresh_token=token, **args)
        _lost(case, token, timeout=0.5 if kind == "hang" else 10.0)
        wait_for(lambda: not case.standin.stats()["open_connections"], "the end of the client")
    facts = case.standin.refresh_token(token)
    equal((facts["state"], len(facts["posts"])), ("current", len(faults)))
    equal(case.client.refresh(token).status, 200)
    counters = case.standin.wait_replies()
    equal((counters["rotations"], counters["lost_replies"], counters["reuse_alarms"]), (1, 0, 0))


def test_slow_but_whole(case: Case) -> None:
    """slow and late answers that come whole are taken, not lost"""
    faults: list[tuple[str, dict[str, Any]]] = [
        ("slow_body", {"bytes_per_s": 5000}), ("slow_headers", {"bytes_per_s": 5000}),
        ("truncate", {"n": 10 ** 6}), ("delay", {"seconds": 0.1, "after": True}),
        ("trailing", {"text": " "}), ("edit", {"set": {"more": 1}})]
    token = _token(case)
    for kind, args in faults:
        case.standin.fault(kind, refresh_token=token, **args)
        token = str(case.client.refresh(token).json["refresh_token"])
        equal((kind, _reply(case)[:2]), (kind, (True, True)))
    equal(case.standin.counters()["lost_replies"], 0)


def test_aimed(case: Case) -> None:
    """faults aimed at a refresh token, a grant, a user, an app, a grant type"""
    case.standin.add_user("second@example.com")
    first = case.standin.new_grant(USER, APP)
    second = case.standin.new_grant("second@example.com", APP)
    aims: list[dict[str, Any]] = [
        {"refresh_token": second["refresh_token"]}, {"grant": second["grant"]},
        {"user": "second@example.com"}, {"client_id": APP, "skip": 1}]
    for aim in aims:
        case.standin.fault("html", status=503, **aim)
        equal((aim, [case.client.refresh(g["refresh_token"]).status
                     for g in (first, second, second)]), (aim, [200, 503, 200]))
    case.standin.fault("html", status=503, grant_type="refresh_token")
    equal(case.client.client_credentials().status, 200)
    equal(case.client.refresh(first["refresh_token"]).status, 503)


def test_by_chance(case: Case) -> None:
    """faults by chance: the same seed hits the same requests, about as many as asked for"""
    token = case.standin.new_grant(USER, APP)["refresh_token"]

    def hits(seed: int, probability: float) -> list[bool]:
        case.standin.clear_faults()
        case.standin.fault("html", status=503, forever=True, probability=probability, seed=seed)
        return [case.client.refresh(token).status == 503 for _ in range(60)]

    first = hits(1, 0.5)
    equal(hits(1, 0.5), first)
    assert hits(2, 0.5) != first and 15 < sum(first) < 45, sum(first)
    equal((sum(hits(3, 0.0)), sum(hits(3, 1.0))), (0, 60))


def test_thousands(case: Case) -> None:
    """10,000 grants of as many users in one call, each of them good"""
    users = [f"user{i}@example.com" for i in range(10_000)]
    case.standin.configure(users={name: {} for name in users})
    made = case.standin.new_grants([{"user": name, "client_id": APP, "rotating": True}
                                    for name in users])
    equal((len(made), len({g["refresh_token"] for g in made})), (10_000, 10_000))
    for one in (made[0], made[-1]):
        equal(case.client.refresh(one["refresh_token"]).status, 200)
        equal(case.standin.grants(grant=one["grant"])[0]["number"], 2)
    live: Optional[int] = case.standin.counters()["live_grants"]
    equal((live, len(case.standin.grants(tokens=False))), (10_000, 10_000))


REPLY_TESTS: list[Callable[[Case], None]] = [
    value for name, value in list(globals().items()) if name.startswith("test_")]
