#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Node, the packages of package-lock.json, and scripts that do as they are told.

Run as a program it installs the packages; ./dev does so before the tests. They are kept in build/peers, in a folder whose name is a
hash of what they should be: nothing is fetched twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Optional, Sequence

HERE = Path(__file__).resolve().parent
STORE = Path(os.environ.get("SFTOKEN_TOP", HERE.parent.parent)) / "build/peers"
LISTS = ("package.json", "package-lock.json")
TRIES = 3


def program(name: str) -> str:
    """node or npm: the first in PATH, else Debian's."""
    return shutil.which(name) or f"/usr/bin/{name}"


def modules() -> Path:
    """The folder node_modules; installs it if it is not there."""
    wanted = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LISTS)).hexdigest()[:16]
    ready = STORE / wanted
    STORE.mkdir(parents=True, exist_ok=True)
    with (STORE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            install(ready)
    return ready / "node_modules"


def install(ready: Path) -> None:
    """npm ci in a folder of its own, which gets its name when it is complete. Scripts of packages are not run."""
    fresh = Path(tempfile.mkdtemp(prefix="new-", dir=STORE))
    try:
        for name in LISTS:
            shutil.copyfile(HERE / name, fresh / name)
        command = [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        for _ in range(TRIES):
            done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
            if done.returncode == 0:
                fresh.rename(ready)
                return
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


class NodeError(Exception):
    """What a script threw: its name is that of the error in JavaScript."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


class Script:
    """A script of this folder that answers calls (calls.js). `under` stands before node on the command line: sftoken exec ... --"""

    def __init__(self, name: str, *, ca: Optional[str] = None, under: Sequence[str] = (), environment: Optional[dict[str, str]] = None) -> None:
        self.home = tempfile.mkdtemp(prefix="node-")
        env = {"PATH": "/usr/bin:/bin", "HOME": self.home, "LC_ALL": "C.UTF-8", "NODE_PATH": str(modules()), "NO_COLOR": "1",
               **({"NODE_EXTRA_CA_CERTS": ca} if ca else {}), **(environment or {})}
        self.process = subprocess.Popen([*under, program("node"), str(HERE / name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=env)

    def call(self, name: str, *arguments: Any) -> Any:
        """The value of that handler; NodeError when it threw."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"call": name, "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the script ended with status {self.process.wait(10)} during {name}")
        answer = json.loads(line)
        if "error" in answer:
            raise NodeError(answer["error"]["name"], answer["error"]["message"])
        return answer.get("value")

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


if __name__ == "__main__":
    modules()
    sys.exit(0)
