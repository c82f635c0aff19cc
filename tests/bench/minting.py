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
from measuring import BUILD, CORE, Row, cpu_ns, one_line, pin, us
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


def signing_alone() -> float:
    """CPU in ns of a token of mint_sign.c, the floor: it signs, sends, and does nothing else."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Nginx(Path(name), False) as nginx:
        key = Path(name) / "key.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key)], check=True,
                       capture_output=True)
        pin(nginx.process.pid, {CORE})
        output = subprocess.run(["taskset", "-c", str(OTHER), str(BUILD / "bench_mint_sign"), nginx.url + "/services/oauth2/token", nginx.ca,
                                 str(key), str(NUMBER), "64"], check=True, capture_output=True, text=True, timeout=300).stdout
    return float(output.split()[1])


def mint_them_all() -> tuple[float, float, float]:
    """While 10,000 credentials get a token by JWT bearer: tokens a second, CPU in ns of each in the mint, and new connections for each hundred."""
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
            rate, cpu = rate_of(nginx, requests, mint)
        after = nginx.counters()
        # each look of rate_of() was a connection of its own and one request
        looks = after[1] - requests - NUMBER
        return rate, cpu, (after[0] - connections - looks) / NUMBER * 100


def rate_of(nginx: Nginx, before: int, mint: int) -> tuple[float, float]:
    """Tokens a second between the first 5 and the last 2 of a hundred, and the mint's CPU for each."""
    looks, seen = 0, []
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        looks += 1
        done = nginx.counters()[1] - before - looks
        seen.append((time.monotonic(), done, cpu_ns(mint)))
        if done >= NUMBER:
            break
        time.sleep(0.1)
    good = [s for s in seen if NUMBER * 0.05 <= s[1] <= NUMBER * 0.98]
    assert len(good) >= 2, seen
    took, done, cpu = (b - a for a, b in zip(good[0], good[-1]))
    return done / took, cpu / done


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
        found.append((*mint_them_all(), bare_signatures(), signing_alone()))
    rate, cpu, bare, alone = (statistics.median(f[i] for f in found) for i in (0, 1, 3, 4))
    keys = "CaFile " + one_line(STORM)
    return [
        # at least 0.75 of the floor's rate: at most 1.33 of its time
        Row("P6", f"{NUMBER} tokens by RS256, a second", f"{rate:.0f}", f"{bare:.0f}", statistics.median(f[3] / f[0] for f in found), 1 / 0.75,
            "beside: openssl speed rsa2048 on the same core; ratio: of the time each", keys),
        Row("P6", "CPU of a token by RS256", us(cpu), us(alone), statistics.median(f[1] / f[4] for f in found), None,
            f"beside: mint_sign.c, which signs, sends and does nothing else; a bare signature is {us(1e9 / bare)}", keys),
        connection_row(rounds),
        Row("P6", "new connections for 100 renewals of one host", f"{max(f[2] for f in found):.2f}", "1", max(f[2] for f in found), 1.0,
            "no floor: the goal", keys),
    ]
