# SPDX-License-Identifier: Apache-2.0
"""Logins with the real programs and the stand-in's pages: web server, device and user-agent flow, who may, and what becomes of a login when something dies."""

from __future__ import annotations

import sys
from typing import Any, Iterator

from harness import MANAGER, SECRET, Daemon, Standin, VarlinkError, expect, run_tests, same, wait_for
from rotating import history, info, no_alarms, token, wait_state
from varlink import Connection

REDIRECT = "http://localhost:1717/OauthRedirect"
USER = "anna@example.com"


class Shared:
    salesforce: Standin
    daemon: Daemon


def add(name: str, grant_type: str, extra: str = "", access: str = "", **app: Any) -> None:
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.add_user(USER)
    salesforce.add_app(f"app-{name}", secret=SECRET, scopes="api refresh_token", redirect_uris=[REDIRECT], **app)
    secret = daemon.write_secret(f"{name}.secret", SECRET)
    daemon.write_credential(name, f"[Credential]\nGrantType={grant_type}\nLoginUrl={salesforce.url}\nClientId=app-{name}\nClientSecret=file:{secret}\n"
                                  f"{extra}\n[Access]\nAllowUser=root\n{access}\n")
    daemon.cli("reload")


class Login:
    """One that is pending: its connection, its first reply, and what follows."""

    def __init__(self, credential: str, **parameters: Any) -> None:
        self.connection: Connection = Shared.daemon.manager()
        self.replies: Iterator[dict[str, Any]] = iter(self.connection.more(MANAGER + ".Login", {"credential": credential, **parameters}))
        self.first = next(self.replies)
        same(self.first["state"], "pending", str(self.first))

    def __enter__(self) -> Login:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def browse(self, user: str = USER, **options: Any) -> str:
        return str(Shared.salesforce.browse(self.first["authorizationUrl"], user, **options))

    def complete(self, url: str) -> dict[str, Any]:
        with Shared.daemon.manager() as m:
            return dict(m.call(MANAGER + ".CompleteLogin", {"loginId": self.first["loginId"], "redirectUrl": url}))

    def last(self) -> dict[str, Any]:
        return next(self.replies)


def test_web_server() -> None:
    """A person logs in in a browser; the grant is spent at the next renewal; a second login replaces and revokes it"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add("web", "web_server")
    wait_state(daemon, "web", "login_required")
    with Login("web") as login:
        said = login.complete(login.browse())
        same(said["state"], "succeeded", str(said))
        same(login.last()["message"], said["message"])
        same(USER in said["message"], True, said["message"])
    first = token(daemon, "web")
    same((first["username"], info(daemon, "web")["state"]), (USER, "valid"))
    with daemon.manager() as m:
        m.call(MANAGER + ".Refresh", {"credential": "web"})
    with Login("web") as login:
        same(login.complete(login.browse())["state"], "succeeded")
    grants = salesforce.grants("app-web")
    same(len(grants), 2)
    wait_for(lambda: [g["live"] for g in salesforce.grants("app-web")].count(True) == 1, "the replaced grant is revoked")
    same(token(daemon, "web")["accessToken"] == first["accessToken"], False)
    same([a["kind"] for a in history(daemon, "web")].count("login"), 2)
    no_alarms(salesforce)


def test_refused_on_the_page() -> None:
    """A person who does not allow it, a forged state, and a code twice: nothing changes"""
    daemon = Shared.daemon
    add("no", "web_server")
    with Login("no") as login:
        url = login.browse(consent=False)
        error = expect(VarlinkError, lambda: login.complete(url.replace("state=", "state=x")))
        same(getattr(error, "name"), MANAGER + ".StateMismatch")
        same(login.complete(url)["state"], "failed")
        same(login.last()["state"], "failed")
    with Login("no") as login:
        url = login.browse()
        same(login.complete(url)["state"], "succeeded")
        error = expect(VarlinkError, lambda: login.complete(url))
        same(getattr(error, "name"), MANAGER + ".NoSuchLogin")
    same(info(daemon, "no")["state"], "valid")


def test_device() -> None:
    """A person types the code elsewhere"""
    salesforce = Shared.salesforce
    add("device", "device", device_interval_s=1)
    with Login("device") as login:
        salesforce.approve_device(login.first["userCode"], USER)
        said = login.last()
        same(said["state"], "succeeded", str(said))
    same(token(Shared.daemon, "device")["username"], USER)


def test_user_agent() -> None:
    """The token comes by way of the browser and is checked; nothing renews it"""
    daemon = Shared.daemon
    add("agent", "user_agent", "AllowUserAgent=yes")
    with Login("agent") as login:
        said = login.complete(login.browse())
        same(said["state"], "succeeded", str(said))
    same(token(daemon, "agent")["username"], USER)
    with daemon.manager() as m:
        error = expect(VarlinkError, lambda: m.call(MANAGER + ".Refresh", {"credential": "agent"}))
    same(getattr(error, "name"), "io.sftoken.Broker.LoginRequired")


def test_mint_dies() -> None:
    """The mint dies while a login is pending: whoever waits sees it; the next login succeeds"""
    daemon = Shared.daemon
    add("dies", "web_server")
    with Login("dies") as login:
        daemon.kill("mint")
        same(login.connection.is_closed(), True)
    daemon.cli("wait", "--any", check=None)
    wait_state(daemon, "dies", "login_required")
    with Login("dies") as login:
        same(login.complete(login.browse())["state"], "succeeded")


def test_nothing_secret_is_told() -> None:
    """No code, state, verifier or token of a login is in a log or an event"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add("quiet", "web_server")
    with Login("quiet") as login:
        url = login.browse()
        same(login.complete(url)["state"], "succeeded")
    secrets = [part.partition("=")[2] for part in url.partition("?")[2].split("&") if part.startswith(("code=", "state="))]
    secrets += [str(t["token"]) for g in salesforce.grants("app-quiet") for t in g["tokens"] if "token" in t]
    secrets += [str(s["token"]) for s in salesforce.sessions("app-quiet")]
    log = daemon.log()
    same("login.succeeded" in log, True)
    same([s for s in secrets if s and s in log], [])


def run() -> int:
    with Standin(max_grants=0) as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
