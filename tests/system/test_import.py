# SPDX-License-Identifier: Apache-2.0
"""What administrators give to the store and take from it: import, revoke, adopt, and the history that show tells."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import Any, Optional, Sequence

from harness import MANAGER, SANITIZERS, SERVICE, TOP, Daemon, Skip, Standin, VarlinkError, expect, run_tests, same, wait_for
from privileged import as_root

KINDS = ("refresh_token", "client_secret", "private_key", "sfdx_auth_url", "assertion")
SECRET = "planted-client-secret-7f3a9c"


class Shared:
    salesforce: Standin
    daemon: Daemon


REPLACED = "sftoken: it replaces the one that was there, which worked\n"


def run_cli(*arguments: str, data: bytes = b"", check: Optional[int] = 0, environment: Optional[dict[str, str]] = None,
            user: Optional[int] = None, pass_fds: Sequence[int] = ()) -> subprocess.CompletedProcess[str]:
    """sftoken with bytes on its standard input."""
    env = {"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": Shared.daemon.broker_path, **SANITIZERS, **(environment or {})}
    done = subprocess.run([str(Shared.daemon.cli_program), *arguments], input=data, capture_output=True, timeout=60, check=False, env=env,
                          user=user, group=user, extra_groups=[] if user is not None else None, pass_fds=pass_fds)
    result = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    if check is not None:
        same(result.returncode, check, f"{arguments}: {result.stdout}{result.stderr}")
    return result


def give(name: str, kind: str, data: bytes | str, check: Optional[int] = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """import; one that has to succeed is repeated while a renewal is under way, as the message says."""
    data = data.encode() if isinstance(data, str) else data

    def once() -> Optional[subprocess.CompletedProcess[str]]:
        result = run_cli("import", name, "--kind", kind, data=data, check=None, **options)
        return None if check == 0 and "try again in a few seconds" in result.stderr else result
    result = wait_for(once, f"{name} has time for an import")
    assert isinstance(result, subprocess.CompletedProcess)
    if check is not None:
        same(result.returncode, check, f"{name} {kind}: {result.stdout}{result.stderr}")
    return result


def new_token(name: str) -> str:
    """A refresh token of a grant of its own, for credential NAME."""
    return str(Shared.salesforce.new_grant(f"{name}@example.com", f"app-{name}")["refresh_token"])


def info(name: str) -> dict[str, Any]:
    return dict(json.loads(run_cli("show", name, "--json").stdout))


def access_token(name: str) -> str:
    return run_cli("get", name).stdout.strip()


def add_refresh(name: str, *, client_secret: str = "stored:", extra: str = "") -> None:
    """A credential with GrantType=refresh_token, its app and its user; it has no refresh token yet."""
    daemon = Shared.daemon
    Shared.salesforce.configure(users={f"{name}@example.com": {}}, apps={f"app-{name}": {"secret": SECRET, "rotation": True}})
    secret = f"ClientSecret={client_secret}\n" if client_secret else ""
    daemon.write_credential(name, f"[Credential]\nGrantType=refresh_token\nLoginUrl={Shared.salesforce.url}\nClientId=app-{name}\n{secret}{extra}\n")


# -- what is no secret ---------------------------------------------------------------------------


def test_input_that_is_no_secret() -> None:
    """import: empty, too long, NUL, no UTF-8, a space, two lines: 64, one line that says what, nothing sent to Salesforce, never the input"""
    before = len(Shared.salesforce.token_requests("app-first"))
    rows: list[tuple[bytes, str]] = [
        (b"", "there is no refresh token"), (b"x" * (65 * 1024), "the input is longer than 64 KiB"), (b"x" * (64 * 1024), "64 KiB"), (b"canary\0x", "byte 7"),
        (b"canary\xffx", "byte 7"), (b"canary\xc0\x80", "byte 7"), (b"canary\xed\xa0\x80", "byte 7"),
        (b"canary\xe0\x9f\xbf", "byte 7"), (b"canary\xf0\x8f\xbf\xbf", "byte 7"), (b"canary\xf4\x90\x80\x80", "byte 7"), (b"canary\xe2\x82", "byte 7"),
        (b"canary\xe2\x82\x28", "byte 7"), (b"\n", "empty"),
        (b"canary x", "byte 7"), (b"canary\ncanary\n", "byte 7"), (b"x" * (17 * 1024), "16 KiB"), ("canaryü".encode(), "byte 7"),
    ]
    for data, text in rows:
        result = give("first", "refresh_token", data, check=64)
        assert text in result.stderr and "canary" not in result.stderr + result.stdout, (data[:20], result.stderr)
        same(len(result.stderr.strip().splitlines()), 1, str(data[:20]))
    same(len(Shared.salesforce.token_requests("app-first")), before)


def test_usage() -> None:
    """import: no kind, an unknown one, no credential, an unknown one, a descriptor that is none, a value as argument"""
    rows: list[tuple[tuple[str, ...], int, str]] = [
        (("import", "first"), 64, "--kind"), (("import", "first", "--kind", "password"), 64, "client_secret"),
        (("import", "--kind", "refresh_token"), 64, "name of a credential"), (("import", "first", "--kind", "refresh_token", "5Aep"), 64, "too many"),
        (("import", "nobody", "--kind", "refresh_token"), 66, "nobody"), (("import", "first", "--kind", "refresh_token", "--fd", "77"), 64, "77"),
        (("revoke",), 64, "name of a credential"), (("revoke", "nobody"), 66, "nobody"), (("revoke", "bearer", "--force"), 64, "--force"),
        (("adopt", "first"), 64, "too many"),
    ]
    for arguments, status, text in rows:
        result = run_cli(*arguments, data=b"5Aep861canary", check=status)
        assert text in result.stderr and "canary" not in result.stderr, (arguments, result.stderr)
        same(len(result.stderr.strip().splitlines()), 1, str(arguments))


def test_kinds_that_do_not_fit() -> None:
    """import: a credential takes only what it can use; what it cannot is 64 and says why"""
    for name, kind, text in (("bearer", "refresh_token", "jwt_bearer"), ("bearer", "sfdx_auth_url", "jwt_bearer"),
                             ("bearer", "client_secret", "stored:"), ("file", "client_secret", "stored:"), ("first", "private_key", "stored:"),
                             ("first", "assertion", ""), ("first", "sfdx_auth_url", "")):
        result = give(name, kind, "canary861", check=64)
        assert text in result.stderr and "canary" not in result.stderr, (name, kind, result.stderr)


def test_who_may() -> None:
    """import, revoke, adopt: 77 without permission, 69 without a daemon"""
    commands = (("import", "first", "--kind", "refresh_token"), ("revoke", "first"), ("adopt",))
    for arguments in commands:
        result = run_cli(*arguments, data=b"5Aep861canary", check=69, environment={"SFTOKEN_MANAGER": "/tmp/absent/manager"})
        assert "sftokend" in result.stderr, result.stderr
        if os.geteuid() == 0:
            result = run_cli(*arguments, data=b"5Aep861canary", check=77, user=65533)
            assert "canary" not in result.stderr, result.stderr
    if os.geteuid() == 0:
        show = run_cli("show", "file", user=65533, check=None)
        assert show.returncode in (66, 77), show  # the broker's own answer: the history changes nothing about it


def test_wire() -> None:
    """On the wire: errors have the names and parameters of the contract; no reply holds the value"""
    with Shared.daemon.manager() as m:
        for parameters, name, bad in (({"credential": "first", "kind": "password", "value": "canary"}, SERVICE + ".InvalidParameter", "kind"),
                                      ({"credential": "first", "kind": "refresh_token", "value": ""}, SERVICE + ".InvalidParameter", "value"),
                                      ({"credential": "first", "kind": "refresh_token", "value": 7}, SERVICE + ".InvalidParameter", "value"),
                                      ({"credential": "bearer", "kind": "refresh_token", "value": "canary"}, SERVICE + ".InvalidParameter", "kind"),
                                      ({"credential": "nobody", "kind": "refresh_token", "value": "canary"}, MANAGER + ".NoSuchCredential", None)):
            def call(given: dict[str, Any] = parameters) -> Any:
                return m.call(MANAGER + ".ImportSecret", given)
            error = expect(VarlinkError, call)
            same(getattr(error, "name"), name)
            if bad:
                same(getattr(error, "parameters")["parameter"], bad)
            assert "canary" not in str(getattr(error, "parameters"))
        same(m.call(MANAGER + ".Adopt"), {})
        same(m.call(MANAGER + ".Status")["store"], "ok")
        for method, parameters in ((".History", {"credential": "nobody"}), (".Revoke", {"credential": "nobody", "forgetSecrets": True})):
            def ask(name: str = method, given: dict[str, Any] = parameters) -> Any:
                return m.call(MANAGER + name, given)
            same(getattr(expect(VarlinkError, ask), "name"), MANAGER + ".NoSuchCredential")


class FakeManager:
    """A Manager socket that keeps what it was asked and answers what it is told."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)
        self.path = str(path)
        self.calls: list[bytes] = []
        self.answer: dict[str, Any] = {"parameters": {}}
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                data = b""
                while not data.endswith(b"\0") and (more := peer.recv(65536)):
                    data += more
                if not data:
                    continue  # it connected, and had nothing to say
                self.calls.append(data[:-1])
                peer.sendall(json.dumps(self.answer).encode() + b"\0")


def test_request_as_sent() -> None:
    """import: what arrives is what was read, byte by byte, in one call of at most 64 KiB; each error has its exit status"""
    fake = FakeManager(Shared.daemon.directory / "fake" / "manager")
    where = {"SFTOKEN_MANAGER": fake.path}
    every = "".join(chr(c) for c in range(1, 0x250)) + "\u2028\ufffd\U0001f511"
    for kind in KINDS:
        for value in ("x", '"\\\n\r\t/', every, "-----BEGIN X-----\nab+/=\n-----END X-----\n", "y" * 60000):
            result = give("a.b_c@d-e", kind, value, environment=where)
            call = json.loads(fake.calls.pop())
            same(call, {"method": MANAGER + ".ImportSecret", "parameters": {"credential": "a.b_c@d-e", "kind": kind, "value": value}})
            assert value == "x" or value not in result.stdout + result.stderr
    give("first", "private_key", "\x01" * 20000, environment=where, check=64)  # its escapes make it longer than a call may be
    same(fake.calls, [])
    run_cli("import", 'odd"name', "--kind", "assertion", data=b"x", environment=where)
    same(json.loads(fake.calls.pop())["parameters"]["credential"], 'odd"name')
    broker = "io.sftoken.Broker"
    for name, parameters, status, text in ((MANAGER + ".SecretStoreUnavailable", {"message": "the disk is full"}, 75, "the disk is full"),
                                           (broker + ".Unavailable", {"credential": "first", "message": "later", "retryAfterSeconds": 7}, 75, "7 s"),
                                           (broker + ".Rejected", {"credential": "first", "oauthError": "revocation_refused",
                                                                   "description": "not so", "httpStatus": 0}, 76, "not so"),
                                           (broker + ".LoginRequired", {"credential": "first", "grantType": "refresh_token", "message": "give one"}, 80, "give one"),
                                           (SERVICE + ".InvalidParameter", {"parameter": "value", "message": "no good"}, 64, "no good"),
                                           (SERVICE + ".MethodNotImplemented", {"method": "x"}, 70, "version"),
                                           (SERVICE + ".PermissionDenied", {}, 77, "admin")):
        fake.answer = {"error": name, "parameters": parameters}
        for command in (("import", "first", "--kind", "assertion"), ("revoke", "first"), ("adopt",)):
            result = run_cli(*command, data=b"canary", environment=where, check=status)
            assert text in result.stderr and not result.stdout, result
            assert not run_cli(*command, "-q", data=b"canary", environment=where, check=status).stderr
    fake.calls.clear()
    fake.answer = {"parameters": {}}
    run_cli("revoke", "first", environment=where)
    run_cli("revoke", "first", "--forget", environment=where)
    same([json.loads(c)["parameters"] for c in fake.calls],
         [{"credential": "first", "forgetSecrets": False}, {"credential": "first", "forgetSecrets": True}])
    fake.socket.close()


# -- what is -------------------------------------------------------------------------------------


def test_import_refresh_token() -> None:
    """import: the missing secret is told; with it and a refresh token there is an access token; the next import replaces it"""
    status = json.loads(run_cli("status", "--json").stdout)
    assert any(w.startswith("first: ") and "sftoken import" in w for w in status["warnings"]), status["warnings"]
    assert "client secret" in give("first", "client_secret", SECRET + "\n").stdout
    first = give("first", "refresh_token", new_token("first") + "\n", environment={})
    same((first.stdout, first.stderr), ('the refresh token of "first" is in the store\n', ""))
    assert Shared.salesforce.is_live(access_token("first"))
    status = json.loads(run_cli("status", "--json").stdout)
    assert not any(w.startswith("first: ") for w in status["warnings"]), status["warnings"]
    generation = info("first")["generation"]
    wait_for(lambda: info("first")["state"] == "valid", "a token that is not being renewed")
    same(give("first", "refresh_token", new_token("first")).stderr, REPLACED)
    wait_for(lambda: info("first")["generation"] > generation, "a token of the new grant")


def test_import_by_descriptor() -> None:
    """import --fd: from a pipe; --json prints the reply; -q prints nothing"""
    for options, output in (((), 'the refresh token of "byfd" is in the store\n'), (("--json",), "{}\n"), (("-q",), "")):
        generation = info("byfd")["generation"]
        reader, writer = os.pipe()
        os.write(writer, new_token("byfd").encode())
        os.close(writer)
        result = run_cli("import", "byfd", "--kind", "refresh_token", "--fd", str(reader), *options, pass_fds=[reader], check=None)
        os.close(reader)
        same((result.returncode, result.stdout, result.stderr.replace(REPLACED, "" if options != ("-q",) else REPLACED)), (0, output, ""))
        wait_for(lambda before=generation: info("byfd")["generation"] > before, "a token of the new grant")
    assert Shared.salesforce.is_live(access_token("byfd"))


def test_import_sfdx_auth_url() -> None:
    """import sfdx_auth_url: the client secret and the refresh token come with it; one of another app is refused and changes nothing"""
    host = Shared.salesforce.url.removeprefix("https://")
    result = give("sfdx", "sfdx_auth_url", f"force://app-first:canary:{new_token('first')}@{host}", check=64)
    assert "ClientId=" in result.stderr and "canary" not in result.stderr, result.stderr
    same(info("sfdx")["generation"], 0)
    give("sfdx", "sfdx_auth_url", f"force://app-sfdx:{SECRET}:{new_token('sfdx')}@{host}\n")
    assert Shared.salesforce.is_live(access_token("sfdx"))


def test_import_private_key() -> None:
    """import private_key: a JWT credential with PrivateKey=stored: begins to work; what is no key is refused"""
    daemon, key = Shared.daemon, Shared.daemon.directory / "signer.key"
    result = give("signer", "private_key", "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n", check=64)
    assert "canary" not in result.stderr, result.stderr
    give("signer", "private_key", key.read_bytes())
    assert Shared.salesforce.is_live(run_cli("get", "signer").stdout.strip())
    key_line = key.read_text().splitlines()[1]
    assert key_line not in daemon.log()


def test_secrets_stay_inside() -> None:
    """Nothing that was imported is in the log, in a reply, or in plain text in the state and runtime directories"""
    daemon = Shared.daemon
    tokens = [t["token"] for name in ("first", "byfd", "sfdx") for g in Shared.salesforce.grants(f"app-{name}") for t in g["tokens"]]
    planted = [SECRET, *tokens, (daemon.directory / "signer.key").read_text().splitlines()[1]]
    assert len(planted) > 5
    texts = [daemon.log().encode(), run_cli("status", "--json").stdout.encode(), run_cli("show", "first", "--json").stdout.encode()]
    texts += [p.read_bytes() for d in (daemon.state, daemon.runtime) for p in d.rglob("*") if p.is_file()]
    for secret in planted:
        assert not any(secret.encode() in text for text in texts), "a secret is where it must not be"
    assert "manager.import" in daemon.log()


def test_nothing_stays_in_memory() -> None:
    """After an import that was refused no copy of the value is in the memory of the mint"""
    canary = f"canary-{time.monotonic_ns():016x}"
    pid = Shared.daemon.child("mint")
    assert pid
    result = give("bearer", "client_secret", canary, check=64)
    assert canary not in result.stderr
    # what must be there, so that looking at nothing is seen: a word of its arguments
    looked = as_root(sys.executable, str(TOP / "tests/system/memory.py"), str(pid), canary, "sftokend-mint")
    same((looked.returncode, looked.stdout), (0, "sftokend-mint\n"), looked.stderr)


# -- a person at a terminal ----------------------------------------------------------------------


class Terminal:
    """sftoken at a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self.leader, follower = pty.openpty()
        env = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "SFTOKEN_SOCKET": Shared.daemon.broker_path, **SANITIZERS}
        self.follower = follower
        self.process = subprocess.Popen([str(Shared.daemon.cli_program), *arguments], stdin=follower, stdout=follower, stderr=follower, env=env,
                                        start_new_session=True)
        self.text = ""

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.follower)[3] & termios.ECHO)

    def read(self, timeout: float) -> bool:
        if not select.select([self.leader], [], [], timeout)[0]:
            return False
        self.text += os.read(self.leader, 65536).decode()
        return True

    def wait_text(self, wanted: str) -> None:
        def seen() -> bool:
            self.read(0.1)
            return wanted in self.text
        wait_for(seen, f"{wanted!r} in {self.text!r}")

    def end(self) -> int:
        status = self.process.wait(60)
        while self.read(0):
            pass
        return status

    def close(self) -> None:
        os.close(self.follower)
        os.close(self.leader)


def test_terminal() -> None:
    """import at a terminal asks, without echo, and leaves the terminal as it was; a signal does so, too"""
    secret = new_token("typed")
    terminal = Terminal("import", "typed", "--kind", "refresh_token")
    terminal.wait_text("not shown")
    assert not terminal.echoes()
    os.write(terminal.leader, secret.encode() + b"\n")
    same(terminal.end(), 0, terminal.text)
    assert "is in the store" in terminal.text and secret not in terminal.text and terminal.echoes(), terminal.text
    terminal.close()
    terminal = Terminal("import", "typed", "--kind", "refresh_token")
    terminal.wait_text("not shown")
    assert not terminal.echoes()
    terminal.process.send_signal(signal.SIGTERM)
    same(terminal.end(), -signal.SIGTERM)
    assert terminal.echoes()
    terminal.close()


def test_show_history() -> None:
    """show: the last attempts, newest first; ISO times in a pipe, words on a terminal, `attempts` in JSON"""
    run_cli("refresh", "file")
    attempts = info("file")["attempts"]
    assert 2 <= len(attempts) <= 20, attempts
    same((attempts[0]["kind"], attempts[0]["outcome"], attempts[0]["httpStatus"]), ("demanded", attempts[0]["outcome"], 200))
    same([a["time"] for a in attempts], sorted((a["time"] for a in attempts), reverse=True))
    rows = [line.split("\t") for line in run_cli("show", "file").stdout.splitlines() if line.startswith("attempt\t")]
    same([r[3] for r in rows], [a["outcome"] for a in attempts])
    same(rows[0][1], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(attempts[0]["time"])))
    terminal = Terminal("show", "file")
    same(terminal.end(), 0)
    assert re.search(r"ATTEMPT +WHY +OUTCOME", re.sub(r"\x1b\[\d+m", "", terminal.text)), terminal.text
    assert re.search(r"\d+ s ago|now", terminal.text), terminal.text
    terminal.close()


def test_show_without_the_manager() -> None:
    """show: without a Manager socket it shows all the same, says nothing of it, and tries to connect only once"""
    absent = "/tmp/absent/manager"
    result = run_cli("show", "file", environment={"SFTOKEN_MANAGER": absent})
    assert "state\tvalid" in result.stdout and "attempt\t" not in result.stdout, result.stdout
    same(result.stderr, "")
    assert "attempts" not in json.loads(run_cli("show", "file", "--json", environment={"SFTOKEN_MANAGER": absent}).stdout)
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    trace = Shared.daemon.directory / "connects"
    subprocess.run(["strace", "-f", "-e", "trace=connect", "-o", str(trace), str(Shared.daemon.cli_program), "show", "file"], check=True, timeout=60,
                   stdout=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": Shared.daemon.broker_path, "SFTOKEN_MANAGER": absent, **SANITIZERS})
    same(trace.read_text().count(absent), 1)


def test_failed_attempts_are_told() -> None:
    """show: an attempt that Salesforce refused is in the history with status and words"""
    Shared.salesforce.fault("oauth_error", error="inactive_user", client_id="app-file", count=1)
    run_cli("refresh", "file", check=None)
    newest = info("file")["attempts"][0]
    same((newest["kind"], newest["outcome"], newest["httpStatus"]), ("demanded", "admin", 400))
    assert newest["message"], newest
    wait_for(lambda: run_cli("refresh", "file", check=None).returncode == 0, "it works again")


def test_unknown_outcome() -> None:
    """show and status: after a lost answer a person reads what happened, what still works and what to do, on lines that fit the terminal"""
    give("lost", "refresh_token", new_token("lost"))
    token = access_token("lost")
    Shared.salesforce.fault("drop_after", client_id="app-lost", count=1)
    result = run_cli("refresh", "lost", check=75)
    assert "lost" in result.stderr, result.stderr
    same(info("lost")["attempts"][0]["outcome"], "unknown")
    sentence = info("lost")["lastError"]
    assert "sftoken import" in sentence and "UTC" in sentence, sentence
    for command, start in ((("show", "lost"), "problem "), (("status",), "             lost: ")):
        terminal = Terminal(*command)
        same(terminal.end(), 0)
        lines = re.sub(r"\x1b\[\d+m", "", terminal.text).replace("\r", "").splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith(start))
        paragraph = [lines[at]] + [line for line in lines[at + 1:at + 6] if line.startswith(" " * 13)]
        same([line for line in paragraph if len(line) > 80], [])
        assert sentence in " ".join(" ".join(line.split()) for line in paragraph), paragraph
        terminal.close()
    same(access_token("lost"), token)


# -- revoking ------------------------------------------------------------------------------------


def test_revoke_access_token() -> None:
    """revoke: the access token is dead at Salesforce and here; the next get brings another one"""
    token = access_token("first")
    assert 'access token of "first" is revoked' in run_cli("revoke", "first").stdout
    assert not Shared.salesforce.is_live(token)
    same(info("first")["attempts"][0]["kind"], "revoke")
    other = access_token("first")
    assert other != token and Shared.salesforce.is_live(other)


def test_revoke_fails() -> None:
    """revoke: when Salesforce does not answer (75) or refuses nothing is forgotten"""
    token = access_token("first")
    Shared.salesforce.fault("status", path="revoke", status=503, count=1)
    result = run_cli("revoke", "first", check=75)
    assert "first" in result.stderr, result.stderr
    same(access_token("first"), token)
    assert Shared.salesforce.is_live(token)


def test_revoke_and_forget() -> None:
    """revoke --forget: the refresh token is dead at Salesforce and erased here; get says that a person must give another one (80)"""
    token = access_token("sfdx")
    assert "if the store had a refresh token" in run_cli("revoke", "bearer", "--forget").stdout  # it had none
    assert Shared.salesforce.is_live(access_token("bearer"))
    same(run_cli("revoke", "sfdx", "--forget", "--json").stdout, "{}\n")
    assert not Shared.salesforce.is_live(token)
    same([g["live"] for g in Shared.salesforce.grants("app-sfdx")], [False])
    result = run_cli("get", "sfdx", check=80)
    assert "sftoken import" in result.stderr, result.stderr
    result = run_cli("revoke", "sfdx", "--forget", check=64)
    assert "no token" in result.stderr, result.stderr


def test_revoke_is_logged() -> None:
    """revoke is in the audit log: who, what, and whether secrets were forgotten"""
    assert re.search(rf"manager\.revoke.*sfdx.*forget.{{1,4}}yes.*uid.{{1,4}}{os.geteuid()}", Shared.daemon.log())


# -- over restarts -------------------------------------------------------------------------------


def test_secrets_and_disable_last() -> None:
    """After a restart: tokens without a new request, what was imported is there, what was disabled is disabled"""
    daemon = Shared.daemon
    token = access_token("first")
    run_cli("disable", "file")
    requests = len(Shared.salesforce.token_requests())
    daemon.stop()
    daemon.start()
    same(access_token("first"), token)
    same(len(Shared.salesforce.token_requests()), requests)
    same(info("file")["state"], "disabled")
    run_cli("get", "file", check=76)
    run_cli("enable", "file")
    assert run_cli("get", "file").stdout
    run_cli("refresh", "first")
    assert access_token("first") != token


def test_adopt() -> None:
    """A restored backup is suspect: status says what to do, no refresh token is spent; adopt ends that"""
    daemon = Shared.daemon
    assert "nothing had to be done" in run_cli("adopt").stdout
    daemon.stop()
    backup = daemon.directory / "backup"
    shutil.copytree(daemon.state, backup)
    daemon.start()
    run_cli("refresh", "first")
    daemon.stop()
    shutil.rmtree(daemon.state)
    shutil.copytree(backup, daemon.state)
    daemon.start()
    status = json.loads(run_cli("status", "--json").stdout)
    same(status["store"], "suspect")
    assert any("sftoken adopt" in w for w in status["warnings"]), status["warnings"]
    terminal = Terminal("status")
    same(terminal.end(), 0)
    assert "\x1b[31msuspect" in terminal.text and "made sure that no other copy is in use" in " ".join(terminal.text.split()), terminal.text
    terminal.close()
    requests = len(Shared.salesforce.token_requests("app-first"))
    run_cli("refresh", "first", check=None)
    same(len(Shared.salesforce.token_requests("app-first")), requests)
    assert "refresh tokens are spent again" in run_cli("adopt").stdout
    same(json.loads(run_cli("status", "--json").stdout)["store"], "ok")
    assert "manager.adopt" in daemon.log()
    give("first", "refresh_token", new_token("first"))  # the backup's was replaced: a new one is needed
    wait_for(lambda: run_cli("refresh", "first", check=None).returncode == 0, "a token with the new refresh token")


def run() -> int:
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings("[Limits]\nMaxRequestsPerHour=100000\n")
        add_refresh("first")
        add_refresh("byfd", client_secret=f"file:{daemon.write_secret('byfd.secret', SECRET)}")
        add_refresh("sfdx")
        add_refresh("typed", client_secret=f"file:{daemon.write_secret('typed.secret', SECRET)}")
        add_refresh("lost", client_secret=f"file:{daemon.write_secret('lost.secret', SECRET)}")
        daemon.add_client_credentials("file", extra="Required=yes")
        daemon.add_jwt("bearer", extra="Required=yes")
        daemon.add_jwt("signer")
        text = (daemon.credentials / "signer.conf").read_text()
        daemon.write_credential("signer", re.sub(r"PrivateKey=.*", "PrivateKey=stored:", text))
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
