#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A second, unrelated authorization server, Debian's Authlib: its grants pass through sftokend with Issuer= and discovery alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "system")]

from authlib_control import AuthlibServer                           # noqa: E402
from harness import Daemon, main, make_key, same, wait_for          # noqa: E402
from logins import Login                                            # noqa: E402
from person import Person                                           # noqa: E402

SECRET = "another-planted-secret-51c0"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
LOGIN_REQUIRED = 80
REJECTED = 76


class World:
    """The server with its user ann, and a daemon."""

    def __init__(self, **server: Any) -> None:
        self.server = AuthlibServer(**server)

    def __enter__(self) -> World:
        self.server.__enter__()
        self.server.add_user("ann")
        self.daemon = Daemon(self.server)       # it takes the CA from it
        return self

    def __exit__(self, *how: Any) -> None:
        try:
            self.daemon.__exit__(*how)
        finally:
            self.server.stop()

    def credential(self, name: str, grant: str, *lines: str) -> None:
        self.daemon.write_credential(name, "\n".join(["[Credential]", f"GrantType={grant}", f"Issuer={self.server.issuer}",
                                                      f"ClientId={name}", *lines, ""]))

    def secret_lines(self, method: str) -> list[str]:
        """ClientAuth= and what it needs."""
        if method == "none":
            return []
        path = self.daemon.write_secret("client.secret", SECRET)
        return [f"ClientSecret=file:{path}", f"ClientAuth={method}"]

    def add_web(self, name: str = "web", method: str = "none", grant: str = "web_server", **client: Any) -> None:
        """A client that people log in with, and its credential; on any free port (RFC 8252 7.3)."""
        fields = {"token_endpoint_auth_method": method, "client_secret": "" if method == "none" else SECRET,
                  "grant_types": ["authorization_code", "refresh_token", DEVICE], "redirect_uris": ["http://localhost:1717/OauthRedirect"]}
        self.server.add_client(name, **(fields | client))
        self.credential(name, grant, *self.secret_lines(method), "Scopes=openid profile", "RedirectUri=http://localhost:0/OauthRedirect")

    def log_in(self, name: str = "web") -> str:
        """As ann, in a browser without scripts; what sftoken printed."""
        with Login(self.daemon, name, plays="ann", ca=self.server.ca) as login:
            said = login.ends(0)
            assert login.page().startswith("200\n"), login.page()
        return said

    def token(self, name: str) -> str:
        return self.daemon.cli("get", name).stdout.strip()

    def newest(self, name: str) -> dict[str, Any]:
        """The server's side of the newest token."""
        return self.server.tokens(name)[-1]

    def holds_newest(self, name: str) -> None:
        same(self.token(name), self.newest(name)["access_token"], "the token in a job's hands")

    def errors(self, name: str) -> list[str]:
        """Refusals that the server gave at the token endpoint."""
        return [e["error"] for e in self.server.requests("token", name) if e["error"]]


# --- client credentials ------------------------------------------------------------------------------

def client_credentials(method: str) -> None:
    with World() as world:
        world.server.add_client("job", client_secret=SECRET, token_endpoint_auth_method=method, grant_types=["client_credentials"])
        world.credential("job", "client_credentials", *world.secret_lines(method), "Scopes=profile")
        world.daemon.start()
        world.holds_newest("job")
        asked = world.server.requests("token", "job")
        same([(e["auth"], e["scope"], e["status"]) for e in asked], [(method, "profile", 200)], "the token requests")
        shown = world.daemon.cli("get", "job", "--format", "oauth").stdout
        assert world.server.origin in shown, f"instance_url is the issuer's origin where the server says nothing:\n{shown}"


def test_client_secret_basic() -> None:
    """client credentials, client_secret_basic"""
    client_credentials("client_secret_basic")


def test_client_secret_post() -> None:
    """client credentials, client_secret_post, which is the default"""
    client_credentials("client_secret_post")


def test_private_key_jwt() -> None:
    """client credentials, private_key_jwt (RFC 7523 2.2): the assertion passes, each with a jti of its own"""
    with World() as world:
        key = world.daemon.directory / "job.key"
        world.server.add_client("job", public_key=make_key(key), token_endpoint_auth_method="private_key_jwt",
                                grant_types=["client_credentials"])
        world.credential("job", "client_credentials", f"PrivateKey=file:{key}", "ClientAuth=private_key_jwt")
        world.daemon.start()
        first = world.token("job")
        world.daemon.cli("refresh", "job")
        world.holds_newest("job")
        assert world.token("job") != first
        same({e["auth"] for e in world.server.requests("token")}, {"private_key_jwt"}, "client authentication")


def test_wrong_secret() -> None:
    """invalid_client with status 401, as RFC 6749 has it, is told as what it is"""
    with World() as world:
        world.server.add_client("job", client_secret="other", grant_types=["client_credentials"])
        world.credential("job", "client_credentials", *world.secret_lines("client_secret_basic"))
        world.daemon.start()
        said = world.daemon.cli("get", "job", check=REJECTED).stderr + world.daemon.cli("show", "job").stdout
        assert "ClientSecret=" in said and "invalid_client" in said and SECRET not in said, said


# --- JWT bearer --------------------------------------------------------------------------------------

def jwt_bearer(world: World, subjects: list[str]) -> None:
    key = world.daemon.directory / "etl.key"
    world.server.add_client("etl", public_key=make_key(key), grant_types=[JWT_BEARER], subjects=subjects)
    world.credential("etl", "jwt_bearer", f"PrivateKey=file:{key}", "Username=ann")
    world.daemon.start()


def test_jwt_bearer() -> None:
    """JWT bearer (RFC 7523 2.1), the audience found by discovery or made of the issuer"""
    with World(issuer_path="/tenant") as world:
        jwt_bearer(world, ["ann"])
        world.holds_newest("etl")
        same(world.newest("etl")["user"], "ann", "the user of the token")


def test_jwt_bearer_unapproved() -> None:
    """JWT bearer for a user that the client may not speak for is refused, and told so"""
    with World() as world:
        jwt_bearer(world, ["somebody else"])
        world.daemon.cli("get", "etl", "--wait", "10", check=REJECTED)
        same(world.server.tokens("etl"), [], "tokens")


# --- authorization code ------------------------------------------------------------------------------

def test_code_public() -> None:
    """authorization code with PKCE, public client: from `sftoken login` to a token in a job's hands"""
    with World() as world:
        world.add_web()
        world.daemon.start()
        world.daemon.cli("get", "web", check=LOGIN_REQUIRED)
        said = world.log_in()
        assert "ann" in said, f"it names who logged in:\n{said}"
        world.holds_newest("web")
        same(world.newest("web")["user"], "ann", "the user of the token")
        for secret in (world.newest("web")["access_token"], world.newest("web")["refresh_token"]):
            assert secret not in said + world.daemon.log(), "a token was told"


def test_code_confidential() -> None:
    """the same for a confidential client with client_secret_basic"""
    with World() as world:
        world.add_web(method="client_secret_basic")
        world.daemon.start()
        world.log_in()
        world.holds_newest("web")
        same([e["auth"] for e in world.server.requests("token", "web")], ["client_secret_basic"], "client authentication")


def test_code_denied() -> None:
    """who presses Deny ends the login: access_denied is told, the page says so, there is no token"""
    with World() as world:
        world.add_web()
        world.daemon.start()
        with Login(world.daemon, "web", plays="ann", allow=False, ca=world.server.ca) as login:
            status = login.process.wait(60)
            assert status != 0 and login.page().startswith("403\n"), (status, login.page(), login.output, login.errors)
        world.daemon.cli("get", "web", check=LOGIN_REQUIRED)


def test_code_iss() -> None:
    """a redirect that says who answers (RFC 9207) is good if that is the issuer; a code of another server is not spent here"""
    with World() as world:
        world.add_web()
        world.daemon.start()
        world.server.configure(settings={"iss": "https://attacker.example"})
        with Login(world.daemon, "web", plays="ann", ca=world.server.ca) as login:
            assert login.process.wait(60) != 0, login.output
        same(world.server.requests("token"), [], "token requests")
        world.server.configure(settings={"iss": world.server.issuer})
        world.log_in()
        world.holds_newest("web")


# --- refresh with rotation ---------------------------------------------------------------------------

def test_rotation() -> None:
    """each refresh token is spent once: four renewals, no invalid_grant, only the last one is good"""
    with World() as world:
        world.add_web()
        world.daemon.start()
        world.log_in()
        for _ in range(4):
            world.daemon.cli("refresh", "web")
        world.holds_newest("web")
        same(world.errors("web"), [], "refusals")
        same([t["refresh_revoked"] for t in world.server.tokens("web")], [True] * 4 + [False], "spent refresh tokens")


def test_rotation_over_restart() -> None:
    """a restart goes on with the newest refresh token"""
    with World() as world:
        world.add_web()
        world.daemon.start()
        world.log_in()
        world.daemon.cli("refresh", "web")
        world.daemon.stop()
        world.daemon.start()
        world.daemon.cli("refresh", "web")
        world.holds_newest("web")
        same(world.errors("web"), [], "refusals")


def test_dead_refresh_token() -> None:
    """a grant that was revoked at the server: the refresh asks for a login and is not repeated; the token of before is served until a job
    says that it was refused, which userinfo confirms; after another login all is well"""
    with World() as world:
        world.add_web()
        world.daemon.start()
        world.log_in()
        with world.daemon.broker() as c:
            old = c.get("web")
        world.server.configure(revoke="web")
        said = world.daemon.cli("refresh", "web", check=LOGIN_REQUIRED).stderr
        assert "sftoken login" in said and "invalid_grant" in said, said
        same(world.token("web"), old["accessToken"], "the token that is believed good")
        world.daemon.cli("get", "web", "--rejected", str(old["generation"]), check=LOGIN_REQUIRED)
        same([e["status"] for e in world.server.requests("userinfo")][-1], 401, "the answer of userinfo")
        same(world.errors("web"), ["invalid_grant"], "refusals")
        world.log_in()
        world.holds_newest("web")


# --- device ------------------------------------------------------------------------------------------

def polls(world: World, device: str = "tv") -> list[dict[str, Any]]:
    return [e for e in world.server.requests("token", device) if e["grant_type"] == DEVICE]


def test_device() -> None:
    """device (RFC 8628): authorization_pending and slow_down are waited out, no poll comes too fast, then ann lets it in"""
    with World(slow_downs=1) as world:
        world.add_web("tv", grant="device")
        world.daemon.start()
        with Login(world.daemon, "tv", "--json") as login:
            first = login.first()
            wait_for(lambda: len(polls(world)) >= 1, "a poll")
            person = Person("ann", ca=world.server.ca)
            person.visit(first["verificationUri"], code=first["userCode"])
            assert "Done" in person.text, person.text
            said = login.ends(0)
        assert "ann" in said, said
        world.holds_newest("tv")
        same([e["error"] for e in polls(world)], ["slow_down", None], "answers to the polls")
        same(any(e.get("early") for e in polls(world)), False, "a poll before its time")


def test_device_pending() -> None:
    """device, confidential client, by the link that has the code in it: it polls until somebody decides; here, to deny"""
    with World() as world:
        world.add_web("tv", grant="device", method="client_secret_basic")
        world.daemon.start()
        with Login(world.daemon, "tv", "--json") as login:
            first = login.first()
            wait_for(lambda: len(polls(world)) >= 2, "two polls")
            Person("ann", ca=world.server.ca).visit(first["verificationUriComplete"], allow=False)
            assert login.process.wait(60) != 0, "a login that was denied succeeded"
        same({e["error"] for e in polls(world)}, {"authorization_pending", "access_denied"}, "answers to the polls")
        same(any(e.get("early") for e in polls(world)), False, "a poll before its time")
        world.daemon.cli("get", "tv", check=LOGIN_REQUIRED)


# --- introspection, revocation, discovery -------------------------------------------------------------

def test_introspection() -> None:
    """where the answer has no expires_in, RFC 7662 says when the token ends; with the client's own authentication"""
    with World(expires_in=1800, tell_expires_in=False) as world:
        world.server.add_client("job", client_secret=SECRET, token_endpoint_auth_method="client_secret_post",
                                grant_types=["client_credentials"])
        world.credential("job", "client_credentials", *world.secret_lines("client_secret_post"))
        world.daemon.start()
        world.holds_newest("job")
        with world.daemon.broker() as c:
            wait_for(lambda: 1700 < c.get("job")["expiresInSeconds"] <= 1800, "the life that introspection tells")
            same(c.get("job")["expirySource"], "introspection", "how the end is known")
        asked = world.server.requests("introspect", "job")
        same([(e["auth"], e["status"]) for e in asked], [("client_secret_post", 200)], "introspections")


def test_revoke() -> None:
    """`sftoken revoke --forget` (RFC 7009): the server's tokens end, then a login is needed"""
    with World() as world:
        world.add_web()
        world.daemon.start()
        world.log_in()
        world.daemon.cli("revoke", "web", "--forget")
        same((world.newest("web")["refresh_revoked"], world.newest("web")["access_revoked"]), (True, True), "revoked at the server")
        world.daemon.cli("get", "web", check=LOGIN_REQUIRED)


def discovered(**server: Any) -> None:
    with World(**server) as world:
        world.server.add_client("job", client_secret=SECRET, grant_types=["client_credentials"])
        world.credential("job", "client_credentials", *world.secret_lines("client_secret_basic"))
        world.daemon.start()
        world.holds_newest("job")


def test_discovery_openid() -> None:
    """discovery by OpenID Connect alone, the issuer's path before the well-known one"""
    discovered(discovery="openid", issuer_path="/tenant/one")


def test_discovery_oauth() -> None:
    """discovery by RFC 8414 alone, the issuer's path behind"""
    discovered(discovery="oauth", issuer_path="/tenant/one")


def test_discovery_http() -> None:
    """without TLS on 127.0.0.1"""
    discovered(http=True)


def test_discovery_wrong() -> None:
    """no document, or that of another issuer: no token request, and the message says what is wrong with Issuer="""
    for settings in ({"discovery": "none"}, {"issuer": "https://127.0.0.1:1"}):
        with World(**settings) as world:
            world.server.add_client("job", client_secret=SECRET, grant_types=["client_credentials"])
            world.credential("job", "client_credentials", *world.secret_lines("client_secret_basic"))
            world.daemon.start()
            said = world.daemon.cli("get", "job", "--wait", "3", check=None)
            assert said.returncode == REJECTED and "Issuer=" in said.stderr, (said.returncode, said.stderr)
            same(world.server.requests("token"), [], "token requests")


if __name__ == "__main__":
    main()
