#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Unmodified jsforce logs in to the stand-in: it is as Salesforce is to somebody who has never heard of sftokend."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from node import NodeError, Script, modules     # noqa: E402
from person import Person               # noqa: E402
from standin import Standin             # noqa: E402
from system.tap import expect, main, same       # noqa: E402

REDIRECT = "http://localhost:1717/OauthRedirect"
USER = "ann@example.com"
SECRET = "jsforce-secret"


class World:
    """The stand-in, which must not mind what only sftokend would do, an app, a person, and a script that uses jsforce."""

    def __init__(self, *, secret: Optional[str] = SECRET, **app: Any) -> None:
        self.salesforce = Standin(strict=False)
        self.app = {"secret": secret, "scopes": "api id web refresh_token", "redirect_uris": [REDIRECT], "run_as": USER, **app}

    def __enter__(self) -> World:
        self.salesforce.start()
        self.salesforce.add_user(USER)
        self.salesforce.add_app("jsforce", **self.app)
        self.js = Script("jsforce.js", ca=self.salesforce.ca)
        return self

    def __exit__(self, *how: Any) -> None:
        self.js.__exit__(*how)
        self.salesforce.stop()

    def connect(self, **more: Any) -> None:
        oauth2 = {"loginUrl": self.salesforce.url, "clientId": "jsforce", "redirectUri": REDIRECT, **more}
        if self.app["secret"]:
            oauth2["clientSecret"] = self.app["secret"]
        self.js.call("connect", oauth2)

    def consent(self, allow: bool = True, **parameters: str) -> dict[str, str]:
        """A person opens jsforce's URL; what the redirect says."""
        url = self.js.call("authorizationUrl", {"scope": "api id refresh_token", "state": "s-1 &<", **parameters})
        where = Person(USER, ca=self.salesforce.ca).visit(url, REDIRECT, allow=allow)
        return {name: value[0] for name, value in parse_qs(urlsplit(where).query).items()}

    def log_in(self) -> dict[str, Any]:
        self.connect(useVerifier=True)
        answer = self.consent()
        return dict(self.js.call("authorize", answer["code"]))


def fails(world: World, name: str, call: str, *arguments: Any) -> NodeError:
    """What jsforce throws, which must have that name."""
    error = expect(NodeError, lambda: world.js.call(call, *arguments))
    assert isinstance(error, NodeError)
    same(error.name, name, f"the error of {call}")
    return error


def test_unmodified() -> None:
    """jsforce and @salesforce/core are what the lock file has: exact versions, npm's checksums, no address of anybody's registry"""
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    locked = {name.removeprefix("node_modules/"): p for name, p in json.loads((HERE / "package-lock.json").read_text())["packages"].items() if name}
    same({name: locked[name]["version"] for name in wanted}, wanted, "versions")
    same([name for name, p in locked.items() if "integrity" not in p or "resolved" in p], [], "without a checksum, or with an address")
    installed = {name: json.loads((modules() / name / "package.json").read_text())["version"] for name in wanted}
    same(installed, wanted, "what is installed")


def test_web_server() -> None:
    """web server flow with PKCE, by login page and consent: jsforce has a session with user, organization and refresh token"""
    with World() as world:
        world.connect(useVerifier=True)
        answer = world.consent()
        same(answer["state"], "s-1 &<", "the state that came back")
        assert answer["code"].startswith("aPrx") and answer["code"].endswith("=="), answer
        session = world.js.call("authorize", answer["code"])
        same(session["instanceUrl"], world.salesforce.url, "instanceUrl")
        assert re.fullmatch(r"00D\w{12}!\S+", session["accessToken"]) and session["refreshToken"].startswith("5Aep"), "odd tokens"
        assert re.fullmatch(r"005\w{15}", session["userInfo"]["id"]), session["userInfo"]
        assert re.fullmatch(r"00D\w{15}", session["userInfo"]["organizationId"]), session["userInfo"]
        assert len(world.js.call("verifier")) == 171, "jsforce's verifier is longer than RFC 7636 has it, and Salesforce takes it"


def test_code_once() -> None:
    """a code is good once, and with its verifier only"""
    with World() as world:
        world.connect(useVerifier=True)
        code = world.consent()["code"]
        world.js.call("authorize", code)
        fails(world, "invalid_grant", "authorize", code)
        code = world.consent()["code"]
        world.connect(useVerifier=True)     # another verifier
        same(fails(world, "invalid_grant", "authorize", code).message, "invalid code verifier", "the message")


def test_denied() -> None:
    """who presses Deny sends jsforce back with access_denied and the state"""
    with World() as world:
        world.connect(useVerifier=True)
        answer = world.consent(allow=False)
        same((answer["error"], answer["state"], "code" in answer), ("access_denied", "s-1 &<", False), "the redirect")


def test_public_client() -> None:
    """the same without a secret: a public client with PKCE"""
    with World(secret=None) as world:
        assert world.log_in()["accessToken"].startswith("00D")


def test_identity() -> None:
    """identity() reads the identity URL of the token's answer"""
    with World() as world:
        session = world.log_in()
        identity = world.js.call("identity")
        same((identity["username"], identity["user_id"], identity["organization_id"]),
             (USER, session["userInfo"]["id"], session["userInfo"]["organizationId"]), "who it is")


def test_query() -> None:
    """query() and limits() work with the token"""
    with World() as world:
        session = world.log_in()
        found = world.js.call("query", "SELECT Id, Name FROM Organization")
        assert found["done"] and found["totalSize"] == len(found["records"]) >= 1, found
        same(found["records"][0]["Id"], session["userInfo"]["organizationId"], "the organization's Id")
        assert "DailyApiRequests" in world.js.call("limits")


def test_refresh() -> None:
    """oauth2.refreshToken() gives another token, with the verifier that jsforce sends along"""
    with World() as world:
        session = world.log_in()
        answer = world.js.call("refresh", session["refreshToken"])
        assert world.salesforce.is_live(answer["access_token"]) and "refresh_token" not in answer, sorted(answer)
        same(fails(world, "invalid_grant", "refresh", "5Aep861wrong").message, "expired access/refresh token", "the message")


def test_refresh_by_itself() -> None:
    """a connection whose session ended refreshes by itself and repeats the query"""
    with World() as world:
        session = world.log_in()
        world.salesforce.kill_token(session["accessToken"])
        assert world.js.call("query", "SELECT Id FROM Organization")["done"]
        after = world.js.call("session")
        assert after["accessToken"] != session["accessToken"], "the connection still has the old token"


def test_rotation() -> None:
    """with rotation the answer has a new refresh token, and the old one is good no more"""
    with World(rotation=True) as world:
        session = world.log_in()
        first = world.js.call("refresh", session["refreshToken"])
        assert first["refresh_token"] != session["refreshToken"]
        assert world.js.call("refresh", first["refresh_token"])["access_token"]
        fails(world, "invalid_grant", "refresh", session["refreshToken"])
        same(len(world.salesforce.alarms()), 1, "uses of a rotated token")


def test_client_credentials() -> None:
    """client credentials: a session of the app's run-as user, without a refresh token; at its end a query gets INVALID_SESSION_ID"""
    with World() as world:
        world.connect()
        session = world.js.call("authorize", {"grant_type": "client_credentials"})
        same(world.js.call("identity")["username"], USER, "run as")
        assert "refreshToken" not in session, sorted(session)
        world.salesforce.kill_token(session["accessToken"])
        world.js.call("use", {"accessToken": session["accessToken"], "instanceUrl": session["instanceUrl"]})
        same(fails(world, "INVALID_SESSION_ID", "query", "SELECT Id FROM Organization").message, "Session expired or invalid", "the message")


def test_wrong_secret() -> None:
    """a wrong secret is invalid_client"""
    with World() as world:
        world.app["secret"] = "wrong"
        world.connect()
        fails(world, "invalid_client", "authorize", {"grant_type": "client_credentials"})


def test_logout() -> None:
    """logout() ends the session, logout(true) the refresh token and its sessions too"""
    with World() as world:
        session = world.log_in()
        world.js.call("logout", False)
        assert not world.salesforce.is_live(session["accessToken"])
        assert world.js.call("refresh", session["refreshToken"])["access_token"]
        session = world.log_in()
        world.js.call("logout", True)
        assert not world.salesforce.is_live(session["accessToken"])
        fails(world, "invalid_grant", "refresh", session["refreshToken"])


if __name__ == "__main__":
    main()
