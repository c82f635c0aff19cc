# SPDX-License-Identifier: Apache-2.0
"""The limits of [Limits]: what is refused, to whom, and who does not notice. Needs root, to be several users."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from typing import Any, Callable

from harness import BROKER, MANAGER, Closed, Connection, Daemon, Standin, VarlinkError, expect, run_tests, same, wait_for
from privileged import become_root

SERVICE_UID = 64001
ALICE, BOB, CAROL, DAVE, EVE = 64011, 64012, 64013, 64014, 64015
PER_USER, ALL, RESERVED = 20, 72, 32
INFO = "org.varlink.service.GetInfo"


class Shared:
    salesforce: Standin
    daemon: Daemon


class AsUser:
    """Runs a function in a child process that is another user; result() is what it returned, as JSON."""

    def __init__(self, uid: int, function: Callable[[], Any]) -> None:
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.close(self.reader)
                os.setgroups([])
                os.setresgid(64999, 64999, 64999)
                os.setresuid(uid, uid, uid)
                os.write(writer, json.dumps(function()).encode())
                status = 0
            except BaseException:  # noqa: BLE001 - the child must not run the rest of the program
                traceback.print_exc()
            os._exit(status)
        os.close(writer)

    def result(self) -> Any:
        with os.fdopen(self.reader, "rb") as pipe:
            data = pipe.read()
        _, status = os.waitpid(self.pid, 0)
        same(status, 0, "status of the child")
        return json.loads(data)


def as_user(uid: int, function: Callable[[], Any]) -> Any:
    return AsUser(uid, function).result()


def open_and_ask(number: int) -> list[Connection]:
    """Opens so many connections; those that were served, still open."""
    served = []
    for _ in range(number):
        connection = Connection(Shared.daemon.broker_path, 20)
        try:
            connection.call(INFO)
        except (Closed, BrokenPipeError):
            connection.close()
        else:
            served.append(connection)
    return served


def wait_no_connections() -> None:
    with Shared.daemon.manager() as c:
        def idle() -> bool:
            return sum(x["connections"] for x in c.call(MANAGER + ".Status")["listeners"] if x["name"] == "broker") == 0
        wait_for(idle, "all connections are closed")


def counted(limit: str) -> None:
    """The limit stands in the log with a count, once USR1 asks for it."""
    daemon = Shared.daemon
    logged = len(daemon.log())
    os.kill(daemon.pid, signal.SIGUSR1)
    wait_for(lambda: f"front.limit limit={limit} times=" in daemon.log()[logged:], f"{limit} in the log")


def test_connections_per_user() -> None:
    """MaxConnectionsPerUser: one more of the same user is closed, another user is served"""
    def alice() -> int:
        served = open_and_ask(PER_USER + 5)
        return len(served)

    same(as_user(ALICE, alice), PER_USER)
    same(as_user(BOB, lambda: len(open_and_ask(3))), 3)
    wait_no_connections()
    same(as_user(ALICE, lambda: len(open_and_ask(1))), 1, "after the others were closed")
    counted("max_connections_per_user")


def test_reserved_connections() -> None:
    """MaxConnections: the rest is closed, but 32 are kept for root and the service user"""
    go, wait = os.pipe()

    def hold() -> int:
        served = open_and_ask(PER_USER)
        with socket.socket(socket.AF_UNIX) as ready:
            ready.connect("\0sftoken-test-limits")
        os.read(go, 1)
        return len(served)

    with socket.socket(socket.AF_UNIX) as meeting:
        meeting.bind("\0sftoken-test-limits")
        meeting.listen(8)
        meeting.settimeout(30)
        children = []
        for uid in (ALICE, BOB, CAROL):
            children.append(AsUser(uid, hold))
            meeting.accept()[0].close()
        same(as_user(SERVICE_UID, lambda: len(open_and_ask(5))), 5, "the service user")
        mine = open_and_ask(PER_USER)
        same(len(mine), PER_USER, "root")
        same(as_user(DAVE, lambda: len(open_and_ask(3))), 0, "yet another user")
        for connection in mine:
            connection.close()
        os.write(wait, b"xxx")
        same(sum(child.result() for child in children), ALL - RESERVED)
    os.close(go)
    os.close(wait)
    wait_no_connections()
    counted("max_connections")


def many_calls(number: int, method: str, parameters: Any) -> dict[str, int]:
    """How often each outcome came for calls one after the other."""
    found: dict[str, int] = {}
    with Connection(Shared.daemon.broker_path, 30) as c:
        for _ in range(number):
            try:
                c.call(method, parameters)
                name = "ok"
            except VarlinkError as error:
                name = error.short
                if name == "RateLimited":
                    assert error.parameters["retryAfterSeconds"] >= 1, error
            found[name] = found.get(name, 0) + 1
    return found


def test_calls_per_second() -> None:
    """MaxCallsPerSecond: RateLimited with when to come again, for one user and over all its connections; root and the service user are not limited"""
    get = (BROKER + ".GetToken", {"credential": "open"})
    started = time.monotonic()
    found = as_user(EVE, lambda: many_calls(400, *get))
    took = time.monotonic() - started
    assert found["RateLimited"] >= 100 and 50 <= found["ok"] <= 50 * (took + 2), f"{found} in {took:.1f} s"
    same(as_user(BOB, lambda: many_calls(20, *get)), {"ok": 20}, "another user at the same time")
    same(many_calls(400, *get), {"ok": 400}, "root")
    same(as_user(SERVICE_UID, lambda: many_calls(400, *get)), {"ok": 400}, "the service user")

    def later() -> dict[str, int]:
        time.sleep(1.1)
        return many_calls(20, *get)

    same(as_user(EVE, later), {"ok": 20}, "a second later")
    counted("max_calls_per_second")


def test_reports_per_second() -> None:
    """MaxReportsPerSecond: the same for reports"""
    with Shared.daemon.broker() as c:
        generation = c.get("open")["generation"]
    report = (BROKER + ".ReportRejected", {"credential": "open", "generation": generation - 1})
    found = as_user(CAROL, lambda: many_calls(20, *report))
    assert found["RateLimited"] >= 10 and 3 <= found["ok"] <= 9, found
    same(many_calls(40, *report), {"ok": 40}, "root")
    counted("max_reports_per_second")


def rejected_generation(credential: str) -> int:
    """A generation that Salesforce has ended: a caller that rejects it must wait for the next one."""
    with Shared.daemon.broker() as c:
        token = c.get(credential)
    Shared.salesforce.kill_token(token["accessToken"])
    return int(token["generation"])


def test_idle_timeout() -> None:
    """IdleTimeout: an idle connection is closed, not before its time; one with a watch or a waiting call is not"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    rejected = rejected_generation("slow")
    salesforce.fault("delay", path="userinfo", seconds=5)
    with daemon.broker() as idle, daemon.broker() as watch, daemon.broker() as waiting:
        started = time.monotonic()
        idle.call(INFO)
        watch.send(BROKER + ".WatchToken", {"credential": "open"}, more=True)
        watch.receive()
        waiting.send(BROKER + ".GetToken", {"credential": "slow", "rejectedGeneration": rejected})
        assert idle.is_closed(20)
        took = time.monotonic() - started
        assert took >= 1.9, f"closed after {took:.1f} s"
        assert waiting.receive()["token"]["credential"] == "slow"
        assert time.monotonic() - started > 3
        with daemon.manager() as m:
            generation = m.call(MANAGER + ".Refresh", {"credential": "open"})["generation"]
        same(watch.receive()["token"]["generation"], generation, "the watch went on")


def test_request_timeout() -> None:
    """RequestTimeout: half a request is closed after it, counted from its first byte; a slow but complete one is served"""
    with Shared.daemon.broker() as c, Shared.daemon.broker() as slow:
        started = time.monotonic()
        c.send_raw(b'{"method":')
        slow.send_raw(b'{"method":"org.varlink.serv')
        time.sleep(0.4)
        slow.send_raw(b'ice.GetInfo"}\0')
        assert slow.receive()["product"]
        for _ in range(2):
            time.sleep(0.2)
            c.send_raw(b" ")
        assert c.is_closed(10)
        took = time.monotonic() - started
        assert 0.9 <= took < 6, f"{took:.1f} s"
    counted("request_timeout")


def test_watch_of_a_slow_reader() -> None:
    """A watcher that does not read gets only the newest token next"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.fault("bad_token", insert="x" * 14000, client_id="app-big", forever=True)  # a long one, but good
    with daemon.broker() as watch, daemon.manager() as m:
        watch.send(BROKER + ".WatchToken", {"credential": "big"}, more=True)
        watch.receive()
        made = [m.call(MANAGER + ".Refresh", {"credential": "big"})["generation"] for _ in range(60)]
        got = []
        while not got or got[-1] != made[-1]:
            got.append(watch.receive()["token"]["generation"])
        same(got, sorted(set(got)), "order of the tokens")
        assert len(got) < len(made), "nothing was left out: the socket took everything"
        m.call(MANAGER + ".Refresh", {"credential": "big"})
        assert watch.receive()["token"]["generation"] > got[-1]


def test_watch_stalled() -> None:
    """A watcher that leaves a reply unread is closed after WatchStallTimeout, and others still hear of each token"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.fault("bad_token", insert="x" * 14000, client_id="app-more", forever=True)
    with daemon.broker() as stalled, daemon.broker() as reader, daemon.manager() as m:
        for connection in (stalled, reader):
            connection.send(BROKER + ".WatchToken", {"credential": "more"}, more=True)
            connection.receive()
        for _ in range(60):
            generation = m.call(MANAGER + ".Refresh", {"credential": "more"})["generation"]
            same(reader.receive()["token"]["generation"], generation)
        started = time.monotonic()
        # what the kernel has taken can still be read after the close: only the end of the stream tells
        wait_for(lambda: broken(stalled), "the stalled watch is closed", 15)
        assert time.monotonic() - started > 0.5
    counted("reply_stalled")


def broken(connection: Connection) -> bool:
    """Whether the other end has closed, without reading anything."""
    poll = select.poll()
    poll.register(connection.socket, select.POLLRDHUP)
    return bool(poll.poll(0))


def test_long_and_malformed() -> None:
    """A request of more than 64 KiB and malformed ones close the connection and are counted"""
    for data, limit in ((b'{"method":"' + b"x" * 70000, "request_too_long"), (b"nonsense\0", "malformed_request")):
        with Shared.daemon.broker() as c:
            try:
                c.send_raw(data)
            except OSError:
                pass
            assert c.is_closed(10)
        counted(limit)


def test_waiting_calls() -> None:
    """As many calls may wait as there are connections; all are answered"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    rejected = rejected_generation("cold")
    posts = len(salesforce.token_requests("app-cold"))
    salesforce.fault("delay", path="userinfo", seconds=2)
    connections = [Connection(daemon.broker_path) for _ in range(PER_USER)]
    for connection in connections:
        connection.send(BROKER + ".GetToken", {"credential": "cold", "rejectedGeneration": rejected})
    same(len({c.receive()["token"]["generation"] for c in connections}), 1)
    same(len(salesforce.token_requests("app-cold")), posts + 1)
    for connection in connections:
        connection.close()


def test_few_descriptors() -> None:
    """With few descriptors it serves fewer callers, says so once in the log and in status, and does not fall over"""
    with Standin() as salesforce, Daemon(salesforce, user=SERVICE_UID) as daemon:
        for path in (daemon.directory, daemon.config, daemon.credentials):
            os.chown(path, SERVICE_UID, SERVICE_UID)
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.spawn(["/bin/sh", "-c", 'ulimit -n 128; exec "$@"', "sh", *daemon.arguments()])
        daemon.wait_ready()
        connections = []
        for _ in range(200):
            try:
                connections.append(Connection(daemon.broker_path))
            except (BlockingIOError, ConnectionRefusedError):
                break
        served = 0
        for connection in connections:
            try:
                connection.call(INFO)
                served += 1
            except (Closed, BrokenPipeError, ConnectionResetError):
                pass
        assert 30 <= served <= 128, f"{served} served"
        for connection in connections:
            connection.close()
        assert wait_for(lambda: token_or_none(daemon), "a token after the storm")
        with daemon.manager() as c:
            warnings = c.call(MANAGER + ".Status")["warnings"]
            assert any("LimitNOFILE=" in w for w in warnings), warnings
            c.call(MANAGER + ".Reload")
        same(daemon.log().count("front.descriptors"), 1, "how often it is logged")


def token_or_none(daemon: Daemon) -> Any:
    try:
        with daemon.broker() as c:
            return c.get("crm")["accessToken"]
    except (Closed, OSError):
        return None


def test_limits_of_the_contract() -> None:
    """waitSeconds beyond its range, a reason that is too long: InvalidParameter with the name"""
    with Shared.daemon.broker() as c:
        for parameters, name in (({"waitSeconds": 301}, "waitSeconds"), ({"waitSeconds": -1}, "waitSeconds"), ({"reason": "x" * 257}, "reason"),
                                 ({"reason": "a\x07"}, "reason"), ({"minValidSeconds": -1}, "minValidSeconds")):
            error = expect(VarlinkError, lambda p=parameters: c.get("open", **p))  # type: ignore[misc]
            assert isinstance(error, VarlinkError)
            same((error.short, error.parameters.get("parameter")), ("InvalidParameter", name))


def run() -> int:
    become_root()
    with Standin() as salesforce, Daemon(salesforce, user=SERVICE_UID) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        for path in (daemon.directory, daemon.config, daemon.credentials):
            os.chown(path, SERVICE_UID, SERVICE_UID)
        daemon.add_settings(f"[Listener broker]\nMode=0666\n[Limits]\nMaxConnections={ALL}\nMaxConnectionsPerUser={PER_USER}\n"
                            f"ReservedConnections={RESERVED}\nMaxCallsPerSecond=50\nMaxReportsPerSecond=3\nIdleTimeout=2s\nRequestTimeout=1s\n"
                            "WatchStallTimeout=1s\nMaxRequestsPerHour=100000\nStartSpread=1h\n")
        users = f"AllowUser={ALICE} {BOB} {CAROL} {DAVE} {EVE}"
        daemon.add_client_credentials("open", access=users, extra="Required=yes\nIntrospect=no")
        for name in ("slow", "cold", "big", "more"):
            daemon.add_client_credentials(name, extra="Introspect=no")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
