# SPDX-License-Identifier: Apache-2.0
"""The table of docs/performance.md: each goal beside its floor, in the same run, as a ratio.

    bench.py ROOT [ROW...] [--json FILE] [--rounds N]      ROOT: the installed release tree; rows: P1 P2 P3 P5 P8 P9

Figures of one run are compared with each other alone: five interleaved rounds, the median of the per-round ratios. For latency,
client and server share one core: an idle second core has to be woken up, which hides everything else.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Sequence

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
    limit: float
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.ratio is not None and self.ratio <= self.limit


class Took(NamedTuple):
    """What caller.c and spawn.c print."""

    calls: int
    p50: int
    p90: int
    p99: int
    max: int


def took(command: Sequence[str], core: Optional[int] = CORE) -> Took:
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600,
                            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core})).stdout
    return Took(*map(int, output.split()))


def pin(pid: int, cores: set[int]) -> None:
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), cores)


def cpu_ns(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


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
    """raw_server.c on a socket of its own, pinned."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "raw")
        self.process = subprocess.Popen([str(BUILD / "bench_raw_server"), self.path])
        while not os.path.exists(self.path):
            time.sleep(0.01)
        pin(self.process.pid, {CORE})

    def __enter__(self) -> RawServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def ratio_rows(goal: str, what: str, ours: list[Measured], floor: list[Measured], limits: tuple[float, float]) -> list[Row]:
    """Latency and CPU of the same rounds."""
    def median(values: Sequence[float]) -> float:
        return statistics.median(values)

    rows = []
    for name, index, limit in (("p50", 0, limits[0]), ("server CPU per call", 1, limits[1])):
        a, b = [m[index] for m in ours], [m[index] for m in floor]
        rows.append(Row(goal, f"{what}, {name}", us(median(a)), us(median(b)), median([x / y for x, y in zip(a, b)]), limit))
    return rows


def instructions_row(root: Path) -> Row:
    """The gate's own figure: user-space instructions of the front per warm get."""
    import test_front as gate

    program = str(root / "usr/libexec/sftokend/sftokend-front")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        once, twice = (gate.instructions(program, directory, n * gate.GETS) for n in (1, 2))
    count = (twice - once) / gate.GETS
    most = gate.INSTRUCTIONS_MOST
    return Row("P1", "instructions in the front per warm get", f"{count:.0f}", str(most), count / most, 1.0, "no floor: the goal")


def bench_front(root: Path, rounds: int, chosen: set[str]) -> list[Row]:
    """P1 and P2."""
    from harness import Daemon, Standin

    results: dict[str, tuple[list[Measured], list[Measured]]] = {"P1": ([], []), "P2": ([], [])}
    with Standin() as salesforce, Daemon(salesforce, options=["--log-level", "notice"]) as daemon:
        daemon.add_settings("[Limits]\nMaxCallsPerSecond=10000000\n")
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        front = daemon.child("front")
        assert front
        pin(front, {CORE})
        with RawServer(daemon.directory) as raw:
            for _ in range(rounds):
                for goal, connect, calls in (("P1", False, 60000), ("P2", True, 15000)):
                    results[goal][0].append(measure(daemon.broker_path, front, calls, connect))
                    results[goal][1].append(measure(raw.path, raw.process.pid, calls, connect))
    rows = []
    if "P1" in chosen:
        rows += ratio_rows("P1", "warm get on one connection", *results["P1"], (1.25, 1.4))
        rows.append(instructions_row(root))
    if "P2" in chosen:
        rows += ratio_rows("P2", "connect, get, close", *results["P2"], (1.2, 1.3))
    return rows


def callgrind_instructions(command: Sequence[str]) -> int:
    """Of a whole process. The environment is small and the same for all: the dynamic loader reads every variable."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        out = Path(directory) / "out"
        subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *command], check=True, capture_output=True,
                       env={"PATH": "/usr/bin:/bin"})
        for line in out.read_text().splitlines():
            if line.startswith(("summary:", "totals:")):
                return int(line.split()[1])
    raise AssertionError("callgrind wrote no total")


def bench_cli(rounds: int) -> list[Row]:
    """P3."""
    from harness import Daemon, Standin

    ours: list[float] = []
    floor: list[float] = []
    with Standin() as salesforce, Daemon(salesforce, options=["--log-level", "notice"]) as daemon:
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        get = [str(daemon.cli_program), "get", "crm", "--socket", daemon.broker_path]
        minimal = [str(BUILD / "bench_minimal"), daemon.broker_path, REQUEST]
        front = daemon.child("front")
        assert front
        pin(front, {CORE})
        for _ in range(rounds):
            ours.append(took([str(BUILD / "bench_spawn"), "400", *get]).p50)
            floor.append(took([str(BUILD / "bench_spawn"), "400", *minimal]).p50)
        count, least = callgrind_instructions(get), callgrind_instructions(minimal)
    return [
        Row("P3", "sftoken get, fork to exit, p50", us(statistics.median(ours)), us(statistics.median(floor)),
            statistics.median([a / b for a, b in zip(ours, floor)]), 1.15, "floor: minimal.c"),
        Row("P3", "instructions of sftoken get", str(count), str(least), count / least, 250000 / least, "the goal is 250000"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("rows", nargs="*", default=[])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.environ["SFTOKEN_ROOT"], os.environ["SFTOKEN_VARIANT"] = str(arguments.root.resolve()), "release"
    sys.path[:0] = [str(TESTS / "system"), str(TESTS / "gates"), str(TESTS / "bench"), str(TESTS)]
    from many import bench_many
    from restart import bench_restart
    from upstream import bench_upstream

    chosen = set(arguments.rows) or {"P1", "P2", "P3", "P5", "P8", "P9"}
    rows: list[Row] = []
    parts: list[tuple[set[str], Callable[[], list[Row]]]] = [
        ({"P1", "P2"}, lambda: bench_front(arguments.root, arguments.rounds, chosen)),
        ({"P3"}, lambda: bench_cli(arguments.rounds)),
        ({"P5"}, lambda: bench_upstream(arguments.rounds)),
        ({"P8"}, lambda: bench_restart(arguments.rounds)),
        ({"P9"}, bench_many),
    ]
    for goals, run in parts:
        if goals & chosen:
            print(f"measuring {' '.join(sorted(goals & chosen))} ...", file=sys.stderr, flush=True)
            rows += run()
    print(machine() + "\n")
    print_table(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps([{**r._asdict(), "holds": r.holds} for r in rows], indent=1) + "\n")
    return 0


def machine() -> str:
    """What the figures belong to."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), os.uname().machine)
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return f"{os.cpu_count()} cores ({cpu}), Linux {os.uname().release}, {compiler}; load of the machine {os.getloadavg()[0]:.1f}"


def print_table(rows: Sequence[Row]) -> None:
    print("| goal | what | sftokend | floor | ratio | goal: at most | holds | note |\n|---|---|---|---|---|---|---|---|")
    for r in rows:
        ratio: Any = "-" if r.ratio is None else f"{r.ratio:.2f}"
        print(f"| {r.goal} | {r.what} | {r.ours} | {r.floor} | {ratio} | {r.limit:.2f} | {'yes' if r.holds else 'NO'} | {r.note} |")


if __name__ == "__main__":
    sys.exit(main())
