#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""client/python/sftoken.py with Debian's unmodified requests, the real daemon and the stand-in."""

from __future__ import annotations

import ast
import io
import os
import pickle
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any, Callable, Iterator, Optional
from unittest import mock

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
PYTHON = TOP / "client/python"
sys.path[:0] = [str(PYTHON), str(HERE / "doubles"), str(HERE.parent / "system")]

import requests                                             # noqa: E402
import sftoken                                              # noqa: E402
import simple_salesforce                                    # noqa: E402
from harness import Daemon, Standin, expect, main, same, wait_for       # noqa: E402

LIMITS = "/services/data/v60.0/limits"
# So that a session may be ended again at once: not each in its time, as those of a real org are.
LIMITS_OF_TESTS = "[Limits]\nDemandGap=0\nCheckInterval=100ms\nMaxRequestsPerHour=100000\n"
REFUSED = '[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]'


class World:
    """The stand-in, a daemon with the credential prod, and the environment that finds it. The module is used as a program would."""

    def __init__(self, *, grant: str = "jwt", extra: str = "", options: tuple[str, ...] = (), **settings: Any) -> None:
        self.salesforce = Standin(strict=False, **settings).start()
        self.daemon = Daemon(self.salesforce, options=options or ("--log-level", "debug"))
        self.daemon.add_settings(LIMITS_OF_TESTS)
        if grant == "refresh":
            self.daemon.add_refresh_token("prod", extra=extra)
        else:
            self.daemon.add_jwt("prod", extra=extra)
        self.patch = mock.patch.dict(os.environ, {"SFTOKEN_SOCKET": self.daemon.broker_path, "REQUESTS_CA_BUNDLE": self.salesforce.ca})

    def __enter__(self) -> World:
        self.patch.start()
        self.daemon.start()
        return self

    def __exit__(self, *how: Any) -> None:
        self.patch.stop()
        sftoken._default.close()
        try:
            self.daemon.__exit__(*how)
        finally:
            self.salesforce.stop()

    def session(self, **options: Any) -> requests.Session:
        session = requests.Session()
        session.auth = sftoken.SftokenAuth("prod", **options)
        return session

    @property
    def url(self) -> str:
        return self.salesforce.url + LIMITS

    def expire(self) -> None:
        """The session ends at the server; the daemon does not know."""
        assert self.salesforce.kill_token(client_id="app-prod") >= 1, "no session ended"

    def calls(self) -> list[int]:
        return [entry["status"] for entry in self.salesforce.requests(path=LIMITS)]


def error_of(kind: type[sftoken.Error], call: Callable[[], object], status: int) -> sftoken.Error:
    error = expect(kind, call)
    assert isinstance(error, kind)
    same((type(error), error.exit_status), (kind, status), str(error))
    return error


def test_token() -> None:
    """get_token() has all fields; nothing that shows the object shows the secret, and it cannot be pickled"""
    with World() as world:
        token = sftoken.get_token("prod", min_valid=60, wait=10, allow_stale=True, timeout=20, reason="a test")
        secret = token.access_token
        assert world.salesforce.is_live(secret)
        same((token.instance_url, token.credential, token.username, token.token_type, token.validity),
             (world.salesforce.url, "prod", "prod@example.com", "Bearer", "fresh"), "fields")
        same(token.headers, {"Authorization": f"Bearer {secret}"}, "headers")
        assert 7000 < token.expires_in <= 7200 and abs(token.expires_at - time.time() - token.expires_in) < 5, repr(token)
        assert not any(secret in text for text in (repr(token), str(token), f"{token}", f"{[token]}", "%s" % (token,))), "it shows its secret"
        expect(TypeError, lambda: pickle.dumps(token))
        expect(AttributeError, lambda: setattr(token, "access_token", "x"))
        world.daemon.wait_log("a test")
        answers = world.salesforce.requests(path="/services/oauth2/token")
        same(sftoken.get_token().generation, token.generation, "the only credential is the default one")
        same(len(world.salesforce.requests(path="/services/oauth2/token")), len(answers), "token requests")


def test_errors() -> None:
    """errors are exceptions that say who has to act, by the exit status of sftoken(1), and hold no token"""
    with World() as world:
        error = error_of(sftoken.NoSuchCredential, lambda: sftoken.get_token("other"), 66)
        assert "sftoken list" in str(error) and error.parameters == {"credential": "other"}, error
        error_of(sftoken.InvalidArgument, lambda: sftoken.get_token("prod", wait=301), 64)
        for wrong in (0.5, float("nan"), float("inf")):
            assert "whole number" in str(error_of(sftoken.InvalidArgument, lambda value=wrong: sftoken.get_token("prod", wait=value), 64))
        for reason in ("x" * 257, "x" * 70000):
            same(str(error_of(sftoken.InvalidArgument, lambda value=reason: sftoken.get_token("prod", reason=value), 64)), "a reason has at most 256 bytes, and a call 64 KiB")
        same(sftoken.get_token("prod", reason="x" * 256).credential, "prod")
        for call in (lambda: sftoken.get_token("x" * 70000), lambda: sftoken.report(1, "prod", error_code="x" * 70000)):
            same(str(error_of(sftoken.InvalidArgument, call, 64)), "a reason has at most 256 bytes, and a call 64 KiB")
        same(sftoken.get_token("prod", min_valid=600.0).credential, "prod")
        error = error_of(sftoken.LifetimeTooShort, lambda: sftoken.get_token("prod", min_valid=360000), 76)
        assert error.name == "io.sftoken.Broker.LifetimeTooShort", error.name
        world.salesforce.force_error("app-prod", "inactive_user")
        token = sftoken.get_token("prod")
        world.expire()
        error = error_of(sftoken.Rejected, lambda: sftoken.get_token("prod", rejected=token), 76)
        assert "inactive_user" in str(error) and token.access_token not in str(error), error
        error_of(sftoken.Unreachable, lambda: sftoken.Client("/nonexistent/socket", connect_wait=0).get_token(), 69)
        error_of(sftoken.InvalidArgument, lambda: sftoken.Client("/" + 120 * "x").get_token(), 64)
    with World(grant="refresh") as world:
        token = sftoken.get_token("prod")
        world.salesforce.force_error("app-prod", {"error": "invalid_grant", "error_description": "expired access/refresh token"})
        world.expire()
        error_of(sftoken.LoginRequired, lambda: sftoken.get_token("prod", rejected=token), 80)


class Peer:
    """A connection as _check_server() sees it, served by that uid."""

    def __init__(self, uid: int) -> None:
        self.credentials = struct.pack("iII", 1, uid, 1)

    def getsockopt(self, *_: int) -> bytes:
        return self.credentials


def test_server() -> None:
    """who serves the socket is looked at: another uid than was named, a stranger, a directory that others can write"""
    with World() as world:
        mine, other = os.geteuid(), os.geteuid() + 4711
        same(sftoken.Client(server_uid=mine).get_token().credential, "prod", "the right uid")
        error_of(sftoken.Refused, lambda: sftoken.Client(server_uid=other).get_token(), 77)
        for text, kind, status in ((str(other), sftoken.Refused, 77), ("root", sftoken.InvalidArgument, 64)):
            with mock.patch.dict(os.environ, {"SFTOKEN_SERVER_UID": text}):
                error_of(kind, lambda: sftoken.Client().get_token(), status)
        path = world.daemon.broker_path
        stranger: Any = Peer(other)
        error = error_of(sftoken.Refused, lambda: sftoken._check_server(stranger, path, None), 77)
        assert f"uid {other}" in str(error), error
        for uid in (0, mine, world.daemon.runtime.stat().st_uid):
            fine: Any = Peer(uid)
            sftoken._check_server(fine, path, None)
        os.chmod(world.daemon.runtime, 0o777)
        error_of(sftoken.Refused, lambda: sftoken.Client().get_token(), 77)
        same(sftoken.Client(server_uid=mine).get_token().credential, "prod", "with the uid named the directory is not looked at")
        os.chmod(world.daemon.runtime, 0o755)


def test_sockets() -> None:
    """$SFTOKEN_SOCKET, then the user's socket if it is there, then the system's"""
    with World() as world, tempfile.TemporaryDirectory() as runtime:
        with mock.patch.dict(os.environ, {"XDG_RUNTIME_DIR": runtime}):
            same(sftoken.Client().path, world.daemon.broker_path, "$SFTOKEN_SOCKET")
            del os.environ["SFTOKEN_SOCKET"]
            same(sftoken.Client().path, "/run/sftokend/io.sftoken.Broker", "no socket of the user's")
            os.mkdir(f"{runtime}/sftokend")
            with socket.socket(socket.AF_UNIX) as user:
                user.bind(f"{runtime}/sftokend/io.sftoken.Broker")
                same(sftoken.Client().path, f"{runtime}/sftokend/io.sftoken.Broker", "the user's")


def test_restart() -> None:
    """a restarted daemon, a killed front and a daemon that comes later are not noticed"""
    with World() as world:
        session, client = world.session(), sftoken.Client(connect_wait=20)
        first = client.get_token("prod")
        session.get(world.url).raise_for_status()
        for _ in range(2):
            world.daemon.stop()
            world.daemon.start()
            session.get(world.url).raise_for_status()
            assert client.get_token("prod").generation == first.generation, "the restart spent a token"
        old = world.daemon.kill("front")
        wait_for(lambda: world.daemon.child("front") not in (None, old), "a new front")
        same(client.get_token("prod").generation, first.generation, "after the end of the front")
        world.daemon.stop()
        later = threading.Timer(0.3, world.daemon.start)
        later.start()
        same(client.get_token("prod", timeout=30).generation, first.generation, "from a daemon that came later")
        later.join()


class Server:
    """Answers each connection with the next piece, then closes it; None: closes at once."""

    def __init__(self, *pieces: Optional[bytes]) -> None:
        self.folder = tempfile.mkdtemp(prefix="sft.")
        self.path = f"{self.folder}/s"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.pieces, self.heard = list(pieces), 0
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        for piece in self.pieces:
            connection = self.listener.accept()[0]
            with connection:
                while b"\0" not in connection.recv(65536):
                    pass
                self.heard += 1
                if piece:
                    connection.sendall(piece)
        self.listener.close()

    def get(self) -> sftoken.Token:
        try:
            return sftoken.Client(self.path, connect_wait=0).get_token("prod")
        finally:
            self.thread.join(10)
            shutil.rmtree(self.folder)


STOPPING = b'{"error":"io.sftoken.Broker.ShuttingDown"}\0'


def test_repeats() -> None:
    """a call is sent again after a lost connection or the end of a daemon, twice at most; nonsense is a ProtocolError"""
    server = Server(None, b'{"parameters":{"tok', None)
    error_of(sftoken.Disconnected, server.get, 75)
    same(server.heard, 3, "calls")
    error_of(sftoken.ShuttingDown, Server(STOPPING, STOPPING, STOPPING).get, 75)
    error_of(sftoken.NoSuchCredential, Server(STOPPING, b'{"error":"io.sftoken.Broker.NoSuchCredential","parameters":{"credential":"prod"}}\0').get, 66)
    for nonsense in (b"{}}\0", b"[]\0", b"\xff\0", 70000 * b"x" + b"\0", b'{"parameters":[1]}\0', b'{"parameters":{"token":{}}}\0', b'{"error":"no.Such"}\0'):
        error_of(sftoken.ProtocolError, Server(nonsense).get, 70)


def test_threads() -> None:
    """sixteen threads with one client and one session; one that waits holds up nobody"""
    with World() as world:
        session, errors, done = world.session(), [], []
        slow = threading.Thread(target=lambda: expect(sftoken.Error, lambda: sftoken.get_token("prod", rejected=sftoken.get_token("prod"), wait=3)))
        world.salesforce.fault("delay", seconds=3, count=5)
        world.salesforce.fault("delay", path="userinfo", seconds=3, count=5)
        slow.start()

        def work() -> None:
            try:
                for _ in range(20):
                    done.append(sftoken.get_token("prod").generation)
                session.get(world.url).raise_for_status()
            except BaseException as error:  # pylint: disable=broad-except
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        same((errors, len(done), len(set(done))), ([], 320, 1), "threads")
        assert slow.is_alive(), "the slow call was not slow"
        assert len(sftoken._default._idle) <= 8, "connections that are kept"
        slow.join()


def in_child(call: Callable[[], object]) -> int:
    """The exit status of a child in which that was called: 0, or 1 where it raised."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            call()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def child(client: sftoken.Client, wire: object) -> None:
    for _ in range(5):
        client.get_token("prod")
    assert client._idle[0] is not wire, "it uses its parent's connection"


def test_fork() -> None:
    """after a fork the child has a connection of its own and the parent keeps its; a descriptor that the program took away is not touched"""
    with World():
        client = sftoken.Client()
        client.get_token("prod")
        wire = client._idle[0]
        same([in_child(lambda: child(client, wire)) for _ in range(3)], [0, 0, 0], "children")
        client.get_token("prod")
        assert client._idle[0] is wire, "the parent had to connect again"
        number = wire.socket.fileno()
        read, write = os.pipe2(os.O_NONBLOCK)
        os.dup2(write, number)              # as programs do that close all descriptors, and open their own
        client.get_token("prod")
        os.write(number, b"still mine")
        same(os.read(read, 100), b"still mine", "the program's descriptor")
        for descriptor in (read, write, number):
            os.close(descriptor)


def test_expiry() -> None:
    """a requests session outlives its token: a 401 is reported, and the request repeated once with the next one"""
    with World() as world:
        session = world.session(reason="nightly")
        same(session.get(world.url).json()["DailyApiRequests"]["Max"], 15000, "limits")
        generation = sftoken.get_token("prod").generation
        world.expire()
        answer = session.get(world.url)
        same((answer.status_code, [old.status_code for old in answer.history]), (200, [401]), "answer and history")
        assert sftoken.get_token("prod").generation > generation
        world.salesforce.advance(100000)        # two hours are over at the server, and not here
        same([session.get(world.url).status_code for _ in range(3)], [200, 200, 200], "after the end of its life")
        same(world.calls(), [200, 401, 200, 401, 200, 200, 200], "requests")
        same(len(world.salesforce.token_requests()), 3, "token requests")


def test_second_401() -> None:
    """a second 401 is given to the caller; so is the first where the token is good or there is no other; other 401s are no report"""
    with World() as world:
        session = world.session()
        session.get(world.url).raise_for_status()
        world.expire()
        world.salesforce.fault("status", path=LIMITS, count=2, status=401, body=REFUSED, content_type="application/json")
        answer = session.get(world.url)
        same((answer.status_code, len(answer.history), "INVALID_SESSION_ID" in answer.text), (401, 1, True), "the second one")
        world.salesforce.fault("status", path=LIMITS, count=1, status=401, body=REFUSED, content_type="application/json")
        before = len(world.salesforce.token_requests())
        answer = session.get(world.url)
        same((answer.status_code, answer.history), (401, []), "the daemon finds the token good")
        same(len(world.salesforce.token_requests()), before, "token requests for a good token")
        world.salesforce.fault("status", path=LIMITS, count=1, status=401, body='[{"errorCode":"OTHER"}]', content_type="application/json")
        reports = world.daemon.log().count("token.reported")
        same(session.get(world.url).status_code, 401, "another 401")
        same(world.daemon.log().count("token.reported"), reports, "reports of another 401")
        world.salesforce.force_error("app-prod", "inactive_user")
        world.expire()
        same(session.get(world.url).status_code, 401, "there is no other token")
        same(world.calls(), [200, 401, 401, 401, 401, 401], "requests")


class Unseekable(io.BytesIO):
    def seek(self, *_: int) -> int:
        raise OSError("a pipe")


def test_bodies() -> None:
    """bodies: text, form and file are sent again from where they stood; a generator and a pipe are not"""
    def pieces() -> Iterator[bytes]:
        yield b"abc"

    with World() as world:
        session = world.session()
        file = io.BytesIO(b"header" + 100000 * b"x")
        file.seek(6)
        for body, wanted in ((b"abc", [401]), ("äbc", [401]), ({"a": "b"}, [401]), (file, [401]), (pieces(), None), (Unseekable(b"abc"), None)):
            session.get(world.url).raise_for_status()
            world.expire()
            answer = session.post(world.url, data=body, stream=True, timeout=20)    # type: ignore[arg-type]
            if wanted is None:
                same((answer.status_code, answer.history), (401, []), f"a body that cannot be sent again: {body}")
                continue
            same(([old.status_code for old in answer.history], answer.status_code), (wanted, 200), f"{body}")
            same(answer.request.headers.get("Content-Length"), answer.history[0].request.headers.get("Content-Length"), "length")
        same(file.tell(), 100006, "the file was sent from where it stood")


def test_hosts() -> None:
    """the token goes to the org alone: another host is an error, a redirect to one gets neither the token nor a report"""
    with World() as world, Standin(strict=False) as other:
        session = world.session()
        for url in (other.url + LIMITS, world.url.replace("https", "http"), world.url.replace("127.0.0.1", "localhost")):
            error = error_of(sftoken.InvalidArgument, lambda u=url: session.get(u), 64)     # type: ignore[misc]
            assert "hosts=" in str(error), error
        same(other.requests(path=LIMITS), [], "requests elsewhere")
        world.salesforce.fault("redirect", path=LIMITS, location=other.url + LIMITS, status=302)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = session.get(world.url, verify=False)       # the two have authorities of the same name
        same((answer.status_code, answer.request.headers.get("Authorization")), (401, None), "after the redirect")
        same((len(other.requests(path=LIMITS)), len(world.salesforce.token_requests())), (1, 1), "requests elsewhere, and token requests")
        assert "token.reported" not in world.daemon.log(), "a refusal by another host was reported"
        request = requests.Request("GET", "https://api.salesforce.com/x", headers={"X-SFDC-Session": "old"})
        request.auth = sftoken.SftokenAuth("prod", hosts=["API.salesforce.com"])
        sent = session.prepare_request(request)
        same(sent.headers["X-SFDC-Session"], sftoken.get_token("prod").access_token, "the header of the first Bulk API")


def test_simple_salesforce() -> None:
    """salesforce("prod") has the constructor of simple-salesforce make its object (a double here), which outlives its token"""
    with World() as world:
        sf = sftoken.salesforce("prod", version="60.0")
        assert isinstance(sf, simple_salesforce.Salesforce)
        same(sf.base_url, world.salesforce.url + "/services/data/v60.0/", "base URL")
        same(sf.query("SELECT Id, Name FROM Organization")["records"][0]["Name"], "Stand-in", "a query")
        for _ in range(2):
            world.expire()
            assert sf.limits()["DailyApiRequests"]["Max"] == 15000
        alone = simple_salesforce.Salesforce(instance_url=world.salesforce.url, session_id=sftoken.get_token("prod").access_token)
        world.expire()
        expect(simple_salesforce.SalesforceExpiredSession, alone.limits)    # so that the test can fail


def test_hold() -> None:
    """hold(): the session lives on over a due renewal, is told ahead of its end, and ends with the block"""
    with World(grant="refresh", extra="SessionTimeout=8s\nIntrospect=no", refresh_ends_sessions=True, login_limit=0) as world:
        world.daemon.add_settings("[Limits]\nRenewRefreshAt=50%\nRenewJitter=0%\nMinRenewDelay=0s\nStartSpread=0s\n", "renewal.conf")
        world.daemon.stop()
        world.daemon.start()
        before = len(world.salesforce.token_requests())
        with sftoken.hold("prod") as held:
            assert not held.ending and not held.ended and held.ends_in > 0, held
            assert held.token.access_token not in repr(held)
            generation = held.token.generation
            world.daemon.wait_log("renewal.put_off")
            assert world.salesforce.is_live(held.token.access_token), "the session was ended"
            wait_for(lambda: held.ending, "the word ahead of the end", 20)
            assert not held.ended and world.salesforce.is_live(held.token.access_token), "it ended without a word"
        assert held.ended and held.ends_in == 0
        wait_for(lambda: sftoken.get_token("prod").generation > generation, "the renewal after the hold", 20)
        assert len(world.salesforce.token_requests()) > before
        with sftoken.hold("prod", max_seconds=60) as held:
            world.daemon.kill("front")
            wait_for(lambda: held.ended, "a hold whose connection was lost")


def test_report() -> None:
    """report() tells whether it is the current generation; a token names its credential by itself"""
    with World() as world:
        token = sftoken.get_token("prod")
        same(sftoken.report(token.generation - 1, "prod"), sftoken.Report(False, token.generation), "an old generation")
        world.expire()
        same(sftoken.report(token, http_status=401, error_code="INVALID_SESSION_ID"), sftoken.Report(True, token.generation), "the current one")
        wait_for(lambda: sftoken.get_token("prod").generation > token.generation, "the next token")


def test_package() -> None:
    """pip makes a wheel of it without the network; its version is the project's; it is Python 3.9, and nothing but the standard library"""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PYTHON, f"{folder}/source", ignore=shutil.ignore_patterns("__pycache__"))
        command = ["/usr/bin/python3", "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-index", "--no-deps", "-w", folder, f"{folder}/source"]
        subprocess.run(command, check=True, capture_output=True, env={"PATH": "/usr/bin:/bin", "HOME": folder})
        wheel = next(Path(folder).glob("*.whl"))
        version = re.search(r"^  version: '(.*)'", (TOP / "meson.build").read_text(), re.MULTILINE)
        assert version is not None
        same((wheel.name, sftoken.__version__), (f"sftoken-{version[1]}-py3-none-any.whl", version[1]), "the wheel, and the version")
        assert "sftoken.py" in zipfile.ZipFile(wheel).namelist()
    text = (PYTHON / "sftoken.py").read_text()
    tree = ast.parse(text, feature_version=(3, 9))
    names = {name.split(".")[0] for node in ast.walk(tree) for name in
             ([a.name for a in node.names] if isinstance(node, ast.Import) else [str(node.module)] if isinstance(node, ast.ImportFrom) else [])}
    same(names - set(sys.stdlib_module_names), {"requests", "simple_salesforce"}, "other modules")
    loaded = subprocess.run([sys.executable, "-Ic", f"import sys; sys.path.insert(0, {str(PYTHON)!r}); import sftoken; print('requests' in sys.modules)"],
                            check=True, capture_output=True, text=True).stdout
    same(loaded, "False\n", "requests is imported")


if __name__ == "__main__":
    main()
