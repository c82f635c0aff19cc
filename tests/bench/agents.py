# SPDX-License-Identifier: Apache-2.0
"""Other people's agents, and programs without any, beside ours in the same run. What is not installed is left out, and said."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from harness import Daemon, Standin, children, wait_for
from measuring import BUILD, CORE, REQUEST, TESTS, RawServer, Row, Took, cpu_ns, measure, one_line, pin, took, us
from upstream import Nginx

FAST = "MaxCallsPerSecond=10000000\n"
CALLS, PLAIN_CALLS = 30000, 3000
CACHE_DAEMON = "/usr/lib/git-core/git-credential-cache--daemon"
TOKEN = "00Dbench!" + "AQ" * 48
PYTHON_MINT = """
import ssl, sys, urllib.parse, urllib.request, json
form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": "bench", "client_secret": "bench-secret"}).encode()
print(json.load(urllib.request.urlopen(sys.argv[1], form, context=ssl.create_default_context(cafile=sys.argv[2])))["access_token"])
"""


def version(package: str) -> str:
    """Of a Debian package; "" when it is not installed."""
    result = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package], capture_output=True, text=True, check=False)
    status, _, number = result.stdout.partition(" ")
    return f"{package} {number}" if status == "installed" else ""


class Provider(http.server.BaseHTTPRequestHandler):
    """As much of an OpenID provider as oidc-agent wants: its discovery document, and an access token for any refresh token."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:  # noqa: N802
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.answer({"issuer": base + "/", "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token", "jwks_uri": base + "/keys",
                     "grant_types_supported": ["refresh_token"], "response_types_supported": ["code"], "scopes_supported": ["openid"],
                     "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"]})

    def do_POST(self) -> None:  # noqa: N802
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 7200, "refresh_token": "refresh", "scope": "openid"})


class Agent:
    """A peer that runs: its socket, a request, its processes."""

    def __init__(self, path: str, request: str, process: subprocess.Popen[Any]) -> None:
        self.path, self.request, self.process = path, request, process
        for pid in self.pids():
            pin(pid, {CORE})

    def pids(self) -> list[int]:
        return [self.process.pid, *children(self.process.pid).values()]

    def measure(self, command: Sequence[str] = (), environment: Optional[dict[str, str]] = None) -> tuple[Took, float]:
        """What a get took, connection included, and CPU of all its processes per get in ns. command: another than ours."""
        before = sum(cpu_ns(p) for p in self.pids())
        t = took(command or [str(BUILD / "bench_caller"), "--plain", self.path, self.request, str(PLAIN_CALLS)], CORE, environment)
        return t, (sum(cpu_ns(p) for p in self.pids()) - before) / t.calls

    def stop(self) -> None:
        for pid in reversed(self.pids()):
            os.kill(pid, 15)
        self.process.wait(20)


class OidcAgent(Agent):
    """oidc-agent with one account whose token is good for two hours."""

    def __init__(self, directory: Path) -> None:
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        (directory / "oidc").mkdir(mode=0o700)
        path = str(directory / "oidc" / "socket")
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "OIDC_CONFIG_DIR": str(directory / "oidc"), "OIDC_SOCK": path}
        process = subprocess.Popen(["oidc-agent", "--console", "--no-autoload", "--socket-path", path], env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(path), "the socket of oidc-agent")
        subprocess.run(["oidc-gen", "bench", f"--issuer=http://127.0.0.1:{self.server.server_address[1]}/", "--client-id=bench", "--client-secret=bench",
                        "--rt=refresh", "--scope=openid", "--redirect-uri=http://localhost:4242", "--no-save", "--confirm-yes", "--prompt=none",
                        "--pw-cmd=echo bench"], env=self.environment, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        super().__init__(path, '{"request":"access_token","account":"bench","min_valid_period":0}', process)

    def by_library(self) -> tuple[Took, float]:
        """The same as its own clients do it: a key exchange on each connection, everything encrypted."""
        return self.measure([str(BUILD / "bench_oidc_caller"), "bench", str(PLAIN_CALLS)], self.environment)

    def stop(self) -> None:
        super().stop()
        self.server.shutdown()
        self.server.server_close()


class CredentialCache(Agent):
    """The daemon of git-credential-cache, which keeps a password for an hour."""

    def __init__(self, directory: Path) -> None:
        (directory / "git").mkdir(mode=0o700)
        path = str(directory / "git" / "socket")
        process = subprocess.Popen([CACHE_DAEMON, path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        process.stdout.readline()  # "ok" when it listens
        about = "protocol=https\nhost=example.com\nusername=bench\n"
        subprocess.run(["git", "credential-cache", "--timeout", "3600", "--socket", path, "store"], input=f"{about}password={TOKEN}\n", text=True,
                       check=True)
        super().__init__(path, f"action=get\ntimeout=3600\n{about}", process)

    def stop(self) -> None:
        super().stop()
        assert self.process.stdout
        self.process.stdout.close()


def ours(daemon: Daemon, front: int, connect: bool) -> tuple[Took, float]:
    before = cpu_ns(front)
    t = took([str(BUILD / "bench_caller"), *(["--connect"] if connect else []), daemon.broker_path, REQUEST, str(CALLS)])
    return t, (cpu_ns(front) - before) / t.calls


def spawned(runs: int, command: list[str], environment: Optional[dict[str, str]] = None) -> Took:
    words = [shutil.which(command[0]) or command[0], *command[1:]]
    output = subprocess.run(["taskset", "-c", str(CORE), str(BUILD / "bench_spawn"), str(runs), *words], check=True, capture_output=True, text=True,
                            timeout=600, env={"PATH": "/usr/bin:/bin", **(environment or {})}).stdout
    return Took(*map(int, output.split()))


def ratios(goal: str, what: str, name: str, pairs: list[tuple[float, float]], limit: Optional[float], keys: str = "",
           floor: Sequence[float] = ()) -> Row:
    """Ours beside theirs; both in ns. floor: what the raw server needed for the same in the same rounds."""
    ratio = statistics.median(a / b for a, b in pairs)
    note = f"beside: {name}; 1 to {1 / ratio:.1f}"
    if floor:
        note += f", the raw server 1 to {statistics.median(b / f for f, (_, b) in zip(floor, pairs)):.1f}"
    return Row(goal, what, us(statistics.median(a for a, _ in pairs)), us(statistics.median(b for _, b in pairs)), ratio, limit, note, keys)


Goals = tuple[Optional[float], Optional[float], Optional[float]]
NO_GOALS: Goals = (None, None, None)


def agent_rows(daemon: Daemon, name: str, asked: Callable[[], tuple[Took, float]], rounds: int, goals: Goals = NO_GOALS) -> list[Row]:
    front = daemon.child("front")
    assert front
    pin(front, {CORE})
    with RawServer(daemon.directory) as raw:
        found = [(ours(daemon, front, True), ours(daemon, front, False), asked()) for _ in range(rounds)]
        floor = {c: [measure(raw.path, raw.process.pid, CALLS, c) for _ in range(rounds)] for c in (True, False)}
    keys = one_line(FAST)
    return [
        ratios("peers", "connect, get, close, p50", name, [(c[0].p50, t[0].p50) for c, _, t in found], goals[0], keys,
               [m.p50 for m in floor[True]]),
        ratios("peers", "get on one connection, p50, beside a connection for each", name, [(p[0].p50, t[0].p50) for _, p, t in found], goals[1], keys,
               [m.p50 for m in floor[False]]),
        ratios("peers", "server CPU of connect, get, close", name, [(c[1], t[1]) for c, _, t in found], goals[2], keys,
               [m.cpu for m in floor[True]]),
    ]


def agents(daemon: Daemon, rounds: int) -> list[Row]:
    get = [str(daemon.cli_program), "get", "crm", "--socket", daemon.broker_path]
    rows = []
    oidc, git = version("oidc-agent-cli"), version("git")
    if oidc:
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            agent = OidcAgent(Path(directory))
            try:
                rows += agent_rows(daemon, f"{oidc} by liboidc-agent", agent.by_library, rounds, (1 / 12, 1 / 35, 1 / 9))
                rows += agent_rows(daemon, f"{oidc} by a bare request in JSON", agent.measure, rounds)
                pairs = [(float(spawned(200, get).p50), float(spawned(200, ["oidc-token", "bench"], agent.environment).p50)) for _ in range(rounds)]
                rows.append(ratios("P3", "sftoken get, fork to exit, p50", f"oidc-token of {oidc}", pairs, 0.75))
            finally:
                agent.stop()
    if git and os.path.exists(CACHE_DAEMON):
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            cache = CredentialCache(Path(directory))
            try:
                rows += agent_rows(daemon, f"git-credential-cache of {git}", cache.measure, rounds)
            finally:
                cache.stop()
    return rows


def mint_commands(nginx: Nginx, bundle: Path) -> list[tuple[str, Callable[[], Took]]]:
    """Programs that fetch a token of their own each time they run."""
    url = nginx.url + "/services/oauth2/token"
    python = subprocess.run(["/usr/bin/python3", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    found = [
        (version("libcurl4"), lambda: spawned(20, [str(BUILD / "bench_mint_curl"), url, str(bundle)])),
        (python, lambda: spawned(10, ["/usr/bin/python3", "-c", PYTHON_MINT, url, str(bundle)])),
    ]
    sys.path.append(str(TESTS / "peers"))
    try:
        import node

        modules = node.modules()
    except (OSError, AssertionError) as error:
        print(f"without jsforce: {error}"[:200], file=sys.stderr)
        return found
    jsforce = json.loads((modules / "jsforce/package.json").read_text())["version"]
    number = subprocess.run([node.program("node"), "--version"], check=True, capture_output=True, text=True).stdout.strip()
    environment = {"NODE_PATH": str(modules), "NODE_EXTRA_CA_CERTS": nginx.ca}
    script = str(TESTS / "bench" / "mint_jsforce.js")
    found.append((f"jsforce {jsforce}, node {number}", lambda: spawned(10, [node.program("node"), script, nginx.url], environment)))
    return found


def mints(daemon: Daemon, rounds: int) -> list[Row]:
    get = [str(daemon.cli_program), "get", "crm", "--socket", daemon.broker_path]
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, Nginx(Path(directory), False) as nginx:
        os.sched_setaffinity(nginx.process.pid, {1 - CORE})
        bundle = Path(directory) / "bundle.pem"
        bundle.write_bytes(Path("/etc/ssl/certs/ca-certificates.crt").read_bytes() + Path(nginx.ca).read_bytes())
        for name, run in mint_commands(nginx, bundle):
            pairs = [(float(spawned(200, get).p50), float(run().p50)) for _ in range(rounds)]
            rows.append(ratios("peers", "sftoken get, fork to exit, beside a program that mints", name, pairs, None))
    return rows


def bench_peers(rounds: int) -> list[Row]:
    with Standin() as salesforce, Daemon(salesforce, options=["--log-level", "notice"]) as daemon:
        daemon.add_settings("[Limits]\n" + FAST)
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        return agents(daemon, rounds) + mints(daemon, rounds)
