# SPDX-License-Identifier: Apache-2.0
"""What every row of the table needs: the row itself, callers and floors, cores, CPU and memory of processes."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import time
from pathlib import Path
from typing import NamedTuple, Optional, Sequence

TESTS = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("SFTOKEN_BUILD", TESTS.parent / "build" / "release")) / "tests" / "bench"
REQUEST = '{"method":"io.sftoken.Broker.GetToken","parameters":{"credential":"crm"}}'
CORE = 0


class Row(NamedTuple):
    """One line of the table."""

    goal: str
    what: str
    ours: str
    floor: str
    ratio: Optional[float]
    limit: Optional[float]  # None: shown beside us, no goal
    note: str = ""
    keys: str = ""  # configuration keys that differ from their defaults, as they would stand in sftokend.conf

    @property
    def holds(self) -> Optional[bool]:
        return None if self.limit is None else self.ratio is not None and self.ratio <= self.limit


class Took(NamedTuple):
    """What caller.c and spawn.c print."""

    calls: int
    p50: int
    p90: int
    p99: int
    max: int


def took(command: Sequence[str], core: Optional[int] = CORE, environment: Optional[dict[str, str]] = None) -> Took:
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600, env=environment,
                            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core})).stdout
    return Took(*map(int, output.split()))


def pin(pid: int, cores: set[int]) -> None:
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), cores)


def cpu_ns(pid: int) -> int:
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def memory(pid: int, field: str = "RssAnon") -> int:
    """A field of /proc/PID/status in bytes. RssAnon is what belongs to the process alone: heap, stacks, data that it wrote to."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found, field
    return int(found[1]) * 1024


def one_line(settings: str) -> str:
    """Keys for Row.keys."""
    return " ".join(settings.split())


def us(ns: float) -> str:
    return f"{ns / 1000:.1f} µs"


class Measured(NamedTuple):
    p50: float
    cpu: float


def measure(path: str, pid: int, calls: int, connect: bool) -> Measured:
    before = cpu_ns(pid)
    t = took([str(BUILD / "bench_caller"), *(["--connect"] if connect else []), path, REQUEST, str(calls)])
    return Measured(t.p50, (cpu_ns(pid) - before) / t.calls)


class RawServer:
    """raw_server.c on a socket of its own, pinned. checked: it asks who wrote each message."""

    def __init__(self, directory: Path, checked: bool = False) -> None:
        self.path = str(directory / ("raw-checked" if checked else "raw"))
        self.process = subprocess.Popen([str(BUILD / "bench_raw_server"), self.path] + ["checked"] * checked)
        while not os.path.exists(self.path):
            time.sleep(0.01)
        pin(self.process.pid, {CORE})

    def __enter__(self) -> RawServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.unlink(self.path)


def ratio_rows(goal: str, what: str, ours: list[Measured], floor: list[Measured], limits: tuple[float, float],
               keys: str = "") -> list[Row]:
    """Latency and CPU of the same rounds."""
    def median(values: Sequence[float]) -> float:
        return statistics.median(values)

    rows = []
    for name, index, limit in (("p50", 0, limits[0]), ("server CPU per call", 1, limits[1])):
        a, b = [m[index] for m in ours], [m[index] for m in floor]
        rows.append(Row(goal, f"{what}, {name}", us(median(a)), us(median(b)), median([x / y for x, y in zip(a, b)]), limit, "", keys))
    return rows
