# SPDX-License-Identifier: Apache-2.0
"""P6: what minting costs: tokens a second with RS256 beside bare signatures, the CPU of a TLS connection, connections per renewal."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from harness import Daemon
from measuring import CORE, Row, cpu_ns, one_line, pin
from rotating import refresh
from upstream import Nginx, client_credentials, new_key

NUMBER = 10000
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
STORM = "MaxScheduledInFlight=64\nStartSpread=0\n"
ONE_BY_ONE = "MinRenewDelay=0\nStartSpread=0\nMaxRequestsPerHour=100000\n"
CONNECTIONS = 200  # of each round
NAMES = 40  # their limit of requests counts for each credential
OTHER = 1 - CORE


def bare_signatures() -> float:
    """RS256 signatures a second of `openssl speed rsa2048` on the core that the mint has."""
    output = subprocess.run(["taskset", "-c", str(OTHER), "openssl", "speed", "-mr", "-seconds", "3", "rsa2048"], check=True,
                            capture_output=True, text=True).stdout
    found = re.search(r"^\+F2:\d+:2048:([0-9.e-]+):", output, re.M)
    assert found, output
    return float(found[1])


def mint_them_all() -> tuple[float, float]:
    """Tokens a second while 10,000 credentials get a token by JWT bearer, and new connections for each hundred of them."""
    with Daemon(options=["--log-level", "warning"]) as daemon, Nginx(daemon.directory, False) as nginx:
        key = new_key(daemon)
        daemon.write_settings(f"[Network]\nCaFile={nginx.ca}\n[Limits]\n{STORM}")
        text = (f"[Credential]\nGrantType=jwt_bearer\nUsername=u@example.com\nPrivateKey=file:{key}\nLoginUrl={nginx.url}\n"
                "ClientId=bench\nSessionTimeout=12h\n")
        daemon.start()
        mint, front = daemon.child("mint"), daemon.child("front")
        assert mint and front
        pin(mint, {OTHER})
        for pid in (front, daemon.pid, nginx.process.pid):
            pin(pid, {CORE})
        for i in range(NUMBER):
            daemon.write_credential(f"c{i:05}", text)
        connections, requests = nginx.counters()
        with subprocess.Popen([str(daemon.cli_program), "reload"], env={"SFTOKEN_SOCKET": daemon.broker_path}):
            rate = rate_of(nginx, requests)
        after = nginx.counters()
        # each look of rate_of() was a connection of its own and one request
        looks = after[1] - requests - NUMBER
        return rate, (after[0] - connections - looks) / NUMBER * 100


def rate_of(nginx: Nginx, before: int) -> float:
    """Tokens a second between the first 5 and the last 2 of a hundred."""
    looks, seen = 0, []
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        looks += 1
        done = nginx.counters()[1] - before - looks
        seen.append((time.monotonic(), done))
        if done >= NUMBER:
            break
        time.sleep(0.1)
    good = [(t, n) for t, n in seen if NUMBER * 0.05 <= n <= NUMBER * 0.98]
    assert len(good) >= 2, seen
    return (good[-1][1] - good[0][1]) / (good[-1][0] - good[0][0])


class Connector:
    """A daemon that makes a new TLS connection for each renewal."""

    def __init__(self, daemon: Daemon, nginx: Nginx, ca: Path) -> None:
        self.daemon = daemon
        daemon.write_settings(f"[Network]\nCaFile={ca}\n[Limits]\n{ONE_BY_ONE}")
        for i in range(NAMES):
            client_credentials(daemon, nginx, f"c{i:02}", "2h", "Required=yes\n")
        daemon.start()
        mint = daemon.child("mint")
        assert mint
        self.mint = mint

    def cpu_each(self) -> float:
        before = cpu_ns(self.mint)
        for i in range(CONNECTIONS):
            refresh(self.daemon, f"c{i % NAMES:02}")
        return (cpu_ns(self.mint) - before) / CONNECTIONS


def connection_row(rounds: int) -> Row:
    """CPU in the mint with Debian's bundle of CAs beside a file with the one that is needed."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, Nginx(Path(directory), True) as nginx:
        bundle = Path(directory) / "bundle.pem"
        bundle.write_bytes(BUNDLE.read_bytes() + Path(nginx.ca).read_bytes())
        with Daemon(options=["--log-level", "warning"]) as one, Daemon(options=["--log-level", "warning"]) as many:
            floor, ours = Connector(one, nginx, Path(nginx.ca)), Connector(many, nginx, bundle)
            pairs = [(ours.cpu_each(), floor.cpu_each()) for _ in range(rounds)]
    certificates = bundle_size()
    return Row("P6", "CPU of a renewal on a new TLS connection", f"{statistics.median(o for o, _ in pairs) / 1e6:.2f} ms",
               f"{statistics.median(f for _, f in pairs) / 1e6:.2f} ms", statistics.median(o / f for o, f in pairs), 1.3,
               f"CaFile= Debian's {certificates} certificates and the one of the server; beside: that one alone", "CaFile " + one_line(ONE_BY_ONE))


def bundle_size() -> int:
    return BUNDLE.read_text().count("BEGIN CERTIFICATE")


def bench_minting(rounds: int) -> list[Row]:
    os.sched_setaffinity(0, {CORE, OTHER})
    found = []
    for _ in range(max(1, rounds // 2)):
        found.append((*mint_them_all(), bare_signatures()))
    rate, bare = (statistics.median(f[i] for f in found) for i in (0, 2))
    keys = "CaFile " + one_line(STORM)
    return [
        # at least 0.75 of the floor's rate: at most 1.33 of its time
        Row("P6", f"{NUMBER} tokens by RS256, a second", f"{rate:.0f}", f"{bare:.0f}", statistics.median(b / r for r, _, b in found), 1 / 0.75,
            "beside: openssl speed rsa2048 on the same core; ratio: of the time each", keys),
        connection_row(rounds),
        Row("P6", "new connections for 100 renewals of one host", f"{max(f[1] for f in found):.2f}", "1", max(f[1] for f in found), 1.0,
            "no floor: the goal", keys),
    ]
