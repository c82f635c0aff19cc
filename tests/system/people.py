# SPDX-License-Identifier: Apache-2.0
"""People who log in: the real `sftoken login` against the real daemon, and the stand-in's pages.

    add_login(daemon, salesforce, "crm")
    with CliLogin(daemon, "crm") as login:
        login.finish(USER)              # the browser: its pages, Allow, back to the listener
        login.end(0)

Everything that was secret in a login is remembered, so that told_nothing() can look for it in the end."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import subprocess
from pathlib import Path
from typing import Any, Optional
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from attacks import Target, post, relay_nonce
from harness import MANAGER, SECRET, TOP, Daemon, Standin, VarlinkError, make_key, same, wait_for
from login_program import Program
from rotating import info, token

USER = "anna@example.com"
ORG = "00Dxx0000001gPLEAY"
SCOPES = "api id refresh_token"
ANY_PORT = "http://localhost:0/OauthRedirect"
CERTIFICATES: dict[Path, str] = {}

# What $BROWSER does: logs in on the pages, allows it, and goes where it is sent. What it saw is left behind.
BROWSER = """#!/usr/bin/python3
import json, os, sys, urllib.parse
sys.path.insert(0, {tests!r})
from standin.people_client import Browser
url = sys.argv[-1]
target = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["redirect_uri"][0]
browser = Browser({ca!r})
location = browser.walk(url, target, {user!r}, "secret", {consent!r}).location
page = browser.open(location)
with open({out!r} + ".new", "w") as f:
    json.dump({{"location": location, "status": page.status, "words": page.words}}, f)
os.rename({out!r} + ".new", {out!r})
"""


def free_port() -> int:
    """One that is free on both addresses of localhost."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def browser_script(daemon: Daemon, salesforce: Standin, name: str, user: str = USER, consent: bool = True) -> tuple[str, Path]:
    """A program for $BROWSER, and where it leaves what it saw."""
    script, out = daemon.directory / f"browser-{name}", daemon.directory / f"browser-{name}.json"
    script.write_text(BROWSER.format(tests=str(TOP / "tests"), ca=salesforce.ca, user=user, consent=consent, out=str(out)))
    script.chmod(0o755)
    return str(script), out


def certificate(daemon: Daemon) -> str:
    """Of DIRECTORY/key, which is made once for all credentials of a daemon."""
    key = daemon.directory / "key"
    if key not in CERTIFICATES:
        CERTIFICATES[key] = make_key(key)
    return CERTIFICATES[key]


def client_lines(daemon: Daemon, auth: str) -> tuple[str, dict[str, Any]]:
    """How a client proves itself: lines of the credential, and the app's side of it."""
    app: dict[str, Any] = {"token_endpoint_auth_method": auth}
    if auth == "none":
        return "", app
    if auth == "private_key_jwt":
        app["cert_pem"] = certificate(daemon)
        return f"ClientAuth={auth}\nPrivateKey=file:{daemon.directory}/key\n", app
    app["secret"] = SECRET
    path = daemon.directory / "secret"
    if not path.exists():
        daemon.write_secret("secret", SECRET)
    return f"ClientAuth={auth}\nClientSecret=file:{path}\n", app


def add_login(daemon: Daemon, salesforce: Standin, name: str, grant_type: str = "web_server", *, auth: str = "client_secret_post",
              redirect: Optional[str] = None, extra: str = "", access: str = "", issuer: bool = False, scopes: str = SCOPES,
              app: Optional[dict[str, Any]] = None, reload: bool = True) -> str:
    """A credential that people log in for, and its app app-NAME; its RedirectUri."""
    redirect = redirect or ANY_PORT
    lines, fields = client_lines(daemon, auth)
    salesforce.configure(users={USER: {}}, apps={f"app-{name}": {"scopes": scopes, "redirect_uris": [redirect], "loopback_any_port": redirect == ANY_PORT, **fields, **(app or {})}})
    where = f"Issuer={salesforce.url}" if issuer else f"LoginUrl={salesforce.url}"
    daemon.write_credential(name, f"[Credential]\nGrantType={grant_type}\n{where}\nClientId=app-{name}\n{lines}"
                                  f"{'' if grant_type == 'device' else f'RedirectUri={redirect}'}\n{extra}\n[Access]\n{access}\n")
    if reload and daemon.process is not None:
        daemon.cli("reload")
    return redirect


class Secrets:
    """What must never be told: codes, states, tokens; and the verifiers, of which only the challenges are known."""

    def __init__(self) -> None:
        self.words: set[str] = {SECRET}
        self.challenges: set[str] = set()
        self.outputs: list[str] = []

    def of_url(self, url: str) -> None:
        """Those of the address that a browser ended at."""
        parts = urlsplit(url)
        for name, value in parse_qsl(parts.query) + parse_qsl(parts.fragment):
            if name in ("code", "state", "access_token", "refresh_token"):
                self.words.add(value)

    def of_server(self, salesforce: Standin) -> None:
        """All that it ever gave to anybody."""
        self.words |= {str(s["token"]) for s in salesforce.sessions()}
        self.words |= {str(t["token"]) for g in salesforce.grants() for t in g["tokens"] if t.get("token")}

    def told(self, text: str, but_state: bool = False) -> list[str]:
        """Which of them stand in a text. The state stands in the authorization URL, which is printed for people."""
        if but_state:
            text = re.sub(r"https?://\S*response_type=\S*", "URL", text)
        found = [w for w in self.words if w in text]
        for word in set(re.findall(r"[A-Za-z0-9_-]{43,128}", text)):
            digest = base64.urlsafe_b64encode(hashlib.sha256(word.encode()).digest()).decode().rstrip("=")
            found += [word] if digest in self.challenges else []
        return found


SECRETS = Secrets()


class CliLogin(Program):
    """sftoken login NAME..., as the user of the test or another."""

    def __init__(self, daemon: Daemon, name: str, *arguments: str, browser: Optional[str] = None, terminal: bool = False,
                 user: Optional[int] = None, manager: Optional[str] = None) -> None:
        self.daemon, self.name = daemon, name
        words = [str(daemon.cli_program), "login", name, *([] if browser else ["--no-browser"]), *arguments]
        environment = {"SFTOKEN_SOCKET": daemon.broker_path, "SFTOKEN_MANAGER": manager or daemon.manager_path}
        super().__init__(words, {**environment, **({"BROWSER": browser} if browser else {})}, terminal=terminal, user=user, never=(SECRET,))

    def __enter__(self) -> CliLogin:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def authorization_url(self) -> str:
        """The URL that was printed; waits for it."""
        def printed() -> Optional[str]:
            self.read()
            match = re.search(r"https?://\S*response_type=\S*(?=[\r\n])", self.text)
            if not match and self.process.poll() is not None and not self.read():
                raise AssertionError(f"sftoken ended with {self.process.returncode}: {self.end(self.process.returncode)}")
            return match[0] if match else None
        url = str(wait_for(printed, "a URL"))
        parameters = parse_qs(urlsplit(url).query)
        SECRETS.words |= set(parameters["state"])
        SECRETS.challenges |= set(parameters.get("code_challenge", []))
        return url

    def target(self) -> Target:
        """The listener; waits until it takes connections."""
        url = self.authorization_url
        uri = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0])
        assert uri.port, url
        target = Target(uri.netloc.rpartition(":")[0], uri.port, uri.path, url)

        def listens() -> bool:
            try:
                target.connect().close()
            except OSError:
                return False
            return True

        wait_for(listens, "a listener")
        return target

    def browse(self, user: str = USER, **options: Any) -> str:
        """The pages; where the browser is sent in the end."""
        assert self.daemon.salesforce is not None
        url = str(self.daemon.salesforce.browse(self.authorization_url, user, **options))
        SECRETS.of_url(url)
        return url

    def finish(self, user: str = USER, **options: Any) -> str:
        """The whole way of a browser; the words of the last page, which is the listener's."""
        target = self.target()
        url = self.browse(user, **options)
        if urlsplit(url).fragment:
            return post(target, urlsplit(url).fragment, relay_nonce(target)).body
        assert self.daemon.salesforce is not None
        return str(self.daemon.salesforce.visit(url).words)

    def prompt(self) -> tuple[str, str]:
        """Of a device login: the link, and the code."""
        def shown() -> Optional[tuple[str, str]]:
            self.read()
            lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text).splitlines()]
            link = next((line for line in lines if re.fullmatch(r"https?://\S+", line)), None)
            code = next((line for line in lines if re.fullmatch(r"[A-Z0-9]{8}|[A-Z0-9]{4}-[A-Z0-9]{4}", line)), None)
            if not (link and code) and self.process.poll() is not None and not self.read():
                raise AssertionError(f"sftoken ended with {self.process.returncode}: {self.end(self.process.returncode)}")
            return (link, code) if link and code else None
        found = wait_for(shown, "a link and a code")
        assert isinstance(found, tuple)
        return found

    def end(self, status: int, timeout: float = 20.0) -> tuple[str, str]:
        out, errors = super().end(status, timeout)
        SECRETS.outputs.append(out + errors)
        return out, errors


def log_in(daemon: Daemon, name: str, user: str = USER, *arguments: str) -> str:
    """One login that succeeds, as short as it can be; what sftoken wrote."""
    with CliLogin(daemon, name, *arguments) as login:
        login.finish(user)
        return login.end(0)[0]


class Kept:
    """That a credential is as it was: state, token and generation, and that the server still takes the token."""

    def __init__(self, daemon: Daemon, name: str) -> None:
        self.daemon, self.name = daemon, name
        self.before = self.now()

    def now(self) -> dict[str, Any]:
        told = info(self.daemon, self.name)
        facts: dict[str, Any] = {"state": told["state"]}
        if told["state"] == "valid":
            facts |= {n: token(self.daemon, self.name)[n] for n in ("accessToken", "generation", "username")}
            assert self.daemon.salesforce is not None
            assert self.daemon.salesforce.is_live(facts["accessToken"]), f"{self.name}: its token has ended"
        return facts

    def check(self, what: str = "") -> None:
        same(self.now(), self.before, f"{self.name} has changed: {what}")


def manager_login(daemon: Daemon, name: str, url_of: Any) -> dict[str, Any]:
    """A login without sftoken: url_of(first reply) is what the browser ends at; the last reply, or {"error": ...}."""
    with daemon.manager() as connection, daemon.manager() as other:
        replies = iter(connection.more(MANAGER + ".Login", {"credential": name}))
        try:
            first = next(replies)
            if first["state"] != "pending":
                return first
            url = url_of(first)
            if url:
                SECRETS.of_url(url)
                other.call(MANAGER + ".CompleteLogin", {"loginId": first["loginId"], "redirectUrl": url})
            return next(replies)
        except VarlinkError as error:
            return {"error": error.name, "parameters": error.parameters}


def told_nothing(daemon: Daemon, salesforce: Standin, *names: str) -> None:
    """None of the secrets is in the log, in what sftoken wrote, in what is shown of the credentials, or in the arguments and environments of the processes."""
    SECRETS.of_server(salesforce)
    assert len(SECRETS.words) > 5, "nothing was secret"
    shown = [daemon.cli(*words).stdout for name in names for words in (("show", name), ("show", name, "--json"))]
    with daemon.manager() as m:
        shown += [str(m.call(MANAGER + ".History", {"credential": name})) for name in names] + [str(m.call(MANAGER + ".Status"))]
    pids = [daemon.pid, daemon.child("mint"), daemon.child("front")]
    arguments = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids]
    for what, texts, but_state in (("the log", [daemon.log()], False), ("what sftoken wrote", SECRETS.outputs, True), ("what is shown", shown, False),
                                   ("arguments", arguments, False)):
        for text in texts:
            same(SECRETS.told(text, but_state), [], f"secrets in {what}")


def urlopen(url: str, **more: str) -> str:
    """The same address with other parameters."""
    parts = urlsplit(url)
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | more)).geturl()


def sftoken(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return daemon.cli(*words, check=None)
