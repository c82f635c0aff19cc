# SPDX-License-Identifier: Apache-2.0
"""The table of docs/performance.md: each goal beside its floor, in the same run, as a ratio.

    bench.py ROOT [ROW...] [--json FILE] [--rounds N]      ROOT: the installed release tree; rows: P1 to P10, peers
    bench.py ROOT --plot                                   writes docs/renewal-storm.svg and docs/credentials.svg instead

Figures of one run are compared with each other alone: five interleaved rounds, the median of the per-round ratios. For latency,
client and server share one core: an idle second core has to be woken up, which hides everything else.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from measuring import BUILD, CORE, REQUEST, Measured, RawServer, Row, cpu_ns, measure, one_line, pin, ratio_rows, took, us

TESTS = Path(__file__).resolve().parent.parent


def instructions_row(root: Path) -> Row:
    """The gate's own figure: user-space instructions of the front per warm get."""
    import test_front as gate

    program = str(root / "usr/libexec/sftokend/sftokend-front")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        once, twice = (gate.instructions(program, directory, n * gate.GETS) for n in (1, 2))
    count = (twice - once) / gate.GETS
    most = 5000  # the goal; what the gate lets pass is near to what there is
    return Row("P1", "instructions in the front per warm get", f"{count:.0f}", str(most), count / most, 1.0, "no floor: the goal")


FAST = "MaxCallsPerSecond=10000000\n"
CROWDS = (64, 1000)
CROWD_CALLS = 200000


@contextlib.contextmanager
def fast_servers() -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    """A front without a limit of calls and the floor beside it, on the same core: path and process of each."""
    from harness import Daemon, Standin

    with Standin() as salesforce, Daemon(salesforce, options=["--log-level", "notice"]) as daemon:
        daemon.add_settings("[Limits]\n" + FAST)
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        front = daemon.child("front")
        assert front
        pin(front, {CORE})
        with RawServer(daemon.directory) as raw:
            yield (daemon.broker_path, front), (raw.path, raw.process.pid)


def bench_front(root: Path, rounds: int, chosen: set[str]) -> list[Row]:
    """P1 and P2."""
    results: dict[str, tuple[list[Measured], list[Measured]]] = {"P1": ([], []), "P2": ([], [])}
    with fast_servers() as (ours, floor):
        for _ in range(rounds):
            for goal, connect, calls in (("P1", False, 60000), ("P2", True, 15000)):
                results[goal][0].append(measure(*ours, calls, connect))
                results[goal][1].append(measure(*floor, calls, connect))
    rows = []
    if "P1" in chosen:
        rows += ratio_rows("P1", "warm get on one connection", *results["P1"], (1.25, 1.4), one_line(FAST))
        rows.append(instructions_row(root))
    if "P2" in chosen:
        rows += ratio_rows("P2", "connect, get, close", *results["P2"], (1.2, 1.3), one_line(FAST))
    return rows


def crowd(path: str, pid: int, number: int) -> tuple[float, float]:
    """Calls a second on so many connections, and server CPU per call in ns. The client has the other core."""
    before = cpu_ns(pid)
    command = ["taskset", "-c", str(1 - CORE), str(BUILD / "bench_crowd"), path, REQUEST, str(number), str(CROWD_CALLS)]
    calls, ns = map(int, subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout.split())
    return calls / ns * 1e9, (cpu_ns(pid) - before) / calls


def bench_crowd(rounds: int) -> list[Row]:
    """P4."""
    found: dict[int, list[list[tuple[float, float]]]] = {n: [] for n in CROWDS}
    with fast_servers() as (ours, floor), RawServer(Path(ours[0]).parent, checked=True) as checked:
        for _ in range(rounds):
            for n in CROWDS:
                found[n].append([crowd(*server, n) for server in (ours, floor, (checked.path, checked.process.pid))])
    rows = []
    for n, measured in found.items():
        rates, raw_rates, checked_rates = ([m[i][0] for m in measured] for i in range(3))
        cpu = [statistics.median(m[i][1] for m in measured) for i in range(3)]
        against_checked = statistics.median(c / o for o, c in zip(rates, checked_rates))
        # at least 0.8 of the floor's calls: at most 1.25 of its time
        rows.append(Row("P4", f"calls a second on {n} connections", f"{statistics.median(rates):.0f}", f"{statistics.median(raw_rates):.0f}",
                        statistics.median(f / o for o, f in zip(rates, raw_rates)), 1.25,
                        f"ratio: of the time per call; server CPU per call {us(cpu[0])} against {us(cpu[1])}; beside a raw server that asks "
                        f"who wrote each message {against_checked:.2f} ({us(cpu[2])})", one_line(FAST)))
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
    parser.add_argument("--plot", action="store_true")
    arguments = parser.parse_args()
    os.environ["SFTOKEN_ROOT"], os.environ["SFTOKEN_VARIANT"] = str(arguments.root.resolve()), "release"
    sys.path[:0] = [str(TESTS / "system"), str(TESTS / "gates"), str(TESTS / "bench"), str(TESTS)]
    from agents import bench_peers
    from demand import bench_demand
    from footprint import bench_footprint
    from many import bench_many
    from minting import bench_minting
    from plot import plot
    from restart import bench_restart
    from upstream import bench_upstream

    if arguments.plot:
        plot(TESTS.parent / "docs", machine())
        return 0
    n = arguments.rounds
    rows: list[Row] = []
    parts: list[tuple[set[str], Callable[[], list[Row]]]] = [
        ({"P1", "P2"}, lambda: bench_front(arguments.root, n, chosen)),
        ({"P3"}, lambda: bench_cli(n)),
        ({"P4"}, lambda: bench_crowd(n)),
        ({"P5"}, lambda: bench_upstream(n)),
        ({"P6"}, lambda: bench_minting(n)),
        ({"P7"}, bench_footprint),
        ({"P8"}, lambda: bench_restart(n)),
        ({"P9"}, bench_many),
        ({"P10"}, lambda: bench_demand(n)),
        ({"peers"}, lambda: bench_peers(n)),
    ]
    known = set().union(*(goals for goals, _ in parts))
    chosen = set(arguments.rows) or known
    if not chosen <= known:
        parser.error(f"there is no row {' '.join(sorted(chosen - known))}")
    for goals, run in parts:
        if goals & chosen:
            print(f"measuring {' '.join(sorted(goals & chosen))} ...", file=sys.stderr, flush=True)
            rows += run()
    print(machine() + "\n")
    print_table(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "rows": [{**r._asdict(), "holds": r.holds} for r in rows]}, indent=1) + "\n")
    return 0


def machine() -> str:
    """What the figures belong to."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), os.uname().machine)
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return f"{os.cpu_count()} cores ({cpu}), Linux {os.uname().release}, {compiler}; load of the machine {os.getloadavg()[0]:.1f}"


def print_table(rows: Sequence[Row]) -> None:
    print("| goal | what | sftokend | beside | ratio | goal: at most | holds | keys changed | note |\n|---|---|---|---|---|---|---|---|---|")
    for r in rows:
        ratio: Any = "-" if r.ratio is None else f"{r.ratio:.3g}"
        limit = "-" if r.limit is None else f"{r.limit:.3g}"
        holds = {None: "-", True: "yes", False: "NO"}[r.holds]
        print(f"| {r.goal} | {r.what} | {r.ours} | {r.floor} | {ratio} | {limit} | {holds} | {r.keys or 'none'} | {r.note} |")


if __name__ == "__main__":
    sys.exit(main())
