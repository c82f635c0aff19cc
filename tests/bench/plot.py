# SPDX-License-Identifier: Apache-2.0
"""Two pictures for docs/performance.md by gnuplot: gets before, during and after a storm of renewals; memory and CPU by number of credentials."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Daemon
from many import LIFE_S, measured
from measuring import BUILD, CORE, REQUEST
from upstream import Nginx, credentials, pinned

QUIET_S, STORM_S = 10, 20
STORM, STORM_LIFE_S = 2800, 10
BIN_MS = 200
NUMBERS = (100, 300, 1000, 3000, 10000)
HEAD = """set terminal svg size 900,{height} font "sans,12" background "#ffffff"
set output "{out}"
set grid ytics lc rgb "#dddddd"
set key {key}
set border 3
set xtics nomirror
set ytics nomirror
"""


def gnuplot(script: str) -> None:
    subprocess.run(["gnuplot", "-"], input=script, text=True, check=True)


def bins(trace: str) -> list[tuple[float, float, float]]:
    """Seconds, p50 and p99 in µs of each 200 ms."""
    found: dict[int, list[int]] = {}
    for line in trace.splitlines()[:-1]:
        began, took = map(int, line.split())
        found.setdefault(began // (BIN_MS * 1_000_000), []).append(took)
    rows = []
    for i in sorted(found):
        values = sorted(found[i])
        rows.append((i * BIN_MS / 1000, values[len(values) // 2] / 1000, values[len(values) * 99 // 100] / 1000))
    return rows


def storm() -> tuple[list[tuple[float, float, float]], float, float, float]:
    """The gets, when the storm began and ended, and its tokens a second. Before and after it there is one credential."""
    with Daemon(options=["--log-level", "warning"]) as daemon, Nginx(daemon.directory, False) as nginx:
        credentials(daemon, nginx, 0, STORM_LIFE_S, True)
        daemon.start()
        seconds = str(2 * QUIET_S + STORM_S)
        command = pinned(daemon, nginx, [str(BUILD / "bench_caller"), "--trace", seconds, daemon.broker_path, REQUEST, "500"])
        os.sched_setaffinity(0, {1 - CORE})
        started = time.monotonic()
        with tempfile.TemporaryFile("w+") as out, subprocess.Popen(command, stdout=out) as caller:
            time.sleep(QUIET_S)  # this part of the picture
            credentials(daemon, nginx, STORM, STORM_LIFE_S, True)
            daemon.cli("reload", timeout=300)
            begun, requests = time.monotonic(), nginx.counters()[1]
            time.sleep(max(0.0, started + QUIET_S + STORM_S - begun))
            ended, rate = time.monotonic(), 0.0
            rate = (nginx.counters()[1] - requests) / (ended - begun)
            for path in daemon.credentials.glob("storm*.conf"):
                path.unlink()
            daemon.cli("reload", timeout=300)
            caller.wait()
            out.seek(0)
            return bins(out.read()), begun - started, ended - started, rate


def plot_storm(out: Path, about: str) -> None:
    rows, begun, ended, rate = storm()
    data = "\n".join(f"{t:.1f} {p50:.1f} {p99:.1f}" for t, p50, p99 in rows)
    gnuplot(HEAD.format(out=out, height=420, key="top right") + f"""
$gets << EOD
{data}
EOD
set title "A warm get each 500 µs before, during and after a storm of {rate:.0f} tokens a second (RS256)\\n{about}" noenhanced
set xlabel "seconds"
set ylabel "µs"
set logscale y
set yrange [10:*]
set object 1 rectangle from {begun:.2f}, graph 0 to {ended:.2f}, graph 1 fc rgb "#fff2dd" fs solid noborder behind
plot $gets using 1:3 with lines lw 1.5 lc rgb "#c05020" title "p99 of each {BIN_MS} ms", \\
     $gets using 1:2 with lines lw 1.5 lc rgb "#2060a0" title "p50"
""")


def plot_credentials(out: Path, about: str) -> None:
    lines = []
    for number in NUMBERS:
        print(f"{number} credentials ...", file=sys.stderr, flush=True)
        seen = measured(number)
        lines.append(f"{number} {seen.rss[0] / 2**20:.2f} {seen.rss[1] / 2**20:.2f} {seen.cpu_ms * number / 1000 / 10:.3f}")
    data = "\n".join(lines)
    gnuplot(HEAD.format(out=out, height=620, key="bottom right") + f"""
$seen << EOD
{data}
EOD
set multiplot layout 2,1 title "All renewed within sessions of {LIFE_S} s\\n{about}" noenhanced
set logscale x
set xrange [80:12500]
set xtics ({', '.join(f'"{n}" {n}' for n in NUMBERS)})
set yrange [0:*]
set ylabel "MiB resident"
plot $seen using 1:2 with linespoints lw 1.5 pt 7 lc rgb "#2060a0" title "mint", \\
     $seen using 1:3 with linespoints lw 1.5 pt 7 lc rgb "#c05020" title "front"
set xlabel "credentials"
set ylabel "% of a core"
plot $seen using 1:4 with linespoints lw 1.5 pt 7 lc rgb "#208040" title "CPU of mint and front"
unset multiplot
""")


def plot(folder: Path, about: str) -> None:
    os.sched_setaffinity(0, {CORE, 1 - CORE})
    plot_storm(folder / "renewal-storm.svg", about)
    plot_credentials(folder / "credentials.svg", about)
