# SPDX-License-Identifier: Apache-2.0
"""Every wire rule, on both sockets, each message split at every byte."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Optional

from harness import BROKER, MANAGER, SERVICE, Closed, Connection, Daemon, Standin, VarlinkError, expect, run_tests, same, wait_for

INFO = b'{"method":"org.varlink.service.GetInfo"}\0'
# what must end the connection (rule 3), and nothing else
BAD = [
    b"\0", b"{}\0", b"[]\0", b"null\0", b'"x"\0', b"{\0", b'{"method"}\0', b'{"method":1}\0', b'{"method":"NoDot"}\0',
    b'{"method":"a.B","method":"a.B"}\0', b'{"method":"a.B","meth\\u006fd":"a.B"}\0', b'{"method":"a.B","unknown":1}\0',
    b'{"method":"a.B","upgrade":true}\0', b'{"method":"a.B","more":true,"oneway":true}\0', b'{"method":"a.B","more":1}\0',
    b'{"method":"a.B","parameters":[]}\0', b'{"method":"a.B","parameters":7}\0', b'{"method":"a.\\u0000B"}\0',
    b'{"method":"a.B","parameters":{"x":"\\u0000"}}\0', b'{"method":"a.\xc0\xafB"}\0', b'{"method":"a.\xed\xa0\x80B"}\0',
    b'{"method":"a.B","parameters":{"x":NaN}}\0', b'{"method":"a.B","parameters":{"x":Infinity}}\0',
    b'{"method":"a.B","parameters":{"x":9223372036854775808}}\0', b'{"method":"a.B","parameters":{"x":01}}\0',
    b'{"method":"a.B"} x\0', b"{'method':'a.B'}\0", b'{"method":"a.B",}\0', b'{"method":"a.B"}/**/\0',
    b'\xef\xbb\xbf{"method":"a.B"}\0', b'{"method":"a.B","parameters":{"x":"\n"}}\0',
    b'{"method":"a.B","parameters":' + b"[" * 20 + b"]" * 20 + b"}\0",
    b'{"method":"a.B","parameters":{"x":' + b"[" * 20 + b"]" * 20 + b"}}\0",
]


class Shared:
    """One daemon for all tests of this file: none of them may disturb it."""

    salesforce: Standin
    daemon: Daemon
    pids: tuple[Optional[int], Optional[int]]


def sockets() -> list[str]:
    return [Shared.daemon.broker_path, Shared.daemon.manager_path]


def split_everywhere(path: str, message: bytes, expected: Optional[list[bytes]]) -> None:
    """Sends message in two pieces, cut at every byte; expected: the replies, None: the connection must be closed."""
    for cut in range(len(message)):
        with Connection(path) as c:
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            if cut:
                c.send_raw(message[:cut])
            try:
                c.send_raw(message[cut:])
            except BrokenPipeError:
                assert expected is None
                continue
            if expected is None:
                assert c.is_closed(), f"still open after {message!r} cut at {cut}"
            else:
                same([c.receive_raw() for _ in expected], expected, f"{message!r} cut at {cut}")


def test_good_calls_split() -> None:
    """Calls in two pieces, cut at every byte, get the same replies as in one (both sockets)"""
    pipelined = INFO * 3
    for path in sockets():
        with Connection(path) as c:
            c.send_raw(INFO)
            info = c.receive_raw()
        split_everywhere(path, INFO, [info])
        split_everywhere(path, pipelined, [info] * 3)
    get = b'{"method":"io.sftoken.Broker.GetCredential","parameters":{"credential":"cr\\u006d"}}\0'
    with Connection(sockets()[0]) as c:
        c.send_raw(get)
        reply = c.receive_raw()
    split_everywhere(sockets()[0], get, [reply])


def test_bad_calls_split() -> None:
    """Malformed calls close the connection however they are cut (both sockets)"""
    for path in sockets():
        for message in BAD:
            with Connection(path) as c:
                c.send_raw(message)
                assert c.is_closed(), f"still open after {message[:80]!r}"
        for message in BAD[:9]:
            split_everywhere(path, message, None)


def test_byte_by_byte() -> None:
    """A call that comes in single bytes is answered"""
    for path in sockets():
        with Connection(path) as c:
            for i in range(len(INFO)):
                c.send_raw(INFO[i:i + 1])
            assert b"sftokend" in c.receive_raw()


def test_longest_call() -> None:
    """A call of 64 KiB is answered, one byte more closes the connection"""
    for path in sockets():
        head, tail = b'{"method":"org.varlink.service.GetInfo","x.y":"', b'"}\0'
        for size, good in ((65536, True), (65537, False), (200000, False)):
            with Connection(path) as c:
                message = head + b"a" * (size - len(head) - len(tail)) + tail
                same(len(message), size)
                try:
                    c.send_raw(message)
                except (BrokenPipeError, ConnectionResetError):
                    assert not good
                    continue
                if good:
                    assert b"sftokend" in c.receive_raw()
                else:
                    assert c.is_closed(), size


def test_depth() -> None:
    """JSON depth 16 is taken, 17 closes"""
    for depth, good in ((16, True), (17, False)):
        with Connection(sockets()[0]) as c:
            c.send_raw(b'{"method":"org.varlink.service.GetInfo","x.y":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}\0")
            assert c.is_closed(2) is not good if not good else b"sftokend" in c.receive_raw()


def slow_call(c: Connection, credential: str, fault: str = "delay", **args: float) -> None:
    """Sends a call that takes a second: a claim, with a slow check. Each credential can do this once a minute."""
    generation = c.get(credential)["generation"]
    Shared.salesforce.fault(fault, path="userinfo", **(args or ({"seconds": 1} if fault == "delay" else {})))
    c.send(BROKER + ".GetToken", {"credential": credential, "rejectedGeneration": generation})


def test_one_at_a_time() -> None:
    """A second call waits for the first one; its reply comes after"""
    with Shared.daemon.broker() as c:
        slow_call(c, "slow1")
        c.send(SERVICE + ".GetInfo")
        same(getattr(expect(VarlinkError, c.receive), "short"), "Rejected")
        assert "vendor" in c.receive()


def test_oneway() -> None:
    """A oneway call gets no reply at all, not even an error"""
    for path in sockets():
        with Connection(path) as c:
            for method in ("org.varlink.service.GetInfo", "no.such.Method", "io.sftoken.Broker.GetToken", "a.B"):
                c.send(method, {"nonsense": 1}, oneway=True)
            c.send(SERVICE + ".GetInfo")
            same(c.receive()["product"], "sftokend")


def test_errors() -> None:
    """Unknown interface, method, parameter, type, range, and ExpectedMore"""
    rows = [
        ("a.B", None, "InterfaceNotFound", {"interface": "a"}),
        (BROKER + ".Nope", None, "MethodNotFound", {"method": BROKER + ".Nope"}),
        (BROKER + ".GetToken", {"x": 1}, "InvalidParameter", {"parameter": "x"}),
        (BROKER + ".GetToken", {"waitSeconds": "1"}, "InvalidParameter", {"parameter": "waitSeconds"}),
        (BROKER + ".GetToken", {"waitSeconds": 301}, "InvalidParameter", {"parameter": "waitSeconds"}),
        (BROKER + ".GetToken", {"waitSeconds": -1}, "InvalidParameter", {"parameter": "waitSeconds"}),
        (BROKER + ".GetToken", {"allowStale": 1}, "InvalidParameter", {"parameter": "allowStale"}),
        (BROKER + ".GetToken", {"reason": "x" * 257}, "InvalidParameter", {"parameter": "reason"}),
        (BROKER + ".ReportRejected", {"credential": "crm"}, "InvalidParameter", {"parameter": "generation"}),
        (BROKER + ".WatchToken", None, "ExpectedMore", {}),
        (SERVICE + ".GetInterfaceDescription", {"interface": "no.such"}, "InterfaceNotFound", {"interface": "no.such"}),
    ]
    with Shared.daemon.broker() as c:
        for method, parameters, name, wanted in rows:
            error = expect(VarlinkError, lambda m=method, p=parameters: c.call(m, p))  # type: ignore[misc]
            same((getattr(error, "name"), getattr(error, "parameters")), (f"org.varlink.service.{name}", wanted), method)


def test_integers() -> None:
    """An integer with fraction or exponent where an integer belongs is refused"""
    for text in ("1.0", "1e2", "1.5"):
        with Shared.daemon.broker() as c:
            c.send_raw(b'{"method":"io.sftoken.Broker.GetToken","parameters":{"waitSeconds":' + text.encode() + b"}}\0")
            try:
                c.receive()
            except (Closed, VarlinkError):
                continue
            raise AssertionError(f"{text} was taken")


def test_parameters_absent() -> None:
    """parameters absent, null and {} are the same; null values are the same as absent ones"""
    with Shared.daemon.broker() as c:
        replies = []
        for text in ("", ',"parameters":null', ',"parameters":{}', ',"parameters":{"credential":null,"waitSeconds":null}'):
            c.send_raw(f'{{"method":"io.sftoken.Broker.GetToken"{text}}}'.encode() + b"\0")
            error = expect(VarlinkError, c.receive)  # two credentials: there is no default
            replies.append((getattr(error, "name"), getattr(error, "parameters")))
        same(replies, [(BROKER + ".NoSuchCredential", {"credential": ""})] * 4)


def test_more_on_plain_method() -> None:
    """more on a plain method gets one reply that does not continue"""
    with Shared.daemon.broker() as c:
        same(len(list(c.more(SERVICE + ".GetInfo"))), 1)


def test_half_close() -> None:
    """Who ends only the sending side gets the replies to complete calls, then the connection is closed"""
    for path in sockets():
        with Connection(path) as c:
            c.send_raw(INFO + INFO + b'{"method":')
            c.socket.shutdown(socket.SHUT_WR)
            assert b"sftokend" in c.receive_raw() and b"sftokend" in c.receive_raw()
            assert c.is_closed(3)


def test_half_close_while_waiting() -> None:
    """A half close lets a waiting call finish"""
    with Shared.daemon.broker() as c:
        slow_call(c, "slow2")
        c.socket.shutdown(socket.SHUT_WR)
        same(getattr(expect(VarlinkError, c.receive), "short"), "Rejected")
        assert c.is_closed(3)


def test_hang_up_is_noticed() -> None:
    """A caller that closes while it waits is forgotten within a second"""
    daemon = Shared.daemon
    before = connections()
    for how, credential in ((socket.SHUT_RDWR, "slow3"), (None, "slow4")):
        c = daemon.broker()
        slow_call(c, credential, "hang")
        wait_for(lambda: connections() > before, "the connection is counted")
        if how is not None:
            c.socket.shutdown(how)
        c.close()
    wait_for(lambda: connections() <= before, "the connections are gone", 3)


def connections() -> int:
    with Shared.daemon.manager() as c:
        listeners = c.call(MANAGER + ".Status")["listeners"]
    return sum(li["connections"] for li in listeners if li["role"] == "broker" or "Broker" in li["address"])


def test_descriptors_are_not_received() -> None:
    """Descriptors that come with a call are dropped; the daemon's table does not grow"""
    front = Shared.daemon.child("front")
    count = len(os.listdir(f"/proc/{front}/fd")) if os.geteuid() == 0 else 0
    with Shared.daemon.broker() as c:
        for _ in range(50):
            try:
                socket.send_fds(c.socket, [INFO], [0, 1, 2])
                c.receive_raw()
            except (Closed, OSError):
                break
    if os.geteuid() == 0:
        wait_for(lambda: len(os.listdir(f"/proc/{front}/fd")) <= count + 1, "no descriptor is left")


def test_never_reads() -> None:
    """A caller that sends and never reads is held back by its own socket; others are served"""
    with Shared.daemon.broker() as c, Shared.daemon.broker() as other:
        c.socket.settimeout(1)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += c.socket.send(INFO * 100)
        except TimeoutError:
            pass
        assert sent < 32 << 20, f"{sent} bytes were taken"
        assert other.get("crm")["accessToken"]


def test_watch() -> None:
    """A watch gets the current token at once and the next after a refresh; two replies of one generation are byte-equal but for the end"""
    with Shared.daemon.broker() as c, Shared.daemon.manager() as m, Shared.daemon.broker() as g:
        replies = c.more(BROKER + ".WatchToken", {"credential": "crm"})
        first = next(replies)["token"]
        same(list(first)[-1], "expiresInSeconds")
        generation = m.call(MANAGER + ".Refresh", {"credential": "crm"})["generation"]
        second = next(replies)["token"]
        assert second["generation"] == generation > first["generation"]
        texts = []
        for _ in range(3):
            g.send(BROKER + ".GetToken", {"credential": "crm"})
            texts.append(g.receive_raw().rpartition(b',"expiresInSeconds"')[0])
        same(len(set(texts)), 1)


def test_introspection() -> None:
    """GetInfo names the interfaces; GetInterfaceDescription gives each"""
    for path, interface in ((sockets()[0], BROKER), (sockets()[1], MANAGER)):
        with Connection(path) as c:
            info = c.call(SERVICE + ".GetInfo")
            assert interface in info["interfaces"] and SERVICE in info["interfaces"], info
            for name in info["interfaces"]:
                text = c.call(SERVICE + ".GetInterfaceDescription", {"interface": name})["description"]
                assert f"interface {name}\n" in text


ELEVEN_LINES = '''
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(json.dumps({"method": sys.argv[2], "parameters": json.loads(sys.argv[3])}).encode() + b"\\0")
data = b""
while not data.endswith(b"\\0"):
    data += s.recv(65536) or sys.exit("closed")
reply = json.loads(data[:-1])
if "error" in reply:
    sys.exit(reply["error"])
print(json.dumps(reply["parameters"]))
'''


def test_eleven_lines_of_python() -> None:
    """Eleven lines of Python with the standard library alone talk to both sockets"""
    same(len(ELEVEN_LINES.strip().splitlines()), 11)
    for path, method, parameters, key in ((sockets()[0], BROKER + ".GetToken", {"credential": "crm"}, "token"),
                                          (sockets()[1], MANAGER + ".Status", {}, "version")):
        output = subprocess.run([sys.executable, "-c", ELEVEN_LINES, path, method, json.dumps(parameters)], check=True,
                                capture_output=True, text=True, timeout=30).stdout
        assert key in json.loads(output)


def test_request_timeout() -> None:
    """A request that is not complete RequestTimeout after its first byte closes the connection"""
    with Shared.daemon.broker() as c:
        c.send_raw(b'{"method":')
        assert c.is_closed(10)


def test_daemon_is_unharmed() -> None:
    """After all of that it is the same three processes"""
    same((Shared.daemon.child("mint"), Shared.daemon.child("front")), Shared.pids)


def run() -> int:
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings("[Limits]\nRequestTimeout=2s\n")
        for name in ("crm", "slow1", "slow2", "slow3", "slow4"):
            daemon.add_client_credentials(name, extra="Introspect=no\nRequired=yes")  # nothing is corrected behind our back
        daemon.start()
        Shared.pids = (daemon.child("mint"), daemon.child("front"))
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
