# SPDX-License-Identifier: Apache-2.0
"""P5: warm gets beside a storm of renewals. Upstream is nginx, which makes each token from $request_id."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import time
from pathlib import Path
from typing import Callable, Optional

from measuring import BUILD, CORE, REQUEST, Row, Took, one_line, took, us
from harness import Daemon, wait_for

NGINX = "/usr/sbin/nginx"
ECHO = "/usr/lib/nginx/modules/ngx_http_echo_module.so"  # of libnginx-mod-http-echo
LIMITS = ("MaxCallsPerSecond=10000000\nMinRenewDelay=1s\nMaxRequestsPerHour=100000\nMaxScheduledInFlight=64\nStartSpread=5s\n")

CONFIG = """
{modules}
daemon off; master_process off; worker_processes 1; error_log stderr crit; pid {dir}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
	access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
	keepalive_requests {requests}; keepalive_timeout 300;
	server {{
		listen 127.0.0.1:{port} ssl backlog=4096;
		ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key; ssl_session_cache off; ssl_session_tickets off;
		location = /count {{ stub_status; }}
		location / {{
			default_type application/json;
			{answer} '{{"access_token":"00Dbench!$request_id$request_id","token_type":"Bearer","instance_url":"https://127.0.0.1:{port}","scope":"api","id":"https://127.0.0.1:{port}/id/00D000000000001AAA/005000000000001AAA"}}';
		}}
	}}
}}
"""


class Nginx:
    """nginx on loopback with a certificate of its own CA. one_request: closes each connection after its request. slow_s: sleeps before each answer."""

    def __init__(self, directory: Path, one_request: bool, slow_s: int = 0) -> None:
        self.directory = directory / "nginx"
        self.directory.mkdir()
        self.ca = str(self.directory / "ca.pem")
        self._certificates()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        config = self.directory / "nginx.conf"
        config.write_text(CONFIG.format(dir=self.directory, port=self.port, requests=1 if one_request else 100000000,
                                        modules=f"load_module {ECHO};" if slow_s else "",
                                        answer=f"echo_sleep {slow_s}; echo" if slow_s else "return 200"))
        self.process = subprocess.Popen([NGINX, "-p", str(self.directory), "-c", str(config)], stderr=subprocess.DEVNULL)

    def _certificates(self) -> None:
        d = self.directory
        (d / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
        for command in (
            f"req -x509 -newkey rsa:2048 -nodes -keyout {d}/ca.key -out {d}/ca.pem -days 2 -subj /CN=bench",
            f"req -newkey rsa:2048 -nodes -keyout {d}/server.key -out {d}/server.csr -subj /CN=127.0.0.1",
            f"x509 -req -in {d}/server.csr -CA {d}/ca.pem -CAkey {d}/ca.key -CAcreateserial -out {d}/server.pem -days 2 -extfile {d}/ext",
        ):
            subprocess.run(["openssl", *command.split()], check=True, capture_output=True)

    def __enter__(self) -> Nginx:
        def listening() -> bool:
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0

        wait_for(listening, "nginx listens")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.directory, ignore_errors=True)

    def counters(self) -> tuple[int, int]:
        """Connections accepted and requests served so far (this question counts as one of each)."""
        output = subprocess.run(["curl", "-s", "--cacert", self.ca, self.url + "/count"], check=True, capture_output=True, text=True).stdout
        accepted, _, requests = map(int, output.splitlines()[2].split())
        return accepted, requests


def new_key(daemon: Daemon) -> Path:
    """A key of 2,048 bits that the daemon may read."""
    key = daemon.directory / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key)], check=True,
                   capture_output=True)
    key.chmod(0o600)
    return key


def client_credentials(daemon: Daemon, nginx: Nginx, name: str, life: str, extra: str = "") -> None:
    """One credential that costs Salesforce and us as little as any."""
    path = daemon.directory / "bench.secret"
    if not path.exists():
        daemon.write_secret(path.name, "bench-secret\n")
    daemon.write_credential(name, f"[Credential]\nGrantType=client_credentials\nClientSecret=file:{path}\nIntrospect=no\nLoginUrl={nginx.url}\n"
                                  f"ClientId=bench\nSessionTimeout={life}\n{extra}")


def credentials(daemon: Daemon, nginx: Nginx, number: int, life_s: int, jwt: bool) -> None:
    """crm, which is asked for and does not move, and the storm."""
    key = new_key(daemon)
    secret = daemon.write_secret("bench.secret", "bench-secret\n")
    daemon.write_settings(f"[Network]\nCaFile={nginx.ca}\n[Limits]\n{LIMITS}")
    def text(life: int, as_jwt: bool) -> str:
        grant = (f"GrantType=jwt_bearer\nUsername=u@example.com\nPrivateKey=file:{key}\n" if as_jwt
                 else f"GrantType=client_credentials\nClientSecret=file:{secret}\nIntrospect=no\n")
        return f"[Credential]\n{grant}LoginUrl={nginx.url}\nClientId=bench\nSessionTimeout={life}s\n"
    daemon.write_credential("crm", text(7200, False) + "Required=yes\n")
    for i in range(number):
        daemon.write_credential(f"storm{i:05}", text(life_s, jwt))


def idle_and_storm(number: int, life_s: int, jwt: bool, one_request: bool, seconds: int) -> tuple[Took, Took, float, float]:
    """Warm gets of crm without and with the storm; tokens and connections a second that nginx saw."""
    with Daemon(options=["--log-level", "warning"]) as daemon, Nginx(daemon.directory, one_request) as nginx:
        credentials(daemon, nginx, 0, life_s, jwt)
        daemon.start()
        caller = [str(BUILD / "bench_caller"), "--until", str(seconds), daemon.broker_path, REQUEST, "500"]
        idle = took(pinned(daemon, nginx, caller), None)
        credentials(daemon, nginx, number, life_s, jwt)
        daemon.cli("reload", timeout=300)
        ready = f"STATUS={number + 1} credentials, {number + 1} with a token"
        wait_for(lambda: ready in daemon.notifications(), "the first token of each", 300)
        time.sleep(life_s)  # the spread of the start is over: renewals come evenly
        before, started = nginx.counters(), time.monotonic()
        storm = took(pinned(daemon, nginx, caller), None)
        after, ended = nginx.counters(), time.monotonic()
        rates = [(b - a) / (ended - started) for a, b in zip(before, after)]
        return idle, storm, rates[1], rates[0]


def pinned(daemon: Daemon, nginx: Nginx, command: list[str]) -> list[str]:
    """Front and its caller on one core, everything else on the other."""
    front, mint = daemon.child("front"), daemon.child("mint")
    assert front and mint
    os.sched_setaffinity(front, {CORE})
    for pid in (mint, nginx.process.pid):
        os.sched_setaffinity(pid, {1 - CORE})
    return ["taskset", "-c", str(CORE), *command]


def bench_upstream(rounds: int) -> list[Row]:
    plans: list[tuple[str, float, int, Callable[[], tuple[Took, Took, float, float]]]] = [
        ("500 tokens a second minted with RS256", 500, 1, lambda: idle_and_storm(2800, 10, True, False, 8)),
        ("100 new TLS connections a second", 100, 0, lambda: idle_and_storm(550, 10, False, True, 8)),
    ]
    rows = []
    for what, wanted, kind, run in plans:
        results = [run() for _ in range(max(1, rounds // 2))]
        ratio: Optional[float] = statistics.median([s.p99 / i.p99 for i, s, _, _ in results])
        rate = statistics.median([r[2] if kind else r[3] for r in results])
        note = f"{rate:.0f} a second seen by nginx"
        if rate < wanted:
            note += "; the storm was too small, so that this row says nothing"
            ratio = None
        rows.append(Row("P5", f"warm get p99 while {what}", us(statistics.median([s.p99 for _, s, _, _ in results])),
                        us(statistics.median([i.p99 for i, _, _, _ in results])) + " (idle)", ratio, 2.0, note, one_line(LIMITS)))
    return rows
