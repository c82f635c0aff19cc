# SPDX-License-Identifier: Apache-2.0
"""P8: from exec to READY=1 with sealed tokens in the store. Half of the credentials use client credentials, half spend refresh tokens."""

from __future__ import annotations

import os
import select
import statistics
import time
from typing import NamedTuple

from harness import MANAGER, Daemon, same, wait_for
from measuring import CORE, Row, one_line
from upstream import Nginx

LIMITS = "MaxScheduledInFlight=64\nStartSpread=1s\nBackoffFirst=100ms\n"
GOALS = {1000: 50.0, 10000: 400.0}


class Start(NamedTuple):
    wall_ms: float
    cpu_ms: float  # of the mint


def fill(daemon: Daemon, nginx: Nginx, number: int) -> None:
    """The configuration, one token each, and a good stop."""
    secret = daemon.write_secret("bench.secret", "bench-secret\n")
    daemon.write_settings(f"[Network]\nCaFile={nginx.ca}\n[Limits]\n{LIMITS}")
    for i in range(number):
        grant = "refresh_token" if i % 2 else "client_credentials"
        daemon.write_credential(f"c{i:05}", f"[Credential]\nGrantType={grant}\nClientSecret=file:{secret}\nIntrospect=no\nLoginUrl={nginx.url}\n"
                                            "ClientId=bench\nSessionTimeout=12h\n")
    daemon.spawn()
    daemon.wait_ready()
    with daemon.manager(timeout=300) as m:
        for i in range(1, number, 2):
            m.call(MANAGER + ".ImportSecret", {"credential": f"c{i:05}", "kind": "refresh_token", "value": f"5Aep861bench{i:075}"})
    wanted = f"STATUS={number} credentials, {number} with a token"
    wait_for(lambda: wanted in daemon.notifications(), "a token of each", 300)
    same(daemon.stop(), 0)


def one_start(daemon: Daemon) -> Start:
    """Ready means a token for every one of them: Required=yes everywhere."""
    started = time.monotonic()
    daemon.spawn()
    assert daemon.notify
    while "READY=1" not in daemon.notifications():
        select.select([daemon.notify], [], [], 60)
    wall = time.monotonic() - started
    mint = daemon.child("mint")
    with open(f"/proc/{mint}/schedstat", encoding="ascii") as stat:
        cpu = int(stat.read().split()[0]) / 1e6
    with daemon.broker() as c:
        assert c.get("c00000")["accessToken"] and c.get("c00001")["accessToken"]
    same(daemon.stop(), 0)
    return Start(wall * 1000, cpu)


def starts(number: int, rounds: int) -> tuple[list[Start], int]:
    """So many starts, and how many requests they made."""
    with Daemon(options=["--log-level", "warning"]) as daemon, Nginx(daemon.directory, False) as nginx:
        fill(daemon, nginx, number)
        for path in daemon.credentials.iterdir():
            path.write_text(path.read_text() + "Required=yes\n")
        before = nginx.counters()[1]
        found = [one_start(daemon) for _ in range(rounds)]
        return found, nginx.counters()[1] - before - 1


def bench_restart(rounds: int) -> list[Row]:
    rows = []
    os.sched_setaffinity(0, {CORE, 1 - CORE})
    for number, goal in GOALS.items():
        found, requests = starts(number, rounds)
        wall = statistics.median(s.wall_ms for s in found)
        cpu = statistics.median(s.cpu_ms for s in found)
        rows.append(Row("P8", f"start to ready, {number} sealed tokens", f"{wall:.0f} ms", f"{goal:.0f} ms", wall / goal, 1.0,
                        f"no floor: the goal; {cpu:.0f} ms CPU in the mint; {requests} requests to the token endpoint", one_line(LIMITS)))
        rows.append(Row("P8", f"requests of those {rounds} starts", str(requests), "0", float(requests), 0.0, "no floor: the goal", one_line(LIMITS)))
    return rows
