# SPDX-License-Identifier: Apache-2.0
"""Starts authlib_server.py and steers it from a test.

    with AuthlibServer(issuer_path="/tenant") as other:
        other.add_client("job", client_secret="s3cret", grant_types=["client_credentials"])
        ... a daemon with Issuer=other.issuer and CaFile=other.ca ...
        assert other.tokens("job")[-1]["access_token"] == ...
"""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Optional

PROGRAM = Path(__file__).with_name("authlib_server.py")
START_SECONDS = 30.0
Json = dict[str, Any]


class AuthlibServer:
    """One running server, with a CA of its own unless `http`."""

    def __init__(self, *, http: bool = False, issuer_path: str = "", **settings: Any) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="authlib-"))
        self.arguments = ["/usr/bin/python3", str(PROGRAM), "--dir", str(self.directory), f"--issuer-path={issuer_path}",
                          *(["--http"] if http else [])]
        self.settings = settings
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.ready: Json = {}

    def __enter__(self) -> AuthlibServer:
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE)
        path = self.directory / "ready.json"
        deadline = time.monotonic() + START_SECONDS
        while not path.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError("authlib_server.py does not listen")
            time.sleep(0.01)
        self.ready = json.loads(path.read_text())
        self.configure(settings=self.settings)
        return self

    def stop(self) -> None:
        """End it, by closing its standard input."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def issuer(self) -> str:
        return str(self.ready["issuer"])

    @property
    def origin(self) -> str:
        return str(self.ready["origin"])

    @property
    def ca(self) -> str:
        return str(self.ready["ca"])

    def context(self) -> Optional[ssl.SSLContext]:
        return ssl.create_default_context(cafile=self.ca) if self.origin.startswith("https") else None

    def control(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.origin + path, data, {"Content-Type": "application/json"})
        handlers: list[Any] = [urllib.request.ProxyHandler({})]
        if context := self.context():
            handlers.append(urllib.request.HTTPSHandler(context=context))
        with urllib.request.build_opener(*handlers).open(asked, timeout=30) as answer:
            return json.load(answer)

    def configure(self, **change: Any) -> None:
        """clients={id: fields}, users={name: fields}, settings={}, revoke=client id (all its tokens): authlib_models.py lists the fields."""
        self.control("/control/config", change)

    def add_client(self, client_id: str, **fields: Any) -> None:
        self.configure(clients={client_id: fields})

    def add_user(self, name: str, **fields: Any) -> None:
        self.configure(users={name: fields})

    def tokens(self, client_id: str) -> list[Json]:
        """What the client was given, oldest first: access_token, refresh_token, user, access_revoked, refresh_revoked."""
        return [t for t in self.control("/control/tokens") if t["client_id"] == client_id]

    def requests(self, path: str, client_id: Optional[str] = None) -> list[Json]:
        """What came to /oauth/PATH, oldest first: grant_type, client_id, auth, status, error."""
        return [e for e in self.control("/control/log")
                if e["path"] == f"/oauth/{path}" and client_id in (None, e["client_id"])]
