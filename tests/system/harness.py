# SPDX-License-Identifier: Apache-2.0
"""The real daemon in a directory of its own, for the system ring.

    with Standin(session_timeout_s=60) as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm")
        daemon.start()
        with daemon.broker() as c:
            print(c.get("crm")["accessToken"])

SFTOKEN_ROOT names the installed tree (build/asan-root or build/root), SFTOKEN_VARIANT "asan" or "release".
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Optional, Sequence

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(TOP / "tests")]

from standin import Standin, make_key  # noqa: E402
from tap import Skip, expect, main, run_tests, same, wait_for  # noqa: E402
from in_unit import STARTER, UnitProcess, service_user  # noqa: E402
from varlink import BROKER, MANAGER, SERVICE, Closed, Connection, VarlinkError  # noqa: E402

__all__ = ["BROKER", "MANAGER", "SECRET", "SERVICE", "Closed", "Connection", "Daemon", "ROOT", "Skip", "Standin", "TOP", "VARIANT",
           "VarlinkError", "children", "expect", "main", "make_key", "run_tests", "runs", "same", "wait_for"]

VARIANT = os.environ.get("SFTOKEN_VARIANT", "asan")
ROOT = Path(os.environ.get("SFTOKEN_ROOT", TOP / "build" / ("root" if VARIANT == "release" else "asan-root")))
SECRET = "planted-client-secret-7f3a9c"
START_SECONDS = 30.0
STOP_SECONDS = 20.0
# LeakSanitizer needs ptrace, which a process that is not dumpable refuses: leaks are found by the unit and scenario rings.
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:handle_abort=1", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}


def children(pid: int) -> dict[str, int]:
    """The child processes of pid by program name ("sftokend-mint": pid)."""
    found: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
            name = (entry / "cmdline").read_bytes().split(b"\0")[0].decode()
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        if int(fields[1]) == pid and fields[0] != "Z":
            found[os.path.basename(name)] = int(entry.name)
    return found


def runs(pid: int) -> bool:
    """Whether a process still runs. A zombie does not: who adopted it may take its time to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def put(path: Path, value: bytes, mode: int, owner: Optional[int] = None) -> Path:
    """In one step: a daemon that reloads at this moment reads the old file or the new one."""
    new = path.with_name(path.name + ".new")
    new.touch(mode)
    new.write_bytes(value)
    new.chmod(mode)
    if owner is not None:
        os.chown(new, owner, -1)
    new.replace(path)
    return path


class Daemon:
    """One sftokend --user with its own configuration, state and runtime directory."""

    def __init__(self, salesforce: Optional[Standin] = None, *, options: Sequence[str] = ("--log-level", "debug"),
                 environment: Optional[dict[str, str]] = None, user: Optional[int] = None) -> None:
        self.salesforce = salesforce
        self.directory = Path(tempfile.mkdtemp(prefix="sftokend-"))
        os.chmod(self.directory, 0o755)
        if STARTER and os.geteuid() == 0:
            os.chown(self.directory, service_user(), service_user())
        self.config = self.directory / "config"
        self.credentials = self.config / "credentials"
        self.state = self.directory / "state"
        self.runtime = self.directory / "run"
        self.log_path = self.directory / "log"
        self.options = list(options)
        self.environment = environment or {}
        self.user = service_user() if STARTER and user is None and os.geteuid() == 0 else user  # the unit never runs as root
        self.process: Optional[subprocess.Popen[bytes] | UnitProcess] = None
        self.notify: Optional[socket.socket] = None
        self.notified: list[str] = []
        self.to_import: list[tuple[str, str, str]] = []
        self.credentials.mkdir(parents=True)
        if salesforce is not None:
            # a copy: the stand-in's directory is closed to other users
            shutil.copyfile(salesforce.ca, self.directory / "ca.pem")
            (self.directory / "ca.pem").chmod(0o644)
            self.write_settings(f"[Network]\nCaFile={self.directory}/ca.pem\n")

    # -- configuration ---------------------------------------------------------------------------

    def write_settings(self, text: str, name: str = "sftokend.conf") -> Path:
        """sftokend.conf, or a drop-in sftokend.conf.d/NAME."""
        path = self.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return put(path, text.encode(), 0o644)

    def add_settings(self, text: str, name: str = "test.conf") -> Path:
        """One more drop-in."""
        return self.write_settings(text, f"sftokend.conf.d/{name}")

    def write_credential(self, name: str, text: str) -> Path:
        return put(self.credentials / f"{name}.conf", text.encode(), 0o644)

    def write_secret(self, name: str, value: str | bytes) -> Path:
        """A file for a file: reference; its path."""
        return put(self.directory / name, value.encode() if isinstance(value, str) else value, 0o600, self.user)

    def add_client_credentials(self, name: str, *, secret: str = SECRET, access: str = "", extra: str = "",
                               app: Optional[dict[str, Any]] = None) -> None:
        """A credential and its app at the stand-in (client id "app-NAME", run as "NAME@example.com")."""
        path = self.write_secret(f"{name}.secret", secret + "\n")
        assert self.salesforce is not None
        user = f"{name}@example.com"
        self.salesforce.configure(users={user: {}}, apps={f"app-{name}": {"secret": secret, "run_as": user, **(app or {})}})
        self.write_credential(name, f"[Credential]\nGrantType=client_credentials\nLoginUrl={self.salesforce.url}\n"
                                    f"ClientId=app-{name}\nClientSecret=file:{path}\n{extra}\n[Access]\n{access}\n")

    def add_jwt(self, name: str, *, access: str = "", extra: str = "", app: Optional[dict[str, Any]] = None) -> None:
        """The same with JWT bearer and a new key."""
        key = self.directory / f"{name}.key"
        certificate = make_key(key)
        if self.user is not None:
            os.chown(key, self.user, -1)
        assert self.salesforce is not None
        user = f"{name}@example.com"
        self.salesforce.configure(users={user: {}}, apps={f"app-{name}": {"cert_pem": certificate, "approved": [user], **(app or {})}})
        self.write_credential(name, f"[Credential]\nGrantType=jwt_bearer\nLoginUrl={self.salesforce.url}\n"
                                    f"ClientId=app-{name}\nUsername={user}\nPrivateKey=file:{key}\n{extra}\n[Access]\n{access}\n")

    def add_refresh_token(self, name: str, *, rotating: Optional[bool] = True, secret: Optional[str] = SECRET, access: str = "",
                          extra: str = "", app: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """A credential that spends a refresh token, its app, and a grant of "NAME@example.com" as Standin.new_grant() tells it. The real
        "sftoken import" gives the token as soon as the daemon runs. secret None: a public client. rotating None: as the app is set."""
        assert self.salesforce is not None
        user = f"{name}@example.com"
        self.salesforce.configure(users={user: {}}, apps={f"app-{name}": {"secret": secret, **(app or {})}})
        line = "" if secret is None else f"ClientSecret=file:{self.write_secret(f'{name}.secret', secret)}\n"
        self.write_credential(name, f"[Credential]\nGrantType=refresh_token\nLoginUrl={self.salesforce.url}\n"
                                    f"ClientId=app-{name}\n{line}{extra}\n[Access]\n{access}\n")
        grant = self.salesforce.new_grant(user, f"app-{name}", rotating)
        self.to_import.append((name, "refresh_token", str(grant["refresh_token"])))
        if self.process is not None:
            self.cli("reload")
            self.import_all()
        return grant

    def give(self, name: str, kind: str, value: str) -> None:
        """sftoken import NAME --kind KIND."""
        self.cli("import", name, "--kind", kind, stdin=value)

    def import_all(self) -> None:
        """What was to be imported once the daemon runs."""
        while self.to_import:
            self.give(*self.to_import.pop(0))

    # -- life ------------------------------------------------------------------------------------

    @property
    def program(self) -> Path:
        return ROOT / "usr/sbin/sftokend"

    @property
    def cli_program(self) -> Path:
        return ROOT / "usr/bin/sftoken"

    def arguments(self) -> list[str]:
        return [str(self.program), "--user", "--config", str(self.config), "--state", str(self.state), "--runtime",
                str(self.runtime), *self.options]

    def spawn(self, arguments: Optional[Sequence[str]] = None) -> subprocess.Popen[bytes] | UnitProcess:
        """Starts the daemon without waiting; its standard error goes to the log file."""
        self.notified = []
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.directory / "notify"
        path.unlink(missing_ok=True)
        self.notify.bind(str(path))
        path.chmod(0o777)
        self.notify.setblocking(False)
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET": str(path), "HOME": "/nonexistent",
                       **SANITIZERS, **self.environment}
        with self.log_path.open("ab") as log:
            if STARTER:
                self.process = UnitProcess(list(arguments or self.arguments()), environment, self.log_path, self.user)
                return self.process
            self.process = subprocess.Popen(list(arguments or self.arguments()), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment, user=self.user, group=self.user,
                                            extra_groups=[] if self.user is not None else None)
        return self.process

    def start(self) -> Daemon:
        """Starts it, waits for READY=1, and imports the refresh tokens of add_refresh_token()."""
        self.spawn()
        self.wait_ready()
        self.import_all()
        return self

    def notifications(self) -> list[str]:
        """Every line that sd_notify has sent so far."""
        assert self.notify is not None
        try:
            while True:
                self.notified += self.notify.recv(65536).decode().split("\n")
        except BlockingIOError:
            return self.notified

    def wait_ready(self) -> None:
        assert self.process is not None
        process = self.process

        def ready() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"sftokend ended with status {process.returncode}:\n{self.log()}")
            return "READY=1" in self.notifications()

        try:
            wait_for(ready, "sftokend is ready", START_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def stop(self) -> int:
        """TERM, and the exit status."""
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"sftokend did not stop in {STOP_SECONDS} s:\n{self.log()}") from None
        finally:
            if self.notify is not None:
                self.notify.close()
                self.notify = None
            self.notified = []

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        try:
            status = self.stop()
            log = self.log()
            if kind is None:
                same(status, 0, "exit status of sftokend")
                assert not STARTER or "SIGSYS" not in log, f"a system call was refused:\n{log}"
            elif log:
                print("".join(f"# | {line}\n" for line in log.splitlines()[-60:]), end="")
            for word in ("AddressSanitizer", "runtime error:", "LeakSanitizer"):
                assert word not in log, f"a sanitizer complained:\n{log[max(0, log.index(word) - 300):][:4000]}"
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    # -- looking at it ---------------------------------------------------------------------------

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_log(self, text: str, timeout: float = 20.0) -> None:
        wait_for(lambda: text in self.log(), f"{text!r} in the log", timeout)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def child(self, name: str) -> Optional[int]:
        """pid of "mint" or "front", None while there is none."""
        self.notifications()  # the queue of a socket that nobody reads is short, and sd_notify() waits for room
        return children(self.pid).get(f"sftokend-{name}")

    def kill(self, name: str) -> int:
        """kill -9 of "mint" or "front"; its pid."""
        pid = wait_for(lambda: self.child(name), f"a running {name}")
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGKILL)
        return pid

    @property
    def broker_path(self) -> str:
        return str(self.runtime / "io.sftoken.Broker")

    @property
    def manager_path(self) -> str:
        return str(self.runtime / "io.sftoken.Manager")

    def broker(self, timeout: float = 30.0) -> Connection:
        return Connection(self.broker_path, timeout)

    def manager(self, timeout: float = 30.0) -> Connection:
        return Connection(self.manager_path, timeout)

    def cli(self, *arguments: str, check: Optional[int] = 0, user: Optional[int] = None, stdin: Optional[str] = None,
            environment: Optional[dict[str, str]] = None, groups: Sequence[int] = (),
            timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Runs sftoken against this daemon; `check` is the exit status that it must have (None: any)."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SFTOKEN_SOCKET": self.broker_path, **SANITIZERS, **(environment or {})}
        result = subprocess.run([str(self.cli_program), *arguments], env=env, input=stdin, capture_output=True, text=True,
                                timeout=timeout, user=user, group=user, extra_groups=list(groups) if user is not None else None,
                                check=False)
        if check is not None and result.returncode != check:
            raise AssertionError(f"sftoken {' '.join(arguments)}: status {result.returncode}, wanted {check}\n"
                                 f"{result.stdout}{result.stderr}\n{self.log()[-3000:]}")
        return result


def mode(path: Path | str) -> int:
    """Permission bits of a file."""
    return stat.S_IMODE(os.stat(path).st_mode)
