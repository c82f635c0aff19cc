# SPDX-License-Identifier: Apache-2.0
"""sftoken login against a Manager that logs nobody in: what is shown, heard, handed on and never told. The same attacks meet the real daemon elsewhere."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import tempfile
import termios
import time
from pathlib import Path
from typing import Optional
from urllib.parse import urlsplit

from attacks import ATTACKS, RELAY_ATTACKS, Answer, Target, check_page, post, read_answer, relay_nonce
from fake_manager import MANAGER, FakeManager
from harness import ROOT, SANITIZERS, main, same, wait_for
from login_program import Program

CANARY = "canary-code-8f31"
PROGRAM = str(ROOT / "usr/bin/sftoken")

def has_v6() -> bool:
    """Whether this machine has ::1 at all."""
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


# What $BROWSER does: goes to the redirect URI as Salesforce would send it there, and keeps the page and its environment.
BROWSER = """#!/usr/bin/python3
import http.client, json, os, sys, urllib.parse
out = {out!r}
query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(sys.argv[-1]).query))
uri = urllib.parse.urlsplit(query["redirect_uri"])
# browsers know where localhost is without asking; not every machine has /etc/hosts
connection = http.client.HTTPConnection("127.0.0.1" if uri.hostname == "localhost" else uri.hostname, uri.port)
connection.request("GET", uri.path + "?" + urllib.parse.urlencode({{"code": {canary!r}, "state": query["state"]}}), headers={{"Host": uri.netloc}})
answer = connection.getresponse()
told = {{"argv": sys.argv[1:], "status": answer.status, "page": answer.read().decode(), "tty": [os.isatty(i) for i in range(3)],
         "blocked": [l.split()[1] for l in open("/proc/self/status") if l.startswith("SigBlk")][0], "files": sorted(os.listdir("/proc/self/fd"))}}
with open(out + ".new", "w") as f:
    json.dump(told, f)
os.rename(out + ".new", out)
"""


def browser_script(directory: Path) -> tuple[str, Path]:
    script, out = directory / "browser", directory / "browser.json"
    script.write_text(BROWSER.format(out=str(out), canary=CANARY))
    script.chmod(0o755)
    return str(script), out


class Login(Program):
    """sftoken login CRED..., with pipes or at a terminal of its own."""

    def __init__(self, manager: FakeManager, *arguments: str, terminal: bool = False, environment: Optional[dict[str, str]] = None, columns: int = 120,
                 rows: int = 60, no_browser: bool = True) -> None:
        self.manager = manager
        super().__init__([PROGRAM, "login", "prod", *(("--no-browser",) if no_browser else ()), *arguments],
                         {"SFTOKEN_MANAGER": manager.path, **(environment or {})}, terminal=terminal, columns=columns, rows=rows, never=(CANARY,))

    def __enter__(self) -> Login:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def target(self) -> Target:
        """Where the browser of this login comes back to; waits until it can."""
        def listens() -> Optional[Target]:
            if self.process.poll() is not None:
                raise AssertionError(f"sftoken ended with {self.process.returncode}: {self.process.communicate() if self.leader < 0 else self.text}")
            uri = urlsplit(self.manager.parameters().get("redirect_uri", "")) if self.manager.authorization_url else None
            if not uri or not uri.port:
                return None
            host = uri.netloc.rpartition(":")[0]
            target = Target(host, uri.port, uri.path, self.manager.authorization_url)
            try:
                target.connect().close()
            except OSError:
                return None
            return target
        value = wait_for(listens, "a listener")
        assert isinstance(value, Target)
        self.wait_text(value.authorization_url)
        return value

    def pending(self) -> bool:
        return self.process.poll() is None and not self.manager.cancelled.is_set() and not self.manager.accepted


def right(t: Target, m: FakeManager) -> Answer:
    return t.get(urlsplit(m.right_url()).query)


# -- how it ends ---------------------------------------------------------------------------------


def test_browser() -> None:
    """$BROWSER is started once, with the URL as its argument and nothing of ours; its redirect completes the login and its page says so"""
    with FakeManager() as m, tempfile.TemporaryDirectory() as directory:
        script, out = browser_script(Path(directory))
        with Login(m, environment={"BROWSER": f"/nonexistent:{script} --new %s"}, no_browser=False) as login:
            output, errors = login.end(0)
        told = json.loads(wait_for(lambda: out.exists() and out.read_text(), "what the browser saw"))
        same(told["argv"], ["--new", m.authorization_url])
        same((told["status"], told["tty"], int(told["blocked"], 16)), (200, [False] * 3, 0))
        assert len(told["files"]) <= 6, told["files"]  # 0, 1, 2, its own
        assert "You are logged in" in told["page"] and CANARY not in told["page"]
        assert m.outcome[1] in output and m.authorization_url in output and "browser that opens now" in output, output
        same(errors, "")
        # the port was open at first: asked twice, the second time with ours
        logins = [c["parameters"] for c in m.calls if c["method"] == MANAGER + ".Login"]
        same([sorted(p) for p in logins], [["credential"], ["credential", "redirectUri"]])
        assert re.fullmatch(r"http://localhost:[1-9]\d+/OauthRedirect", logins[1]["redirectUri"])
        same(m.accepted, [m.right_url(CANARY)])


def test_no_browser() -> None:
    """No browser: with --no-browser, under sudo (SUDO_UID), doas or pkexec, without a screen; one that cannot be run is no failure"""
    with tempfile.TemporaryDirectory() as directory:
        script, out = browser_script(Path(directory))
        (Path(directory) / "xdg-open").symlink_to(script)
        opens = "browser that opens now"
        path = {"PATH": f"{directory}:/usr/bin:/bin"}
        for arguments, environment in ((("--no-browser",), {"BROWSER": script}), ((), {"BROWSER": script, "SUDO_UID": "1000"}),
                                       ((), {"BROWSER": script, "DOAS_USER": "ada"}), ((), {"DISPLAY": ":9", "SUDO_UID": "0", **path}), ((), path),
                                       ((), {"BROWSER": "/nonexistent"}), ((), {"BROWSER": " : :"})):
            with FakeManager() as m, Login(m, *arguments, environment=environment, no_browser=False) as login:
                same(right(login.target(), m).status, 200)
                output = login.end(0)[0]
                # a program of $BROWSER was started, if in vain
                assert m.authorization_url in output and (opens in output) == (environment.get("BROWSER") in ("/nonexistent", " : :")), (arguments, environment)
            assert not out.exists(), (arguments, environment)
        for environment in ({"DISPLAY": ":9"}, {"WAYLAND_DISPLAY": "w"}):
            with FakeManager() as m, Login(m, environment={**environment, **path}, no_browser=False) as login:
                login.end(0)
            wait_for(out.exists, "xdg-open")
            out.unlink()
        for url in ("file:///etc/passwd", "--help", "javascript:1"):
            with FakeManager() as m:
                m.first = {"authorizationUrl": url}
                with Login(m, environment={"BROWSER": script}, no_browser=False) as login:
                    login.wait_text(url)
                    m.end()
                    assert opens not in login.end(0)[0]
            assert not out.exists(), url


def test_ends() -> None:
    """Each end has its exit status and its words: succeeded 0, failed 76, expired 75, cancelled 75, nonsense 70; -q has none"""
    for state, status, page in (("succeeded", 0, 200), ("failed", 76, 403), ("expired", 75, 403), ("cancelled", 75, 403), ("confused", 70, 403)):
        for quiet in ((), ("-q",)):
            with FakeManager() as m:
                m.outcome = (state, "what \x1b[2Jcame \x9b2Jof it\nis told")
                with Login(m, *quiet) as login:
                    answer = right(login.target(), m)
                    output, errors = login.end(status)
                same(answer.status, page)
                check_page(answer)
                assert ("You are logged in" in answer.body) == (status == 0)
                told = output + errors
                assert "\x1b" not in told and "\x9b" not in told
                if quiet:
                    same((output, errors), (m.authorization_url + "\n", "" if state != "confused" else errors))
                elif state != "confused":
                    assert "what ?[2Jcame" in told and "of it?is told" in told, told
                    same(len(errors.splitlines()), 1 if status else 0)


def test_errors() -> None:
    """Errors of Login: their exit statuses, one line; no daemon: 69; wrong usage: 64"""
    service = "org.varlink.service"
    for name, parameters, status, text in ((MANAGER + ".FlowNotConfigured", {"credential": "prod", "flow": "device"}, 64, "GrantType="),
                                           (MANAGER + ".NoSuchCredential", {"credential": "prod"}, 66, "prod"), (service + ".PermissionDenied", {}, 77, "admin"),
                                           (service + ".MethodNotImplemented", {"method": "x"}, 70, "version"),
                                           (service + ".InvalidParameter", {"parameter": "redirectUri", "message": "no such port"}, 64, "no such port"),
                                           ("io.sftoken.Broker.RateLimited", {"retryAfterSeconds": 9}, 75, "9 s"),
                                           (MANAGER + ".SecretStoreUnavailable", {"message": "the disk is full"}, 75, "the disk is full"),
                                           (MANAGER + ".NoSuchLogin", {"loginId": "x"}, 64, "begin again"), (MANAGER + ".StateMismatch", {"loginId": "x"}, 64, "another login")):
        with FakeManager() as m:
            m.error = {"error": name, "parameters": parameters}
            with Login(m, "--flow", "device") as login:
                output, errors = login.end(status)
            assert ("--manager PATH" in errors) == (status == 77), errors
            assert text in errors and not output and len(errors.splitlines()) == 1, (name, errors)
            same(m.calls[0]["parameters"], {"credential": "prod", "flow": "device"})
    with FakeManager() as m:
        m.error = {"error": MANAGER + ".FlowNotConfigured", "parameters": {"credential": "prod", "flow": "web_server"}}
        with Login(m) as login:  # no flow was named, so none is to be blamed
            errors = login.end(64)[1]
        assert "nobody logs in for" in errors and "web_server" not in errors, errors
    with FakeManager() as m:
        with Login(m, environment={"SFTOKEN_MANAGER": "/tmp/absent/manager"}) as login:
            login.end(69)
        for arguments in (("--flow", "password"), ("--flow",), ("x",), ("--kind", "x")):
            with Login(m, *arguments) as login:
                login.end(64)
        same(m.calls, [])


def test_daemon_dies() -> None:
    """The daemon goes away in the middle, before or after the answer: 75, says so, the browser's page says that it failed"""
    for answered in (False, True):
        with FakeManager() as m, Login(m) as login:
            target = login.target()
            with target.connect() as s:
                if answered:
                    m.hold.clear()
                    s.sendall(f"GET {target.path}?{urlsplit(m.right_url()).query} HTTP/1.1\r\nHost: {target.authority}\r\n\r\n".encode())
                    wait_for(lambda: m.accepted, "the answer at the daemon")
                m.die()
                _, errors = login.end(75)
                answer = read_answer(s) if answered else None
            assert "begin it again" in errors, errors
            if answer:
                same(answer.status, 403)
            m.hold.set()


def test_signals() -> None:
    """Ctrl-C, SIGTERM, SIGHUP: the login is cancelled, 128 + the number, the terminal is as before, the browser that waits is told"""
    for number, terminal in ((signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, True), (signal.SIGQUIT, True)):
        with FakeManager() as m, Login(m, terminal=terminal) as login:
            target = login.target()
            m.hold.clear()
            with target.connect() as s:
                s.sendall(f"GET {target.path}?{urlsplit(m.right_url()).query} HTTP/1.1\r\nHost: {target.authority}\r\n\r\n".encode())
                wait_for(lambda: m.accepted, "the answer at the daemon")
                if terminal:
                    wait_for(lambda: not login.echoes(), "a terminal without echo")
                login.process.send_signal(number)
                assert "cancelled" in "".join(login.end(128 + number))
                same(read_answer(s).status, 403)
            wait_for(m.cancelled.is_set, "the connection of Login is closed")
            m.hold.set()
    with FakeManager() as m, Login(m, "-q") as login:
        login.target()
        login.process.send_signal(signal.SIGINT)
        same(login.end(130), (m.authorization_url + "\n", ""))


# -- JSON, quiet ---------------------------------------------------------------------------------


def test_reader_of_the_output_gone() -> None:
    """sftoken login | true: ends by SIGPIPE, but not before the terminal is as it was"""
    with FakeManager() as m:
        leader, follower = pty.openpty()
        reader, writer = os.pipe()
        os.close(reader)
        env = {"PATH": "/usr/bin:/bin", "SFTOKEN_MANAGER": m.path, "TERM": "xterm", "LANG": "C.UTF-8", **SANITIZERS}
        try:
            ended = subprocess.run([str(ROOT / "usr/bin/sftoken"), "login", "prod", "--no-browser"], stdin=follower, stdout=writer,
                                   stderr=subprocess.PIPE, env=env, start_new_session=True, timeout=20, check=False)
            assert ended.returncode in (-signal.SIGPIPE, 128 + signal.SIGPIPE), ended
            assert termios.tcgetattr(follower)[3] & termios.ECHO, "the terminal is left without echo"
        finally:
            for end in (leader, follower, writer):
                os.close(end)


def test_json() -> None:
    """--json: each Login reply as it came, and nothing else; the one with the open port is not shown, nobody could use it"""
    with FakeManager() as m, Login(m, "--json") as login:
        same(right(login.target(), m).status, 200)
        output, errors = login.end(0)
        first, last = (json.loads(line) for line in output.splitlines())
        same((first["authorizationUrl"], first["state"], first["loginId"]), (m.authorization_url, "pending", m.login_id))
        same((last["state"], last["message"], errors), (*m.outcome, ""))
    with FakeManager(device=True) as m, Login(m, "--json", "--flow", "device") as login:
        login.wait_text("pending")
        m.end("expired", "the code was not entered")
        output, errors = login.end(75)
        same([json.loads(line)["state"] for line in output.splitlines()], ["pending", "expired"])
        assert "the code was not entered" in errors, errors


# -- pasting -------------------------------------------------------------------------------------


def test_paste() -> None:
    """At a terminal the final address can be pasted beside the listener: not shown, longer than a line of the kernel, with mistakes before it"""
    with FakeManager() as m, Login(m, terminal=True) as login:
        login.wait_text("is not shown")
        login.target()
        wait_for(lambda: not login.echoes(), "no echo")
        login.type("\r\nhello " + CANARY + "\r")
        login.wait_text("whole line of its address bar")
        login.type("x" + CANARY + "\x7f\x08\x15" + m.right_url("other", state="A" * 43).replace(m.state, "B" * 43) + "\r")
        login.wait_text("belongs to another login")
        same(len(m.reached), 1)
        login.type("  " + m.right_url(CANARY, pad="z" * 9000) + "\r")
        output, _ = login.end(0)
        assert "zzz" not in output and m.outcome[1] in output
        same(m.accepted, [m.right_url(CANARY, pad="z" * 9000)])


def test_paste_only() -> None:
    """https and program schemes: nobody listens, the address is pasted; without a terminal that is said"""
    for uri in ("https://login.example.com/done", "com.example.app:/done"):
        with FakeManager(uri) as m, Login(m, terminal=True) as login:
            login.wait_text("has come to its end")
            assert "reach this machine" not in login.text
            login.type(m.right_url(CANARY) + "\r")
            login.end(0)
            same(m.accepted, [m.right_url(CANARY)])
        with FakeManager(uri) as m, Login(m) as login:
            login.wait_text("state=")
            m.end("expired", "too late")
            assert "CompleteLogin" in login.end(75)[1]


def test_port_taken() -> None:
    """The port is another program's, on one of the two addresses even: that is said, and pasting goes on"""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "0.0.0.0")):
        if family == socket.AF_INET6 and not has_v6():
            continue
        with socket.socket(family) as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind((address, 0))
            thief.listen()
            port = thief.getsockname()[1]
            with FakeManager(f"http://localhost:{port}/OauthRedirect") as m, Login(m, terminal=True) as login:
                login.wait_text(f"port {port} is taken")
                login.wait_text("has come to its end")
                login.type(m.right_url(CANARY) + "\r")
                output, _ = login.end(0)
                assert "another login" in output
                thief.setblocking(False)
                same(m.accepted, [m.right_url(CANARY)])


def test_port_taken_and_no_terminal() -> None:
    """Nobody can come with the answer then: the login ends at once, 75, and is cancelled; nothing is said with -q"""
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        port = thief.getsockname()[1]
        for quiet in ((), ("-q",)):
            with FakeManager(f"http://localhost:{port}/OauthRedirect") as m, Login(m, *quiet) as login:
                output, errors = login.end(75)
                assert m.cancelled.wait(10)
            same(output, "")
            assert quiet or (f"port {port} is taken" in errors and "terminal" in errors and len(errors.splitlines()) == 1), errors
            assert not quiet or not errors, errors


def test_same_port_again() -> None:
    """One login after the other at one port: what the first left in TIME_WAIT is in nobody's way"""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    for _ in range(3):
        with FakeManager(f"http://127.0.0.1:{port}/OauthRedirect") as m, Login(m) as login:
            same(right(login.target(), m).status, 200)
            login.end(0)


def test_ssh() -> None:
    """Over ssh: how to come here from another machine; an $SSH_CONNECTION that is none is no text for the terminal"""
    for uri, connection, wanted in (("http://localhost:0/OauthRedirect", "192.0.2.7 50000 198.51.100.4 22", "ssh -L {port}:localhost:{port} 198.51.100.4\r\n"),
                                    ("http://[::1]:0/x" if has_v6() else "http://127.0.0.1:0/x", "2001:db8::7 50000 2001:db8::4 22", "ssh -L {port}:{host}:{port} 2001:db8::4\r\n"),
                                    ("http://127.0.0.1:0/", "a b $(reboot) 22", "")):
        with FakeManager(uri) as m, Login(m, terminal=True, environment={"SSH_CONNECTION": connection}) as login:
            target = login.target()
            login.wait_text("paste the address it ends at here")
            login.wait_text("open the URL in a browser anywhere")
            if wanted:
                login.wait_text(wanted.format(port=target.port, host=target.host))
            else:
                assert "ssh -L" not in login.text and "reboot" not in login.text
            same(right(target, m).status, 200)
            login.end(0)


def test_stopped_and_continued() -> None:
    """Ctrl-Z: the terminal has its echo while we are stopped, and none afterwards"""
    with FakeManager() as m, Login(m, terminal=True) as login:
        target = login.target()
        wait_for(lambda: not login.echoes(), "no echo")
        login.process.send_signal(signal.SIGTSTP)
        stat = Path(f"/proc/{login.process.pid}/stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "stopped")
        assert login.echoes()
        login.process.send_signal(signal.SIGCONT)
        wait_for(lambda: not login.echoes(), "no echo again")
        same(right(target, m).status, 200)
        login.end(0)


# -- attacks -------------------------------------------------------------------------------------


def test_attacks() -> None:
    """25 attacks on the listener: each is answered as it must be, none ends, changes or completes the login, and the right answer is taken afterwards"""
    same(len(ATTACKS), 25)
    about_hosts = [a for a in ATTACKS if "host" in a.name or "target" in a.name]
    for host, attacks in (("localhost", ATTACKS), ("127.0.0.1", about_hosts), ("[::1]", about_hosts if has_v6() else [])):
        if not attacks:
            continue
        with FakeManager(f"http://{host}:0/OauthRedirect") as m, Login(m) as login:
            target = login.target()
            for attack in attacks:
                reached = len(m.reached)
                try:
                    attack.run(target)
                except AssertionError as error:
                    raise AssertionError(f"{host}: {attack.name}: {error}") from None
                assert login.pending(), attack.name
                assert attack.reaches or len(m.reached) == reached, f"{attack.name}: the daemon was asked"
                time.sleep(1.1 if attack.reaches else 0.1)  # a new second of misses
            same(right(target, m).status, 200)
            login.end(0)
            same(len(m.accepted), 1)


def test_wrong_then_right_in_a_flood() -> None:
    """While wrong answers come faster than any limit, the right one is taken at once, and its page is the right one"""
    with FakeManager() as m, Login(m) as login:
        target = login.target()
        statuses = [target.get("code=x&state=" + "A" * 43).status for _ in range(60)]
        assert 0 in statuses and 400 in statuses, statuses
        same(right(target, m).status, 200)
        _, errors = login.end(0)
        same(errors.count("another login"), 1)  # told once, not sixty times
        assert len(m.reached) <= 20 * 3 + 1, len(m.reached)


def test_accepted_once() -> None:
    """An answer that comes while one is looked at waits, and is told that it came too late; the daemon gets the first alone"""
    with FakeManager() as m, Login(m) as login:
        target = login.target()
        m.hold.clear()
        request = f"GET {target.path}?{urlsplit(m.right_url()).query} HTTP/1.1\r\nHost: {target.authority}\r\n\r\n".encode()
        with target.connect() as first, target.connect() as second:
            first.sendall(request)
            wait_for(lambda: m.accepted, "the first at the daemon")
            second.sendall(request)
            same(target.get(path="/none").status, 404)  # it was looked at meanwhile
            m.hold.set()
            same((read_answer(first).status, read_answer(second).status), (200, 410))
        login.end(0)
        same(len(m.reached), 1)


def test_refused_by_the_daemon() -> None:
    """CompleteLogin says that a parameter is wrong, or that it is busy: a page says so, and the login goes on"""
    for error, status in (({"error": "org.varlink.service.InvalidParameter", "parameters": {"parameter": "redirectUrl", "message": "not the redirect URI"}}, 400),
                          ({"error": "io.sftoken.Broker.RateLimited", "parameters": {"retryAfterSeconds": 1}}, 403)):
        with FakeManager() as m, Login(m) as login:
            target = login.target()
            m.complete_error = error
            same(right(target, m).status, status)
            assert login.pending()
            m.complete_error = None
            same(right(target, m).status, 200)
            assert "goes on" in login.end(0)[1]


def test_relay() -> None:
    """User-agent: the page without parameters has one script that its policy allows, and posts the fragment; the attacks on that fail"""
    with FakeManager("http://localhost:0/OauthRedirect", response_type="token") as m:
        m.first = {"message": "the user-agent flow is deprecated"}
        with Login(m, "--flow", "user_agent") as login:
            target = login.target()
            others = ("wrong state", "rebound host", "two hosts or none", "form of another page", "other paths", "injected markup", "second request behind")
            for attack in [a for a in ATTACKS if a.name in others] + RELAY_ATTACKS:
                reached = len(m.reached)
                try:
                    attack.run(target)
                except AssertionError as error:
                    raise AssertionError(f"{attack.name}: {error}") from None
                assert login.pending(), attack.name
                assert attack.reaches or len(m.reached) == reached, f"{attack.name}: the daemon was asked"
                time.sleep(1.1 if attack.reaches else 0.1)
            nonce = relay_nonce(target)
            same(nonce, relay_nonce(target))
            fragment = urlsplit(m.right_url(CANARY, pad="z" * 16000)).fragment
            answer = post(target, fragment[:16384], nonce)
            same(answer.status, 200)
            check_page(answer)
            _, errors = login.end(0)
            assert "deprecated" in errors
            same(m.accepted, [f"http://{target.authority}{target.path}#{fragment[:16384]}"])


# -- device --------------------------------------------------------------------------------------


def qr_of(text: str) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in text.splitlines() if "\x1b[38;5;16;48;5;231m" in line]


def test_device() -> None:
    """Device: link, code, QR code and a countdown on a terminal; how it ended"""
    with FakeManager(device=True) as m:
        m.first = {"expiresAt": int(time.time()) + 572, "message": "take care"}
        with Login(m, "--flow", "device", terminal=True) as login:
            login.wait_text("the code is good for 9:")
            for text in ("  https://login.example.com/setup/connect\r\n", "  WDJB-MJHT\r\n", "user_code=WDJB-MJHT", "warning: take care"):
                login.wait_text(text)
            assert login.echoes(), "nothing is typed here"
            first = re.findall(r"good for (\d+:\d\d)", login.text)[0]
            assert re.fullmatch(r"9:[0-3]\d", first), first
            wait_for(lambda: login.read() or set(re.findall(r"good for (\d+:\d\d)", login.text)) - {first}, "the next second")
            m.end()
            output, _ = login.end(0)
            rows = qr_of(output)
            assert len(rows) > 14 and len({len(r) for r in rows}) == 1 and abs(2 * len(rows) - len(rows[0])) <= 1, rows
            same({c for r in rows for c in r}, set(" ▀▄█"))
            # the finder pattern in the corner behind the quiet zone of 4: seven dark, and the light ring inside
            same((rows[0].strip(), rows[1].strip(), rows[2][:11]), ("", "", "    █▀▀▀▀▀█"))


def test_device_without_qr() -> None:
    """No QR code: in a pipe, with --json or -q, without UTF-8, with NO_COLOR, on a small terminal"""
    for options, terminal, environment, size in (((), False, {}, (120, 60)), (("-q",), True, {}, (120, 60)), (("--json",), True, {}, (120, 60)),
                                                 ((), True, {"LANG": "C"}, (120, 60)), ((), True, {"NO_COLOR": "1"}, (120, 60)), ((), True, {}, (40, 60)), ((), True, {}, (120, 15))):
        with FakeManager(device=True) as m, Login(m, "--flow", "device", *options, terminal=terminal, environment=environment, columns=size[0], rows=size[1]) as login:
            login.wait_text("WDJB-MJHT")
            m.end()
            output, errors = login.end(0)
            assert not qr_of(output) and "▀" not in output and "WDJB-MJHT" in output, (options, environment, size)
            if options == ("-q",):
                same(output.replace("\r", ""), "https://login.example.com/setup/connect\nWDJB-MJHT\n")
            assert terminal or "waiting" not in errors


def test_device_in_strange_words() -> None:
    """What the server said goes to no terminal as it is: control characters are '?'; a reply without what it needs ends with 70"""
    with FakeManager(device=True) as m:
        m.first = {"userCode": "A\x1b]0;x\x07B", "verificationUri": "https://x\r\x9b2J", "verificationUriComplete": None, "message": "\x1b[1mbold"}
        with Login(m, "--flow", "device") as login:
            login.wait_text("A?]0;x?B")
            m.end()
            output, errors = login.end(0)
        assert "A?]0;x?B" in output and "https://x???2J" in output and "?[1mbold" in errors, output + errors
    for member in ("loginId", "verificationUri"):
        with FakeManager(device=True) as m:
            m.first = {member: None}
            with Login(m, "--flow", "device") as login:
                login.end(70)


if __name__ == "__main__":
    main()
