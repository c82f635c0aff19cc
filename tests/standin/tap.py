# SPDX-License-Identifier: Apache-2.0
"""Tests that print TAP, and a client for them that behaves like sftokend."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.parse import urlencode

import jwt

from .settings import Settings
from .standin_client import Standin, make_key

FORM = "application/x-www-form-urlencoded"
AGENT = "sftokend/0.1"
TOKEN = "/services/oauth2/token"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LOGIN = "https://login.salesforce.com"
USER = "etl@example.com"
APP = "3MVG9.cc"
JWT_APP = "3MVG9.jwt"
SECRET = "s3cr+t/="


@dataclass
class Reply:
    """One answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[str, str]:
        return self.json["error"], self.json["error_description"]


class Client:
    """Asks like sftokend: exactly these headers, a new connection unless one is kept."""

    def __init__(self, standin: Standin, key: str, host: str = "127.0.0.1") -> None:
        self.standin = standin
        self.host = host
        self._key = key

    def connect(self, timeout: float = 10.0) -> http.client.HTTPConnection:
        port = self.standin.port
        if self.standin.url.startswith("http:"):
            return http.client.HTTPConnection(self.host, port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.standin.ca)
        return http.client.HTTPSConnection(self.host, port, timeout=timeout, context=context)

    def ask(self, method: str, path: str, body: Optional[bytes] = None,
            headers: Optional[dict[str, str]] = None, timeout: float = 10.0,
            kept: Optional[http.client.HTTPConnection] = None) -> Reply:
        connection = kept or self.connect(timeout)
        try:
            fields = {"User-Agent": AGENT, "Accept": "application/json"} | (headers or {})
            own_host = "Host" in fields
            connection.putrequest(method, path, skip_host=own_host, skip_accept_encoding=True)
            if body is not None:
                fields = {"Content-Type": FORM, "Content-Length": str(len(body))} | fields
            for name, value in fields.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            if kept is None:
                connection.close()

    def post(self, path: str, fields: dict[str, str], **more: Any) -> Reply:
        return self.ask("POST", path, urlencode(fields).encode(), **more)

    def client_credentials(self, app: str = APP, secret: str = SECRET, **more: Any) -> Reply:
        return self.post(TOKEN, {"grant_type": "client_credentials", "client_id": app,
                                 "client_secret": secret}, **more)

    def assertion(self, key: Optional[str] = None, alg: str = "RS256", **changes: Any) -> str:
        now = int(time.time())
        claims = {"iss": JWT_APP, "sub": USER, "aud": LOGIN, "exp": now + 180} | changes
        return jwt.encode({n: v for n, v in claims.items() if v is not None}, key or self._key,
                          algorithm=alg)

    def jwt_bearer(self, *, key: Optional[str] = None, headers: Optional[dict[str, str]] = None,
                   fields: Optional[dict[str, str]] = None, alg: str = "RS256",
                   **claims: Any) -> Reply:
        assertion = self.assertion(key, alg, **claims)
        return self.post(TOKEN, {"grant_type": JWT_BEARER, "assertion": assertion}
                         | (fields or {}), headers=headers)

    def refresh(self, token: str, app: str = APP, secret: Optional[str] = SECRET,
                **more: Any) -> Reply:
        """Spend a refresh token; secret None: as a public client."""
        fields = {"grant_type": "refresh_token", "refresh_token": token, "client_id": app}
        return self.post(TOKEN, fields | ({"client_secret": secret} if secret else {}), **more)

    def revoke(self, token: str) -> int:
        return self.post("/services/oauth2/revoke", {"token": token}).status

    def get(self, path: str, token: str = "", **more: Any) -> Reply:
        headers = {"Authorization": "Bearer " + token} if token else {}
        return self.ask("GET", path, headers=headers, **more)

    def limits(self, token: str) -> int:
        """The status of the call that consumers of a token make."""
        return self.get("/services/data/v62.0/limits", token).status

    def introspect(self, token: str, app: str = APP, secret: str = SECRET) -> Reply:
        return self.post("/services/oauth2/introspect",
                         {"token": token, "token_type_hint": "access_token", "client_id": app,
                          "client_secret": secret})


class Case:
    """What one test function works with: the stand-in, freshly reset, and a client."""

    def __init__(self, standin: Standin, client: Client, directory: Path, cert: str) -> None:
        self.standin = standin
        self.client = client
        self.directory = directory
        self.cert = cert

    def clean(self) -> None:
        """The same beginning for every test."""
        self.standin.disconnect()
        self.standin.reset()
        config = self.standin.control("GET", "/config")
        self.standin.configure(apps=dict.fromkeys(config["apps"]),
                               users=dict.fromkeys(config["users"]), **DEFAULTS)
        self.standin.add_user(USER)
        self.standin.add_app(APP, secret=SECRET, run_as=USER)
        self.standin.add_app(JWT_APP, cert_pem=self.cert)


DEFAULTS: dict[str, Any] = vars(Settings())
Test = Callable[[Case], None]


def equal(got: Any, wanted: Any) -> None:
    """Fails with both values in the message."""
    if got != wanted:
        raise AssertionError(f"got {got!r}, wanted {wanted!r}")


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.01)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False


def run(tests: list[Test], directory: Path) -> int:
    """Run the tests against one stand-in; the exit status."""
    failed = 0
    print(f"1..{len(tests)}")
    cert = make_key(directory / "app.pem")
    with Standin(directory / "standin") as standin:
        client = Client(standin, (directory / "app.pem").read_text())
        case = Case(standin, client, directory, cert)
        for number, test in enumerate(tests, 1):
            name = (test.__doc__ or test.__name__).split("\n")[0]
            begin = time.monotonic()
            try:
                case.clean()
                test(case)
                print(f"ok {number} - {name}", flush=True)
                print(f"# {time.monotonic() - begin:.2f} s")
            except Exception:
                failed += 1
                print(f"not ok {number} - {name}", flush=True)
                for line in traceback.format_exc().splitlines():
                    print("# " + line)
    return 1 if failed else 0
