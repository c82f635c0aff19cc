# SPDX-License-Identifier: Apache-2.0
"""Kills or spoils a process at a chosen system call, with strace (as root)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from harness import Skip, runs, wait_for

# What changes the store on disk, or says that it has.
STORE_CALLS = frozenset("pwrite64 fdatasync fsync renameat renameat2 openat2 unlinkat fallocate ftruncate".split())
NEVER = 1 << 15


class Killer:
    """strace at the process `pid`; `trace` has its system calls in the end. The when-th call of this name ends in what `how` says
    ("signal=KILL": on entering it). strace counts each name by itself."""

    def __init__(self, pid: int, call: str, when: int | str, how: str = "signal=KILL") -> None:
        if not shutil.which("strace"):
            raise Skip("strace is not there")
        self.pid = pid
        with tempfile.NamedTemporaryFile(prefix="strace-", delete=False) as file:
            self.path = Path(file.name)
        self.errors = self.path.with_suffix(".err")
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(["strace", "-y", "-s", "256", "-o", str(self.path), "-e", f"inject={call}:{how}:when={when}", "-p", str(pid)],
                                            stderr=errors, stdin=subprocess.DEVNULL)

    def __enter__(self) -> Killer:
        wait_for(lambda: "attached" in self.errors.read_text() or self.process.poll() is not None, "strace is attached")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.trace = self.path.read_text(errors="replace")
        self.path.unlink()
        self.errors.unlink()

    def points(self, step: int) -> list[tuple[str, int]]:
        """What was traced, as names and how many of that name: the calls of the store, and every step-th of all."""
        found: list[tuple[str, int]] = []
        counts: Counter[str] = Counter()
        for number, name in enumerate(re.findall(r"^(\w+)\(", self.trace, re.M)):
            counts[name] += 1
            if number % step == 0 or name in STORE_CALLS:
                found.append((name, counts[name]))
        return found

    @property
    def killed(self) -> bool:
        return not runs(self.pid)

    def last_call(self) -> str:
        """The name of the call that it did not live to see done."""
        calls = re.findall(r"^(\w+)\(", self.trace, re.M)
        return str(calls[-1]) if calls else "?"

    def result_written(self) -> bool:
        """Whether a record went to the store after the INTENT was told in the log: that is the RESULT."""
        _, intent, after = self.trace.partition("spend.intent")
        return bool(intent) and re.search(r"^pwrite64\(\d+<[^>]*/store>.*= [1-9]\d*$", after, re.M) is not None


def used(store: Path) -> int:
    """Bytes of a journal that are not zeros at its end."""
    return len(store.read_bytes().rstrip(b"\0"))


def inode(path: Path) -> int:
    return os.stat(path).st_ino
