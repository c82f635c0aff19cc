# SPDX-License-Identifier: Apache-2.0
"""P9: many credentials, all renewed within their window; no demand waits behind scheduled renewals; the CPU that it costs grows linearly."""

from __future__ import annotations

import os
import statistics
import time
from typing import NamedTuple

from harness import Daemon, same, wait_for
from measuring import CORE, Row, cpu_ns, memory, one_line
from upstream import Nginx

NUMBERS = (1000, 3000, 10000)
LIFE_S = 40
LIMITS = "MaxCallsPerSecond=10000000\nMinRenewDelay=1s\nMaxRequestsPerHour=100000\nMaxScheduledInFlight=64\nStartSpread=20s\n"


class Seen(NamedTuple):
    cpu_ms: float  # of mint and front a second and 1,000 credentials
    rate: float  # renewals a second that nginx saw
    late: int  # credentials that were ever seen with less than a quarter of their life left
    demand_ms: list[float]  # how long a demanded renewal took beside the scheduled ones
    rss: tuple[int, int]  # bytes resident in mint and front


def configure(daemon: Daemon, nginx: Nginx, number: int) -> None:
    secret = daemon.write_secret("bench.secret", "bench-secret\n")
    daemon.write_settings(f"[Network]\nCaFile={nginx.ca}\n[Limits]\n{LIMITS}")
    for i in range(number + 1):
        # the last one is renewed by demand alone
        name, life = (f"c{i:05}", LIFE_S) if i < number else ("crm", 7200)
        daemon.write_credential(name, f"[Credential]\nGrantType=client_credentials\nClientSecret=file:{secret}\nIntrospect=no\nLoginUrl={nginx.url}\n"
                                      f"ClientId=bench\nSessionTimeout={life}s\n")


def demand(daemon: Daemon) -> float:
    """An administrator's refresh, in ms: it goes before everything that is scheduled."""
    from rotating import refresh

    begun = time.monotonic()
    refresh(daemon, "crm")
    return (time.monotonic() - begun) * 1000


def late_ones(daemon: Daemon, number: int) -> int:
    """How many have less than a quarter of their life left at this moment (one second belongs to the rounding)."""
    with daemon.broker() as c:
        return sum(c.get(f"c{i:05}")["expiresInSeconds"] + 1 < LIFE_S / 4 for i in range(number))


def measured(number: int) -> Seen:
    with Daemon(options=["--log-level", "warning"]) as daemon, Nginx(daemon.directory, False) as nginx:
        configure(daemon, nginx, number)
        daemon.spawn()
        daemon.wait_ready()
        pids = [daemon.child("mint"), daemon.child("front")]
        wanted = f"STATUS={number + 1} credentials, {number + 1} with a token"
        wait_for(lambda: wanted in daemon.notifications(), "the first token of each", 300)
        time.sleep(LIFE_S / 2)  # the renewals come evenly now
        before = [cpu_ns(p) for p in pids if p]
        requests, begun = nginx.counters()[1], time.monotonic()
        demands = []
        while time.monotonic() < begun + LIFE_S / 2:
            demands.append(demand(daemon))
            time.sleep(0.25)
        seconds = time.monotonic() - begun
        rate = (nginx.counters()[1] - requests) / seconds
        cpu = sum(cpu_ns(p) for p in pids if p) - sum(before)
        same([daemon.child("mint"), daemon.child("front")], pids, "processes")
        late = late_ones(daemon, number)
        mint, front = (memory(p, "VmRSS") for p in pids if p)
        return Seen(cpu / 1e6 / seconds / (number / 1000), rate, late, demands, (mint, front))


def bench_many() -> list[Row]:
    """CPU beside that of the smallest number: linear is 1."""
    os.sched_setaffinity(0, {CORE, 1 - CORE})
    rows, keys = [], one_line(LIMITS)
    first: float | None = None
    for number in NUMBERS:
        seen = measured(number)
        first = first or seen.cpu_ms
        note = f"{seen.rate:.0f} renewals a second, sessions of {LIFE_S} s"
        rows.append(Row("P9", f"CPU a second for 1,000 of {number} credentials", f"{seen.cpu_ms:.1f} ms", f"{first:.1f} ms (of {NUMBERS[0]})",
                        seen.cpu_ms / first, 1.3, note, keys))
        rows.append(Row("P9", f"{number} credentials, later than a quarter of the life before the end", str(seen.late), "0", float(seen.late), 0.0,
                        "no floor: the goal", keys))
        p50, most = statistics.median(seen.demand_ms), max(seen.demand_ms)
        rows.append(Row("P9", f"a demanded renewal beside {number}, the slowest of {len(seen.demand_ms)}", f"{most:.0f} ms", "200 ms", most / 200, 1.0,
                        f"no floor: the goal; p50 {p50:.1f} ms", keys))
    return rows
