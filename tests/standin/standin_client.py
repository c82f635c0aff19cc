# SPDX-License-Identifier: Apache-2.0
"""Start the stand-in as a program of its own and steer it from a test.

    with Standin() as salesforce:
        salesforce.add_user("etl@example.com")
        salesforce.add_app("3MVG9.app", secret="s3cret", run_as="etl@example.com")
        ... a daemon with LoginUrl=salesforce.url and CaFile=salesforce.ca ...
        salesforce.fault("html", status=503)              # the next token request
        assert salesforce.problems() == []                # strict mode found nothing to complain of
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Optional, Sequence

from .grants_client import Grants, StandinError, wait
from .people_client import People

__all__ = ["Standin", "StandinError", "make_key"]

PROGRAM = Path(__file__).with_name("standin.py")
PYTHON = "/usr/bin/python3"
START_SECONDS = 30.0
TOKEN_PATH = "/services/oauth2/token"

Json = dict[str, Any]


def make_key(path: Path | str, bits: int = 2048) -> str:
    """Write a new RSA private key (PKCS#8 PEM, mode 0600) to path; return its certificate as PEM
    for the `cert_pem` of an app."""
    from . import ca

    return ca.write_key_pair(Path(path), bits)


class Standin(Grants, People):
    """One running stand-in. Every setting is listed in README.md and in settings.py."""

    def __init__(self, directory: Path | str | None = None, *, http: bool = False,
                 time_scale: float = 1.0, arguments: Sequence[str] = (),
                 apps: Optional[Json] = None, users: Optional[Json] = None,
                 **settings: Any) -> None:
        """Remember what to start; `start()` or `with` starts it.

        directory   where ca.pem and ready.json go; made and removed here when None
        http        plain http instead of TLS on the main port
        time_scale  sessions age this many times as fast: session_timeout_s=7200 with 240 is 30 s
        apps, users, settings   as for configure()
        """
        self._temporary: Optional[tempfile.TemporaryDirectory[str]] = None
        if directory is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="standin-")
            directory = self._temporary.name
        self.directory = Path(directory)
        self._arguments = [PYTHON, str(PROGRAM), "--dir", str(self.directory), "--exit-on-eof",
                           "--time-scale", str(time_scale), *(["--http"] if http else []),
                           *arguments]
        self._first: Json = {"apps": apps or {}, "users": users or {}, "settings": settings}
        self._process: Optional[subprocess.Popen[bytes]] = None
        self.ready: Json = {}

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> Standin:
        """Start it, wait until it listens, apply the first configuration."""
        ready = self.directory / "ready.json"
        ready.unlink(missing_ok=True)
        self._process = subprocess.Popen(self._arguments, stdin=subprocess.PIPE)
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            if self._process.poll() is not None:
                raise StandinError(f"the stand-in ended with status {self._process.returncode}")
            if time.monotonic() > deadline:
                self.stop()
                raise StandinError("the stand-in does not listen")
            time.sleep(0.01)
        self.ready = json.loads(ready.read_text())
        self.control("POST", "/config", self._first)
        return self

    def stop(self) -> None:
        """End it and remove the directory if it was made here. May be called twice."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def __enter__(self) -> Standin:
        return self.start()

    def __exit__(self, kind: Optional[type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Its origin, for LoginUrl: https://127.0.0.1:PORT."""
        return str(self.ready["url"])

    @property
    def port(self) -> int:
        return int(self.ready["port"])

    @property
    def ca(self) -> str:
        """Path of the CA certificate, for CaFile."""
        return str(self.ready["ca"])

    @property
    def pid(self) -> int:
        return int(self.ready["pid"])

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the control interface; the answer's JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.ready["control_url"] + path, data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise StandinError(f"{method} {path}: {error.read().decode()}") from error

    # -- configuration ---------------------------------------------------------------------------

    def configure(self, *, apps: Optional[Json] = None, users: Optional[Json] = None,
                  **settings: Any) -> None:
        """Merge apps {client_id: fields or None to remove}, users {username: fields or None} and
        settings into what is configured. Unknown names are refused with StandinError."""
        self.control("POST", "/config", {"apps": apps or {}, "users": users or {},
                                         "settings": settings})

    def add_app(self, client_id: str, **fields: Any) -> None:
        """Add or change one app: secret, run_as, cert_pem, flows, session_timeout_s, ..."""
        self.configure(apps={client_id: fields})

    def add_user(self, username: str, **fields: Any) -> None:
        """Add or change one user: id, org, active, locked, ..."""
        self.configure(users={username: fields})

    def force_error(self, client_id: str, error: str | Json | None) -> None:
        """Answer each token request of the app with this error until None is given. A name of
        errors.py ("inactive_user") or {"error", "error_description", "status"}."""
        self.add_app(client_id, force_error=error)

    # -- faults ----------------------------------------------------------------------------------

    def fault(self, kind: str, path: str = "token", client_id: Optional[str] = None,
              count: int = 1, forever: bool = False, skip: int = 0, *,
              user: Optional[str] = None, refresh_token: Optional[str] = None,
              grant: Optional[int] = None, grant_type: Optional[str] = None,
              probability: Optional[float] = None, seed: int = 0, **args: Any) -> int:
        """Spoil the next `count` requests (or all) that match, after letting `skip` through.
        path: "token", "userinfo", "introspect", "revoke", "connect", a full path or "*".
        user: of the assertion or the refresh token. refresh_token: its text; grant: any refresh
        token of that family. probability: each match is hit by chance, drawn from `seed`.
        Returns the number of the fault. Kinds and their args: README.md."""
        spec = {"kind": kind, "path": path, "client_id": client_id, "count": count,
                "forever": forever, "skip": skip, "user": user, "refresh_token": refresh_token,
                "grant": grant, "grant_type": grant_type, "probability": probability,
                "seed": seed, "args": args}
        return int(self.control("POST", "/fault", spec)["fault"])

    def clear_faults(self) -> None:
        """Forget all faults; what hangs, goes on hanging until its client leaves."""
        self.control("DELETE", "/fault")

    def disconnect(self) -> None:
        """Reset every open connection (not the control connection)."""
        self.control("POST", "/disconnect")

    def listen(self, on: bool) -> None:
        """Stop listening (new connections are refused) or listen again on the same port."""
        self.control("POST", "/listen", {"on": on})

    # -- what happened ---------------------------------------------------------------------------

    def requests(self, since: int = 0, path: Optional[str] = None,
                 client_id: Optional[str] = None) -> list[Json]:
        """The log, oldest first: entries with seq > since, of one path ("token" or full) and app.
        A request that is not answered yet has status None."""
        full = f"/services/oauth2/{path}" if path and not path.startswith("/") else path
        entries: list[Json] = self.control("GET", f"/requests?since={since}")["requests"]
        return [e for e in entries if (full is None or e["path"] == full)
                and (client_id is None or e["client_id"] == client_id)]

    def token_requests(self, client_id: Optional[str] = None, since: int = 0) -> list[Json]:
        """The POSTs to the token endpoint."""
        return self.requests(since, TOKEN_PATH, client_id)

    def wait_requests(self, number: int, path: str = "token", client_id: Optional[str] = None,
                      timeout: float = 30.0, since: int = 0) -> list[Json]:
        """Wait until at least `number` matching requests have arrived; StandinError if not."""
        found: list[Json] = []

        def enough() -> bool:
            found[:] = self.requests(since, path, client_id)
            return len(found) >= number

        wait(enough, timeout, f"{number} requests for {path}")
        return found

    def problems(self) -> list[str]:
        """What strict mode did not like about the client's requests, with their seq."""
        return list(self.control("GET", "/problems")["problems"])

    def stats(self) -> Json:
        """Counters: requests by path, open and accepted connections, sessions."""
        return dict(self.control("GET", "/stats"))

    def sessions(self, client_id: Optional[str] = None) -> list[Json]:
        """The sessions, oldest first: id, token, client_id, user, age_s, left_s, live, grants."""
        found: list[Json] = self.control("GET", "/sessions")["sessions"]
        return [s for s in found if client_id is None or s["client_id"] == client_id]

    def is_live(self, token: str) -> bool:
        """Whether the server would accept this token now. Does not count as a use of it."""
        return bool(self.control("POST", "/live", {"token": token})["live"])

    def kill_token(self, token: Optional[str] = None, client_id: Optional[str] = None,
                   user: Optional[str] = None) -> int:
        """End the session of this token, or all of this app or user (an administrator does), or
        all; refresh tokens stay. Returns how many lived."""
        spec = {"token": token, "client_id": client_id, "user": user}
        return int(self.control("POST", "/kill", spec)["killed"])

    revoke = kill_token

    def advance(self, seconds: float) -> None:
        """Make all sessions so many server seconds older, at once."""
        self.control("POST", "/advance", {"seconds": seconds})

    def reset(self) -> None:
        """Forget log, problems, faults, sessions, grants, login counts; keep the configuration."""
        self.control("POST", "/reset")

    def clear_log(self) -> None:
        """Forget log and problems only."""
        self.control("POST", "/reset", {"log_only": True})
