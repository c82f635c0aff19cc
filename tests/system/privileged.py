# SPDX-License-Identifier: Apache-2.0
"""What only root may see or do to a process that is not dumpable: by itself as root, through sudo otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tap import Skip

HERE = Path(__file__).resolve().parent


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


def socket_paths(pid: int) -> list[str]:
    """The names of the listening UNIX sockets that a process holds."""
    own = {v[8:-1] for v in descriptors(pid).values() if v.startswith("socket:[")}
    names = []
    for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        parts = line.split()
        # flags 00010000: __SO_ACCEPTCON
        if len(parts) > 7 and parts[6] in own and int(parts[3], 16) & 0x10000:
            names.append(parts[7])
    return names


def find_in_memory(pid: int, wanted: list[str]) -> dict[str, list[str]]:
    """Reads all memory of a process that can be read, secret pages too, and says in which maps each needle stands.

    Memory of memfd_secret cannot be read through /proc/PID/mem by anybody: what stands there is not found, which the caller must know.
    """
    needles = [w.encode("latin-1") for w in wanted]
    found: dict[str, list[str]] = {w: [] for w in wanted}
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            parts = line.split(maxsplit=5)
            if not parts[1].startswith("r") or parts[-1] in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                continue
            start, end = (int(x, 16) for x in parts[0].split("-"))
            tail = b""
            while start < end:
                try:
                    data = os.pread(memory.fileno(), min(1 << 22, end - start), start)
                except OSError:
                    break
                if not data:
                    break
                start += len(data)
                window = tail + data
                for text, needle in zip(wanted, needles):
                    if needle in window:
                        found[text].append(line)
                tail = window[-4096:]
    return found


TASKS = {f.__name__: f for f in (descriptors, environment, limits, socket_paths, find_in_memory)}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](*json.loads(sys.argv[2]))))
