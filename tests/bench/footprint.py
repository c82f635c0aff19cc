# SPDX-License-Identifier: Apache-2.0
"""P7: memory. "Own" memory is RssAnon of /proc/PID/status; where the goal says RSS it is VmRSS, pages of libraries included."""

from __future__ import annotations

import os
import time
from pathlib import Path

from harness import Daemon, Standin, wait_for
from measuring import CORE, Row, memory, one_line
from upstream import Nginx, client_credentials

CONNECTIONS = 10000
CREDENTIALS = (1000, 11000)
START = "MaxScheduledInFlight=64\nStartSpread=0\n"
OPEN = "MaxConnections=20000\nMaxConnectionsPerUser=20000\nMaxCallsPerSecond=10000000\n"
SHORT = "MaxScheduledInFlight=64\nStartSpread=1s\nMinRenewDelay=0\nMaxRequestsPerHour=100000\n"
RENEWED, LIFE_S = 1500, 2
WARM = 30 * RENEWED  # the history of each credential is full then: it keeps 20 attempts
RENEWALS, RENEWALS_MOST_S = 100000, 180
KIB, MIB = 1024, 1024 * 1024


def pids(daemon: Daemon) -> tuple[int, int]:
    mint, front = daemon.child("mint"), daemon.child("front")
    assert mint and front
    return mint, front


def with_tokens(daemon: Daemon, number: int) -> None:
    wanted = f"STATUS={number} credentials, {number} with a token"
    wait_for(lambda: wanted in daemon.notifications(), "a token of each", 300)


def idle_connections() -> Row:
    with Standin() as salesforce, Daemon(salesforce, options=["--log-level", "warning"]) as daemon:
        daemon.add_settings("[Limits]\n" + OPEN)
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        front = pids(daemon)[1]
        with daemon.broker() as c:
            c.get("crm")
        before = memory(front)
        held = []
        try:
            for _ in range(CONNECTIONS):
                held.append(daemon.broker())
                held[-1].get("crm")
            each = (memory(front) - before) / CONNECTIONS
        finally:
            for c in held:
                c.close()
    return Row("P7", f"front, own memory for each of {CONNECTIONS} idle connections that have asked once", f"{each:.0f} B", "400 B", each / 400, 1.0,
               "no floor: the goal; raw epoll 38 B, libevent alone 222 B", one_line(OPEN))


def of_credentials(number: int) -> tuple[int, int]:
    """Own memory of mint and front with so many tokens, each asked for once."""
    with Daemon(options=["--log-level", "warning"]) as daemon, Nginx(daemon.directory, False) as nginx:
        daemon.write_settings(f"[Network]\nCaFile={nginx.ca}\n[Limits]\n{START}MaxCallsPerSecond=10000000\n")
        for i in range(number):
            client_credentials(daemon, nginx, f"c{i:05}", "12h")
        daemon.spawn()
        daemon.wait_ready()
        with_tokens(daemon, number)
        with daemon.broker() as c:
            for i in range(number):
                c.get(f"c{i:05}")
        mint, front = (memory(p) for p in pids(daemon))
        return mint, front


def credential_rows() -> list[Row]:
    few, many = (of_credentials(n) for n in CREDENTIALS)
    number = CREDENTIALS[1] - CREDENTIALS[0]
    rows = []
    for index, name, goal in ((1, "front", 4), (0, "mint", 8)):
        each = (many[index] - few[index]) / number / KIB
        rows.append(Row("P7", f"{name}, own memory for each of {number} credentials with a token", f"{each:.1f} KiB", f"{goal} KiB", each / goal, 1.0,
                        "no floor: the goal", "CaFile MaxCallsPerSecond=10000000 " + one_line(START)))
    return rows


def resident_rows() -> list[Row]:
    """One credential, Debian's bundle of CAs and the stand-in's, after the first token."""
    with Standin() as salesforce, Daemon(salesforce, options=["--log-level", "warning"]) as daemon:
        bundle = daemon.directory / "bundle.pem"
        bundle.write_bytes(Path("/etc/ssl/certs/ca-certificates.crt").read_bytes() + (daemon.directory / "ca.pem").read_bytes())
        daemon.write_settings(f"[Network]\nCaFile={bundle}\n")
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        with daemon.broker() as c:
            c.get("crm")
        rows = []
        for pid, name, goal in zip(pids(daemon), ("mint", "front"), (16, 3)):
            rss = memory(pid, "VmRSS") / MIB
            rows.append(Row("P7", f"{name}, resident when idle after its first HTTPS request", f"{rss:.1f} MiB", f"{goal} MiB", rss / goal, 1.0,
                            "no floor: the goal", "CaFile: Debian's certificates and the server's"))
        return rows


def growth_row() -> Row:
    """Sessions of two seconds, so that a day's renewals pass in a minute."""
    with Daemon(options=["--log-level", "warning"]) as daemon, Nginx(daemon.directory, False) as nginx:
        daemon.write_settings(f"[Network]\nCaFile={nginx.ca}\n[Limits]\n{SHORT}")
        for i in range(RENEWED):
            client_credentials(daemon, nginx, f"c{i:05}", f"{LIFE_S}s")
        daemon.spawn()
        daemon.wait_ready()
        both = pids(daemon)
        wait_for(lambda: nginx.counters()[1] > WARM, "the first renewals", 120)
        before, first = sum(memory(p) for p in both), nginx.counters()[1]
        deadline = time.monotonic() + RENEWALS_MOST_S
        while (done := nginx.counters()[1] - first) < RENEWALS and time.monotonic() < deadline:
            daemon.notifications()
            time.sleep(0.5)
        after = sum(memory(p) for p in both)
        assert both == pids(daemon), "a process was started anew"
        return Row("P7", f"own memory of mint and front after {done} renewals more", f"{after / MIB:.1f} MiB", f"{before / MIB:.1f} MiB", after / before, 1.05,
                   f"beside: after {WARM}; {RENEWED} credentials", f"CaFile SessionTimeout={LIFE_S}s " + one_line(SHORT))


def bench_footprint() -> list[Row]:
    os.sched_setaffinity(0, {CORE, 1 - CORE})
    return [idle_connections(), *credential_rows(), *resident_rows(), growth_row()]
