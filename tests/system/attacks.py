# SPDX-License-Identifier: Apache-2.0
"""What strangers may try at the listener of `sftoken login`: other users of the machine, and pages of somebody else in the person's browser.

    target = Target("localhost", 1717, "/OauthRedirect", authorization_url)
    for attack in ATTACKS:
        attack.run(target)      # AssertionError: the answer is not what it must be
        ...                     # the caller looks whether the login is as it was

attack.reaches says whether the daemon may have been asked (CompleteLogin, answered with StateMismatch). None of them may end, change or complete the login, and
none may hold its answer up. RELAY_ATTACKS are those of the user-agent flow, whose listener takes a POST of its own page.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import time
from dataclasses import dataclass
from typing import Callable, Optional
from urllib.parse import parse_qs, urlencode, urlsplit

CANARY = "canary-7d1f"
MISSES_PER_SECOND = 20
CONNECTIONS = 8


@dataclass
class Answer:
    status: int  # 0: closed without a word
    headers: dict[str, str]
    body: str


@dataclass
class Target:
    """A listener: host as the redirect URI has it ("localhost", "127.0.0.1", "[::1]")."""
    host: str
    port: int
    path: str
    authorization_url: str
    address: str = ""

    def __post_init__(self) -> None:
        self.address = self.address or {"[::1]": "::1"}.get(self.host, "127.0.0.1")

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def state(self) -> str:
        return parse_qs(urlsplit(self.authorization_url).query)["state"][0]

    def connect(self, timeout: float = 15.0) -> socket.socket:
        return socket.create_connection((self.address, self.port), timeout)

    def send(self, data: bytes, timeout: float = 15.0) -> Answer:
        """Bytes as they are; what came back until the other side closed."""
        with self.connect(timeout) as s:
            try:
                s.sendall(data)
            except OSError:
                pass  # it has closed: it may have said why
            return read_answer(s)

    def get(self, query: str = "", *, path: Optional[str] = None, method: str = "GET", host: Optional[str] = None,
            headers: str = "", body: str = "") -> Answer:
        target = (self.path if path is None else path) + (f"?{query}" if query else "")
        return self.send(f"{method} {target} HTTP/1.1\r\nHost: {self.authority if host is None else host}\r\n{headers}\r\n{body}".encode())


def read_answer(s: socket.socket) -> Answer:
    data = b""
    try:
        while more := s.recv(65536):
            data += more
    except ConnectionError:
        pass
    if not data:
        return Answer(0, {}, "")
    head, _, body = data.decode().partition("\r\n\r\n")
    lines = head.split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    assert body.count("<!DOCTYPE html>") <= 1, "one request, one answer"
    return Answer(int(lines[0].split()[1]), headers, body)


def csp_hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def check_page(answer: Answer) -> None:
    """What every page must have, and must not have: nothing of what was sent."""
    wanted = {"referrer-policy": "no-referrer", "cache-control": "no-store", "x-frame-options": "DENY", "x-content-type-options": "nosniff",
              "connection": "close", "content-type": "text/html; charset=utf-8", "content-length": str(len(answer.body.encode()))}
    for name, value in wanted.items():
        assert answer.headers.get(name) == value, (name, answer.headers.get(name))
    policy = [p.strip() for p in answer.headers["content-security-policy"].split(";")]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in str(policy), policy
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        inline = re.findall(f"<{tag}>(.*?)</{tag}>", answer.body, re.DOTALL)
        allowed = next((p.split()[1:] for p in policy if p.startswith(directive)), [])
        assert [csp_hash(t) for t in inline] == allowed, (tag, allowed)
    assert "set-cookie" not in answer.headers and "access-control-allow-origin" not in answer.headers
    assert CANARY not in answer.body and CANARY not in str(answer.headers), "a parameter is echoed"
    assert not re.search(r"\son\w+=|javascript:|<(?:img|iframe|form|a)\b", answer.body), answer.body


def refused(answer: Answer, *statuses: int) -> None:
    assert answer.status in statuses, (answer.status, statuses)
    if answer.status:
        check_page(answer)


def spaced(seconds: float = 0.06) -> None:
    """Below the limit of misses, so that each is answered."""
    time.sleep(seconds)


def code(state: Optional[str], **more: str) -> str:
    return urlencode({"code": CANARY, **({} if state is None else {"state": state}), **more})


# -- the state -----------------------------------------------------------------------------------


def wrong_state(t: Target) -> None:
    refused(t.get(code("A" * len(t.state))), 400)


def no_state(t: Target) -> None:
    refused(t.get(code(None)), 400)


def empty_state(t: Target) -> None:
    refused(t.get(code("")), 400)


def error_without_state(t: Target) -> None:
    refused(t.get(urlencode({"error": "access_denied", "error_description": CANARY})), 400)


def error_with_wrong_state(t: Target) -> None:
    refused(t.get(urlencode({"error": "access_denied", "state": CANARY})), 400)


def state_cut_or_longer(t: Target) -> None:
    for state in (t.state[:-1], t.state[1:], t.state + "A", t.state[:8]):
        refused(t.get(code(state)), 400)
        spaced()


def state_one_bit_off(t: Target) -> None:
    flipped = t.state[:-1] + ("B" if t.state[-1] == "A" else "A")
    for state in (flipped, t.state.swapcase()):
        refused(t.get(code(state)), 400)
        spaced()


def state_twice(t: Target) -> None:
    refused(t.get(code("A" * 43) + "&state=" + t.state), 400)
    refused(t.get(code(t.state) + "&state=" + "A" * 43), 400)


def state_under_another_name(t: Target) -> None:
    for name in ("xstate", "State", "state%00", "%73tate", "state[]"):
        refused(t.get(f"code={CANARY}&{name}={t.state}"), 400)
        spaced()


# -- who asks ------------------------------------------------------------------------------------


def rebound_host(t: Target) -> None:
    """A page of evil.example whose name now means 127.0.0.1; with the right state even."""
    for host in (f"evil.example:{t.port}", f"localhost.evil.example:{t.port}", f"evil.example@{t.authority}", f"{t.authority}.evil.example"):
        refused(t.get(code(t.state), host=host), 421)
        spaced()


def other_host(t: Target) -> None:
    others = {"localhost", "127.0.0.1", "[::1]", "0.0.0.0", "127.1", "localhost."} - {t.host}
    for host in (*(f"{h}:{t.port}" for h in sorted(others)), t.host, f"{t.host}:", f"{t.host}:{t.port + 1}", f"{t.host}:0{t.port}", ""):
        refused(t.get(code(t.state), host=host), 421)
        spaced()


def two_hosts_or_none(t: Target) -> None:
    line = f"GET {t.path}?{code(t.state)} HTTP/1.1\r\n"
    for headers in ("", f"Host: {t.authority}\r\nHost: evil.example\r\n", f"Host: {t.authority}\r\nhost: {t.authority}\r\n"):
        refused(t.send(f"{line}{headers}\r\n".encode()), 400)
        spaced()


def absolute_target(t: Target) -> None:
    for url in (f"http://{t.authority}{t.path}", f"http://evil.example{t.path}", "*", t.path[1:]):
        refused(t.send(f"GET {url}?{code(t.state)} HTTP/1.1\r\nHost: {t.authority}\r\n\r\n".encode()), 400)
        spaced()


# -- what is asked -------------------------------------------------------------------------------


def other_methods(t: Target) -> None:
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "GETX"):
        answer = t.get(code(t.state), method=method)
        refused(answer, 405)
        assert answer.headers["allow"] == "GET"
        spaced()


def form_of_another_page(t: Target) -> None:
    """A cross-site form: POST, the answer in its body."""
    body = code(t.state)
    refused(t.get(method="POST", headers=f"Origin: https://evil.example\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                                         f"Content-Length: {len(body)}\r\n", body=body), 405, 403)


def other_paths(t: Target) -> None:
    for path in ("/", t.path + "/", t.path + "/x", t.path[:-1], t.path.swapcase(), "/" + t.path, "/x/.." + t.path, t.path + "%00", t.path + ";x",
                 "/%" + f"{ord(t.path[1]):02x}" + t.path[2:], "/favicon.ico", "/robots.txt"):
        refused(t.get(code(t.state), path=path), 404)
        spaced()


def injected_markup(t: Target) -> None:
    """Whatever is in the address, nothing of it is in the page."""
    for text in (f"<script>alert('{CANARY}')</script>", f"\"'><img src=x onerror={CANARY}>", f"{CANARY}\r\nSet-Cookie: a=b", "%0d%0aX-Evil: " + CANARY):
        refused(t.get(urlencode({"error": text, "error_description": text, "state": text})), 400)
        refused(t.get(urlencode({"x": text}), path="/" + urlencode({"p": text})), 404)
        spaced()


# -- bytes ---------------------------------------------------------------------------------------


def head_too_long(t: Target) -> None:
    for headers in ("Cookie: " + "a" * 9000 + "\r\n", "".join(f"X-{i}: {CANARY}\r\n" for i in range(600))):
        refused(t.get(code(t.state), headers=headers), 431)
    refused(t.get(code(t.state) + "&x=" + "a" * 20000), 431)
    refused(t.send(b"G" * 100000), 431, 0)


def smuggled_lines(t: Target) -> None:
    line, host = f"GET {t.path}?{code(t.state)} HTTP/1.1", f"Host: {t.authority}"
    for data in (f"{line}\n{host}\n\n", f"{line}\r\n{host}\n\r\n", f"{line}\r\n{host}\r\n folded\r\n\r\n", f"{line}\r\n{host}\r\nX : y\r\n\r\n",
                 f"{line}\r\n {host}\r\n\r\n", f"{line}\r\n{host}\r\nX: a\rb\r\n\r\n", f"{line}\r\n{host}\r\nX: a\0b\r\n\r\n", f"{line}\r\n{host}\r\nnocolon\r\n\r\n",
                 f"{line}\r\n{host}\r\n: x\r\n\r\n", f"{line} x\r\n{host}\r\n\r\n", f"GET  {t.path} HTTP/1.1\r\n{host}\r\n\r\n",
                 f"GET {t.path}?state=\xe9 HTTP/1.1\r\n{host}\r\n\r\n", f"GET {t.path}?{code(t.state)}#x HTTP/1.1\r\n{host}\r\n\r\n",
                 f"GET {t.path}?{code(t.state)}\r\n\r\n", f"GET {t.path}?{code(t.state)} HTTP/2.0\r\n{host}\r\n\r\n",
                 f"GET {t.path}?{code(t.state)} HTTP/0.9\r\n{host}\r\n\r\n", f"\r\n{line}\r\n{host}\r\n\r\n"):
        refused(t.send(data.encode()), 400)
        spaced()


def lengths_that_lie(t: Target) -> None:
    for headers in ("Transfer-Encoding: chunked\r\n", "transfer-encoding: identity\r\n", "Content-Length: 5\r\n", "Content-Length: -1\r\n", "Content-Length: +0\r\n",
                    "Content-Length: 0\r\nContent-Length: 0\r\n", "Content-Length: 0x0\r\n", "Content-Length: 99999999999999999999\r\n", "Content-Length: \r\n",
                    "Content-Length: 0, 0\r\n"):
        refused(t.get(code(t.state), headers=headers), 400)
        spaced()


def other_protocols(t: Target) -> None:
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)), b"\x00" * 64, b"SSH-2.0-x\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                 b"\xff\xfe" + "GET / HTTP/1.1".encode("utf-16-le")):
        refused(t.send(data), 400)
        spaced()


def second_request_behind(t: Target) -> None:
    """Pipelining: what stands behind the first request is nobody's."""
    first = f"GET /none HTTP/1.1\r\nHost: {t.authority}\r\nConnection: keep-alive\r\n\r\n"
    second = f"GET {t.path}?{code(t.state)} HTTP/1.1\r\nHost: {t.authority}\r\n\r\n"
    refused(t.send((first + second).encode()), 404)


# -- how much, how slow --------------------------------------------------------------------------


def slow_clients(t: Target) -> None:
    """More than there is room for say nothing, or a little; who has something to say is answered at once."""
    silent = [t.connect() for _ in range(3 * CONNECTIONS)]
    try:
        for i, s in enumerate(silent):
            if i % 2:
                s.send(b"GET ")
        started = time.monotonic()
        refused(t.get(path="/none"), 404)
        assert time.monotonic() - started < 2, "slow clients hold others up"
    finally:
        for s in silent:
            s.close()


def vanishing_clients(t: Target) -> None:
    for data in (b"", b"G", f"GET {t.path}?{code('A' * 43)} HTTP/1.1\r\nHost: {t.authority}\r\n\r\n".encode()):
        for _ in range(10):
            s = t.connect()
            s.sendall(data)
            s.close()


def flood(t: Target) -> None:
    """So many misses a second that most get no answer; the daemon is not asked more often than that either."""
    time.sleep(1.1)
    started = time.monotonic()
    answered = [t.get(code("B" * 43)).status for _ in range(10 * MISSES_PER_SECOND)]
    seconds = int(time.monotonic() - started) + 2
    assert set(answered) <= {0, 400}, set(answered)
    assert answered.count(400) <= MISSES_PER_SECOND * seconds, (answered.count(400), seconds)
    assert 0 in answered or seconds > 9, "no limit was noticed"


@dataclass
class Attack:
    run: Callable[[Target], None]
    reaches: bool = False  # the daemon may have been asked, and has said StateMismatch

    @property
    def name(self) -> str:
        return self.run.__name__.replace("_", " ")


ATTACKS = [
    Attack(wrong_state, True), Attack(no_state), Attack(empty_state), Attack(error_without_state), Attack(error_with_wrong_state, True),
    Attack(state_cut_or_longer, True), Attack(state_one_bit_off, True), Attack(state_twice, True), Attack(state_under_another_name),
    Attack(rebound_host), Attack(other_host), Attack(two_hosts_or_none), Attack(absolute_target), Attack(other_methods), Attack(form_of_another_page),
    Attack(other_paths), Attack(injected_markup, True), Attack(head_too_long), Attack(smuggled_lines), Attack(lengths_that_lie), Attack(other_protocols),
    Attack(second_request_behind), Attack(slow_clients), Attack(vanishing_clients, True), Attack(flood, True),
]


# -- the relay page of the user-agent flow -------------------------------------------------------


def relay_nonce(t: Target) -> str:
    """What the page of the login itself knows; a page of another origin cannot read it."""
    answer = t.get()
    assert answer.status == 200, answer.status
    check_page(answer)
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
    match = re.search(r'data-nonce="([0-9a-f]{32})"', answer.body)
    assert match, answer.body
    return match[1]


def post(t: Target, body: str, nonce: Optional[str], origin: Optional[str] = "", *, length: Optional[str] = None, query: str = "") -> Answer:
    origin = f"http://{t.authority}" if origin == "" else origin
    headers = (f"Origin: {origin}\r\n" if origin else "") + (f"X-Sftoken-Nonce: {nonce}\r\n" if nonce is not None else "")
    headers += f"Content-Length: {len(body) if length is None else length}\r\n" if length != "none" else ""
    return t.get(query, method="POST", headers=headers, body=body)


def post_without_nonce(t: Target) -> None:
    right = relay_nonce(t)
    for nonce in (None, "", "0" * 32, right[:-1], right + "0", right.upper() + " "):
        if nonce is None or nonce.strip() != right:
            refused(post(t, f"access_token={CANARY}&state={t.state}", nonce), 403)
            spaced()


def post_from_elsewhere(t: Target) -> None:
    nonce = relay_nonce(t)
    for origin in (None, "null", "https://evil.example", f"https://{t.authority}", f"http://{t.host}", f"http://{t.authority}.evil.example", f"http://evil.example:{t.port}"):
        refused(post(t, f"access_token={CANARY}&state={t.state}", nonce, origin), 403)
        spaced()


def post_of_no_fragment(t: Target) -> None:
    nonce = relay_nonce(t)
    for body, length, status in (("", None, 400), (f"access_token={CANARY}", None, 400), (f"state={t.state} x", None, 400), (f"state={t.state}\n", None, 400),
                                 ("x", "none", 411), ("x", "16385", 413), ("x", "999999999", 413), ("x", "-1", 400)):
        refused(post(t, body, nonce, length=length), status)
        spaced()
    refused(post(t, f"state={t.state}", nonce, query=f"state={t.state}"), 400)


def post_of_another_state(t: Target) -> None:
    refused(post(t, f"access_token={CANARY}&state={'A' * 43}", relay_nonce(t)), 400)


RELAY_ATTACKS = [Attack(post_without_nonce), Attack(post_from_elsewhere), Attack(post_of_no_fragment), Attack(post_of_another_state, True)]
