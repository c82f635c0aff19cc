#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""People's logins in a real browser, from `sftoken login` to a token in a job's hands. Each page that they see is kept as a picture in
build/artifacts/login-*.png, and Chromium has nothing to complain of in its console."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "system")]

from browser import Browser                                 # noqa: E402
from harness import SECRET, Daemon, Standin, main, same     # noqa: E402
from logins import Login                                    # noqa: E402

USER = "ann@example.com"
PATH = "/OauthRedirect"
LOGIN_REQUIRED = 80


class World:
    """The stand-in in strict mode, a daemon with the credential crm that people log in to, and a browser."""

    def __init__(self, grant: str = "web_server", extra: str = "", secret: str | None = SECRET) -> None:
        self.salesforce = Standin(loopback_any_port=True)
        self.grant, self.extra, self.secret = grant, extra, secret

    def __enter__(self) -> World:
        self.salesforce.start()
        self.daemon = Daemon(self.salesforce)
        self.browser = Browser(shots="login")
        try:
            self.set_up()
            self.browser.__enter__()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def set_up(self) -> None:
        self.salesforce.configure(users={USER: {}}, apps={"app-crm": {
            "secret": self.secret, "scopes": "api id refresh_token", "redirect_uris": [f"http://localhost:1717{PATH}"]}})
        line = f"ClientSecret=file:{self.daemon.write_secret('crm.secret', self.secret)}\n" if self.secret else ""
        self.daemon.write_credential("crm", f"[Credential]\nGrantType={self.grant}\nLoginUrl={self.salesforce.url}\nClientId=app-crm\n"
                                            f"{line}RedirectUri=http://localhost:0{PATH}\n{self.extra}")
        self.daemon.start()

    def __exit__(self, *how: Any) -> None:
        try:
            self.browser.__exit__(*how)
        finally:
            try:
                self.daemon.__exit__(*how)
            finally:
                self.salesforce.stop()

    # -- what ann does ---------------------------------------------------------------------------

    def sign_in(self, shot: str = "") -> None:
        """On the login page."""
        self.browser.wait_text("Username")
        if shot:
            self.browser.shot(shot)
        self.browser.type("input[name=username]", USER)
        self.browser.type("input[name=password]", "secret")
        self.browser.press("Log In")

    def decide(self, button: str, shot: str = "") -> None:
        """On the consent page."""
        self.browser.wait_text("Allow Access?")
        if shot:
            self.browser.shot(shot)
        self.browser.press(button)

    def comes_back(self, words: str, shot: str) -> None:
        """The browser is at sftoken's listener and shows that."""
        self.browser.wait_url("http://localhost:")
        self.browser.wait_text(words)
        self.browser.shot(shot)

    def has_token(self, said: str) -> None:
        """It was said who logged in, and a job has a token that Salesforce takes."""
        assert USER in said and self.salesforce.url in said, f"it names the user and the org:\n{said}"
        token = self.daemon.cli("get", "crm").stdout.strip()
        assert self.salesforce.is_live(token), "the token is not good"
        assert token not in said + self.daemon.log(), "the token was told"
        same(self.salesforce.problems(), [], "what strict mode did not like")

    def has_none(self) -> None:
        self.daemon.cli("get", "crm", check=LOGIN_REQUIRED)

    def finds_nothing_wrong(self, expected: str = "") -> None:
        """Chromium's console is empty, but for the status of a page that is meant to have one."""
        left = [c for c in self.browser.complaints() if not (expected and expected in c)]
        same(left, [], "what Chromium complains of")


def test_web_server() -> None:
    """web server flow: login page, consent, back at sftoken, a token in a job's hands; it is renewed without the browser"""
    with World() as world:
        with Login(world.daemon, "crm") as login:
            world.browser.open(login.url())
            world.sign_in("web-1-login")
            world.decide("Allow", "web-2-consent")
            world.comes_back("You are logged in", "web-3-success")
            world.finds_nothing_wrong()
            world.has_token(login.ends(0))
        world.daemon.cli("refresh", "crm")
        assert world.salesforce.is_live(world.daemon.cli("get", "crm").stdout.strip())


def test_web_server_public() -> None:
    """the same for a public client, after a wrong password"""
    with World(secret=None) as world, Login(world.daemon, "crm") as login:
        world.browser.open(login.url())
        world.browser.type("input[name=username]", USER)
        world.browser.type("input[name=password]", "wrong")
        world.browser.press("Log In")
        world.browser.element("#error")
        world.browser.shot("web-4-wrong-password")
        world.sign_in()
        world.decide("Allow")
        world.comes_back("You are logged in", "web-5-success-public")
        world.has_token(login.ends(0))


def test_denied() -> None:
    """who presses Deny sees that the login failed, and so does the terminal"""
    with World() as world:
        with Login(world.daemon, "crm") as login:
            world.browser.open(login.url())
            world.sign_in()
            world.decide("Deny")
            world.comes_back("The login failed", "web-6-failure")
            world.finds_nothing_wrong("403")
            status = login.process.wait(60)
            assert status != 0 and "den" in (login.output + login.errors).lower(), (status, login.output, login.errors)
        world.has_none()


def test_another_login() -> None:
    """an address that belongs to another login is refused with a page that says so; the one that waits goes on and succeeds"""
    with World() as world, Login(world.daemon, "crm") as login:
        url = login.url()
        world.browser.open(url)
        world.sign_in()
        world.browser.wait_text("Allow Access?")
        world.browser.open(f"{redirect_of(url)}?code=aPrxStolen&state=of-another-login")
        world.comes_back("another login", "web-7-another-login")
        world.finds_nothing_wrong("400")
        same(login.process.poll(), None, "the login has ended")
        world.browser.open(url)
        world.decide("Allow")
        world.comes_back("You are logged in", "web-8-success-after-another")
        world.has_token(login.ends(0))


def redirect_of(url: str) -> str:
    """The redirect_uri of an authorization URL."""
    return parse_qs(urlsplit(url).query)["redirect_uri"][0]


def test_user_agent() -> None:
    """user-agent flow: the relay page hands the fragment over, and leaves nothing of it in the address or the history"""
    with World("user_agent", "AllowUserAgent=yes\n") as world:
        with Login(world.daemon, "crm") as login:
            world.browser.open(login.url())
            world.sign_in()
            world.decide("Allow")
            world.comes_back("You are logged in", "agent-1-relay-success")
            world.finds_nothing_wrong()
            url = world.browser.url
            assert "#" not in url and "access_token" not in url, "the fragment is still in the address"
            said = login.ends(0)
            assert "warning" in said and "user-agent flow is deprecated" in said, f"it warns of this flow:\n{said}"
            world.has_token(said)


def test_user_agent_denied() -> None:
    """user-agent flow, denied: the relay page says that the login failed"""
    with World("user_agent", "AllowUserAgent=yes\n") as world:
        with Login(world.daemon, "crm") as login:
            world.browser.open(login.url())
            world.sign_in()
            world.decide("Deny")
            world.comes_back("The login failed", "agent-2-relay-failure")
            world.finds_nothing_wrong("403")
            assert login.process.wait(60) != 0
        world.has_none()


def test_device() -> None:
    """device flow: the code is on the page that the link opens, then login and consent; the terminal knows"""
    with World("device") as world:
        world.salesforce.configure(device_interval_s=1.0)
        with Login(world.daemon, "crm", "--json") as login:
            first = login.first()
            world.browser.open(first.get("verificationUriComplete") or first["verificationUri"])
            world.browser.wait_text("Connect")
            world.browser.type("input[name=user_code]", first["userCode"])
            world.browser.shot("device-1-connect")
            world.browser.press("Connect")
            world.sign_in()
            world.decide("Allow", "device-2-consent")
            world.browser.wait(lambda: "Allow Access?" not in world.browser.text(), "the page after the consent")
            world.browser.shot("device-3-done")
            world.has_token(login.ends(0))


if __name__ == "__main__":
    main()
