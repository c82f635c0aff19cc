# SPDX-License-Identifier: Apache-2.0
"""The simulated year in full: twenty credentials, three seeds with a hundred runs each, two at a time (reliability.md 9, T14)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(os.environ.get("SFTOKEN_BUILD", TOP / "build/release")) / "tests/sim/sim"
SEEDS, RUNS, PIECE, DAYS = (100000, 200000, 300000), 100, 10, 365
CREDENTIALS = 20


def piece(seed: int) -> tuple[int, subprocess.CompletedProcess[str]]:
    """So many runs as one process takes; each run of a seed is seed + n."""
    command = [str(PROGRAM), "--seed", str(seed), "--runs", str(PIECE), "--days", str(DAYS), "--credentials", str(CREDENTIALS)]
    return seed, subprocess.run(command, capture_output=True, text=True, check=False)


def told(run: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in run.stdout.splitlines() if line.startswith(("#", "not ok"))]
    return "\n".join(lines[-110:]) or run.stderr[-1000:]


def one_seed(seed: int) -> tuple[bool, str]:
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        pieces = list(pool.map(piece, range(seed, seed + RUNS, PIECE)))
    events = sum(int(n) for _, run in pieces for n in re.findall(r", (\d+) events", run.stdout))
    failed = [told(run) for _, run in pieces if run.returncode != 0]
    return not failed, f"{events} events\n" + "\n".join(failed)


def main() -> int:
    failures = 0
    for n, seed in enumerate(SEEDS, 1):
        began = time.monotonic()
        ok, why = one_seed(seed)
        failures += not ok
        print(f"{'ok' if ok else 'not ok'} {n} - seeds {seed} to {seed + RUNS - 1}, a year each, {CREDENTIALS} credentials")
        for line in f"{time.monotonic() - began:.0f} s, {why}".strip().splitlines():
            print(f"# {line.removeprefix('# ')}", flush=True)
    print(f"1..{len(SEEDS)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
