# SPDX-License-Identifier: Apache-2.0
"""What only root may see or do to a process that is not dumpable: by itself as root, through sudo otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import inject
from tap import Skip

HERE = Path(__file__).resolve().parent
KEPT = ("SFTOKEN_ROOT", "SFTOKEN_VARIANT", "SFTOKEN_BUILD", "SFTOKEN_STARTER", "TMPDIR", "PATH")


def become_root() -> None:
    """Runs the whole program anew through sudo if it is not root, for tests that must be several users."""
    if os.geteuid() == 0:
        return
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode != 0:
        print(f"SKIP {Path(sys.argv[0]).stem.removeprefix('test_')}: needs root, and sudo wants a password")
        sys.exit(0)
    kept = [f"{name}={os.environ[name]}" for name in KEPT if name in os.environ]
    os.execvp("sudo", ["sudo", "-n", "env", "PYTHONDONTWRITEBYTECODE=1", *kept, sys.executable, *sys.argv])


def as_root(*command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Runs a command as root; Skip where there is no way to."""
    if os.geteuid() == 0:
        full = list(command)
    else:
        full = ["sudo", "-n", *command]
        if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode != 0:
            raise Skip("only root may look into these processes, and sudo wants a password")
    return subprocess.run(full, capture_output=True, text=True, timeout=timeout, check=False, cwd=HERE)


def ask(task: str, *arguments: Any) -> Any:
    """The result of a function of this file, run as root."""
    if os.geteuid() == 0:
        return TASKS[task](*arguments)
    result = as_root(sys.executable, str(HERE / "privileged.py"), task, json.dumps(arguments))
    if result.returncode != 0:
        raise AssertionError(f"{task}: {result.stderr}")
    return json.loads(result.stdout)


def descriptors(pid: int) -> dict[str, str]:
    """What each descriptor of a process is: {"3": "socket:[123]"}."""
    folder = Path(f"/proc/{pid}/fd")
    found = {}
    for entry in folder.iterdir():
        try:
            found[entry.name] = os.readlink(entry)
        except FileNotFoundError:
            pass
    return found


def environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_bytes().decode("latin-1")


def limits(pid: int) -> str:
    return Path(f"/proc/{pid}/limits").read_text()


def listening(pid: int) -> list[str]:
    """The inodes of the listening UNIX sockets that a process holds. (Their names are those before the renaming.)"""
    own = {v[8:-1] for v in descriptors(pid).values() if v.startswith("socket:[")}
    names = []
    for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        parts = line.split()
        # flags 00010000: __SO_ACCEPTCON
        if len(parts) > 7 and parts[6] in own and int(parts[3], 16) & 0x10000:
            names.append(parts[6])
    return names


def find_in_memory(pid: int, wanted: list[str]) -> dict[str, Any]:
    """Which of the words stand anywhere in the memory of a process ("found"), and how much of it was read and how."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dump"
        count = inject.dump(pid, str(path))
        data = path.read_bytes()
    return {"found": [w for w in wanted if w.encode("latin-1") in data], "bytes": count}


def inject_call(pid: int, call: str, arguments: list[int]) -> int:
    return inject.inject(pid, call, *arguments)


TASKS = {f.__name__: f for f in (descriptors, environment, limits, listening, find_in_memory, inject_call)}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](*json.loads(sys.argv[2]))))
