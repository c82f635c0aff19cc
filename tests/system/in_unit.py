# SPDX-License-Identifier: Apache-2.0
"""A daemon in the sandbox of sftokend.service instead of a child of ours: what Popen can do, for a unit that tests/systemd/starter.py starts."""

from __future__ import annotations

import json
import os
import pwd
import select
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Optional, Sequence

STARTER = os.environ.get("SFTOKEN_STARTER", "")  # its socket; "" where daemons are children
START_SECONDS = 60.0
# Where the daemon keeps its state and its sockets: systemd makes these for the shipped unit.
OPTIONS = {"--state": 0o700, "--runtime": 0o755}
VARIABLES = ("XDG_STATE_HOME", "XDG_RUNTIME_DIR")


def service_user() -> int:
    return pwd.getpwnam("sftokend").pw_uid


def ask(question: dict[str, Any]) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(START_SECONDS)
        s.connect(STARTER)
        s.sendall(json.dumps(question).encode() + b"\n")
        with s.makefile("rb") as answer:
            told: dict[str, Any] = json.loads(answer.readline())
            return told


def writable(arguments: Sequence[str], environment: dict[str, str], user: Optional[int]) -> list[str]:
    """The directories that must be writable; made, if need be."""
    found = [environment[name] for name in VARIABLES if name in environment]
    for option, value in zip(arguments, arguments[1:]):
        if option not in OPTIONS:
            continue
        found.append(value)
        path = Path(value)
        if path.parent.is_dir() and not path.exists():
            path.mkdir(mode=OPTIONS[option])
            path.chmod(OPTIONS[option])
            if user is not None:
                os.chown(path, user, user)
    for path in (Path(p) for p in found):
        path.mkdir(parents=True, exist_ok=True)
    return found


class UnitProcess:
    def __init__(self, arguments: Sequence[str], environment: dict[str, str], log: Path, user: Optional[int]) -> None:
        told = ask({"do": "start", "arguments": list(arguments), "environment": environment, "log": str(log), "user": user,
                    "writable": writable(arguments, environment, user)})
        self.unit, self.pid = str(told["unit"]), int(told["pid"])
        self.returncode: Optional[int] = told["status"]
        self.pidfd = -1
        if self.returncode is None:
            try:
                self.pidfd = os.pidfd_open(self.pid)
            except ProcessLookupError:
                self.learn()

    def learn(self) -> None:
        self.returncode = int(ask({"do": "status", "unit": self.unit})["status"])
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def poll(self) -> Optional[int]:
        if self.returncode is None and select.select([self.pidfd], [], [], 0)[0]:
            self.learn()
        return self.returncode

    def wait(self, timeout: Optional[float] = None) -> int:
        if self.returncode is None and not select.select([self.pidfd], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.unit, timeout or 0)
        status = self.poll()
        assert status is not None
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
