# SPDX-License-Identifier: Apache-2.0
"""P10: 64 credentials are demanded at once while the token endpoint takes two seconds; somebody else asks for a token that is there."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time

from harness import Daemon
from measuring import BUILD, CORE, REQUEST, Row, Took, took, us
from upstream import Nginx, client_credentials, pinned

NUMBER, SLOW_S, GOAL_S = 64, 2, 2.5
LOOK_S = 3


def demanded(daemon: Daemon) -> list[float]:
    """How long each of the 64 took, in seconds, all of them asked at once."""
    begin = threading.Barrier(NUMBER)
    found: list[float] = []

    def one(i: int) -> None:
        with daemon.broker() as c:
            begin.wait()
            started = time.monotonic()
            c.get(f"cold{i:02}")
            found.append(time.monotonic() - started)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(NUMBER)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == NUMBER, "a demand failed"
    return found


def one_round() -> tuple[float, Took, Took]:
    """The slowest demand; warm gets alone and beside them."""
    with Daemon(options=["--log-level", "warning"]) as daemon, Nginx(daemon.directory, False, SLOW_S) as nginx:
        daemon.write_settings(f"[Network]\nCaFile={nginx.ca}\n")
        client_credentials(daemon, nginx, "crm", "2h", "Required=yes\n")
        daemon.start()
        caller = pinned(daemon, nginx, [str(BUILD / "bench_caller"), "--until", str(LOOK_S), daemon.broker_path, REQUEST, "500"])
        idle = took(caller, None)
        for i in range(NUMBER):
            client_credentials(daemon, nginx, f"cold{i:02}", "2h")
        daemon.cli("reload")
        os.sched_setaffinity(0, {1 - CORE})
        with subprocess.Popen(caller, stdout=subprocess.PIPE, text=True) as process:
            slowest = max(demanded(daemon))
            assert process.stdout
            beside = Took(*map(int, process.stdout.read().split()))
        os.sched_setaffinity(0, {CORE, 1 - CORE})
        return slowest, idle, beside


def bench_demand(rounds: int) -> list[Row]:
    found = [one_round() for _ in range(rounds)]
    slowest = statistics.median(s for s, _, _ in found)
    p99 = statistics.median(b.p99 / i.p99 for _, i, b in found)
    return [
        Row("P10", f"{NUMBER} credentials demanded at once, token endpoint takes {SLOW_S} s: the slowest", f"{slowest:.2f} s", f"{GOAL_S} s", slowest / GOAL_S,
            1.0, "no floor: the goal", "CaFile"),
        Row("P10", "warm get of another credential beside them, p99", us(statistics.median(b.p99 for _, _, b in found)),
            us(statistics.median(i.p99 for _, i, _ in found)) + " (idle)", p99, 2.0, "the goal of P5", "CaFile"),
    ]
