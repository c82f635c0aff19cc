# SPDX-License-Identifier: Apache-2.0
"""Strict mode: what our client sends to the OAuth endpoints is checked to the last header."""

from __future__ import annotations

import re
from typing import Callable

from .clientauth import PARAMETERS as CLIENT
from .clientauth import methods
from .dialect import DEVICE_AUTHORIZATION, OAUTH, OPENID, RFC8414, TOKEN_PATH
from .errors import OAuthError
from .exchange import SAML_BEARER, Exchange
from .grants import GRANTS
from .grants.jwt_bearer import GRANT_TYPE as JWT_BEARER
from .grants.jwt_bearer import odd_claims

FORM = "application/x-www-form-urlencoded"
AGENT = "sftokend/"
HEADERS = frozenset(("host", "user-agent", "accept", "content-type", "content-length",
                     "authorization", "connection"))
INTROSPECTION = CLIENT | {"token", "token_type_hint"}
AUTHORIZATION = frozenset(("response_type", "client_id", "redirect_uri", "scope", "state", "nonce",
                           "prompt", "login_hint"))
CHALLENGE = frozenset(("code_challenge", "code_challenge_method"))
_STATE = re.compile(r"[A-Za-z0-9_-]{43,}")          # 256 bits in base64url
HINTS = ("access_token", "refresh_token")


def check(exchange: Exchange) -> None:
    """Complain of everything that is wrong; the endpoint then refuses the request."""
    rules = RULES.get(exchange.path)
    if rules is None:
        return
    _check_http(exchange)
    _check_agent(exchange)
    _check_connection(exchange)
    for rule in rules:
        rule(exchange)


def refuse_problems(exchange: Exchange) -> None:
    """Strict mode refuses what it complained of, so that no test can overlook it."""
    if exchange.problems:
        raise OAuthError("invalid_request", "strict mode: " + "; ".join(exchange.problems))


def check_authorize(exchange: Exchange) -> None:
    """What a browser brings from our client: the parameters alone are ours."""
    params = exchange.query
    implicit = params.get("response_type") == "token"
    for name in sorted(set(params) - AUTHORIZATION - (frozenset() if implicit else CHALLENGE)):
        exchange.complain(f"parameter {name}")
    names = [piece.partition("=")[0] for piece in exchange.request.query.split("&")]
    for name in sorted({n for n in names if names.count(n) > 1}):
        exchange.complain(f"parameter {name} twice")
    for name in sorted(n for n, value in params.items() if not value):
        exchange.complain(f"parameter {name} empty")
    if not _STATE.fullmatch(params.get("state", "")):
        exchange.complain("state has fewer than 256 bits")
    if not implicit and params.get("code_challenge_method") != "S256":
        exchange.complain("code_challenge_method is not S256")
    if not implicit and "code_challenge" not in params:
        exchange.complain("no code_challenge")


def _check_http(exchange: Exchange) -> None:
    request = exchange.request
    names = request.names()
    if request.version != "HTTP/1.1":
        exchange.complain(f"version {request.version}")
    if "?" in request.target or "#" in request.target:
        exchange.complain("query string")
    for name in sorted(set(names) - HEADERS):
        exchange.complain(f"header {name}")
    for name in sorted({n for n in names if names.count(n) > 1}):
        exchange.complain(f"header {name} twice")
    if not request.header("host"):
        exchange.complain("no Host")
    if request.header("accept") != "application/json":
        exchange.complain(f"Accept: {request.header('accept')}")


def _check_connection(exchange: Exchange) -> None:
    """libcurl repeats by itself what it sent on a reused connection that closes: a refresh token
    has one of its own, before and after."""
    if exchange.request.after_spend:
        exchange.complain("connection used after a refresh token")
    elif exchange.spends and exchange.request.ordinal > 1:
        exchange.complain("refresh token on a used connection")


def _check_agent(exchange: Exchange) -> None:
    agent = exchange.request.header("user-agent")
    if not agent.startswith(AGENT):
        exchange.complain(f"User-Agent: {agent}")
    elif agent != exchange.world.user_agent:
        if exchange.world.user_agent:
            exchange.complain(f"User-Agent changed to {agent}")
        exchange.world.user_agent = agent


def _check_form(exchange: Exchange) -> None:
    request = exchange.request
    if request.method != "POST":
        exchange.complain(f"method {request.method}")
    if request.header("content-type") != FORM:
        exchange.complain(f"Content-Type: {request.header('content-type')}")
    names = [name for name, _ in exchange.pairs]
    for name in sorted({n for n in names if names.count(n) > 1}):
        exchange.complain(f"parameter {name} twice")
    for name in sorted({n for n, value in exchange.pairs if not value}):
        exchange.complain(f"parameter {name} empty")
    if len(methods(exchange)) > 1:
        exchange.complain("two kinds of client authentication")


def _only(exchange: Exchange, allowed: frozenset[str]) -> None:
    for name in sorted(set(exchange.params) - allowed):
        exchange.complain(f"parameter {name}")


def _check_token(exchange: Exchange) -> None:
    if "response_type" in exchange.params and not exchange.generic:
        _only(exchange, CLIENT | {"response_type", "scope"})
        return
    grant_type = exchange.params.get("grant_type", "")
    grant = GRANTS.get(grant_type)
    if grant is None:
        exchange.complain(f"grant_type {grant_type}")
        return
    scope = exchange.generic and grant_type == "client_credentials"
    theirs = grant_type == SAML_BEARER and exchange.claims.get("iss") not in exchange.world.apps
    _only(exchange, grant.parameters | ({"scope"} if scope else set())
          | ({"client_id"} if theirs else set()))
    if grant_type == JWT_BEARER:
        for text in odd_claims(exchange):
            exchange.complain(text)
    if grant_type in (JWT_BEARER, SAML_BEARER):
        if exchange.request.header("authorization"):
            exchange.complain("Authorization beside an assertion")
    else:
        _check_client(exchange)


def _check_client(exchange: Exchange) -> None:
    app = exchange.world.apps.get(exchange.client_id or "")
    if app and not app.secret and (exchange.basic or "client_secret" in exchange.params):
        exchange.complain("a secret from a public client")
    if exchange.request.header("authorization") and not exchange.basic:
        exchange.complain("Authorization beside a grant")


def _check_introspect(exchange: Exchange) -> None:
    _only(exchange, INTROSPECTION)
    if exchange.params.get("token_type_hint", "access_token") not in HINTS:
        exchange.complain("token_type_hint")


def _check_bearer(exchange: Exchange) -> None:
    request = exchange.request
    if request.method != "GET":
        exchange.complain(f"method {request.method}")
    if not request.header("authorization").startswith("Bearer "):
        exchange.complain("no Authorization: Bearer")
    if request.body or request.header("content-type"):
        exchange.complain("a body with GET")


def _check_revoke(exchange: Exchange) -> None:
    plain = CLIENT | {"token_type_hint"} if exchange.generic else frozenset()
    _only(exchange, plain | {"token"})


def _check_device(exchange: Exchange) -> None:
    _only(exchange, CLIENT | {"scope"})


def _check_discovery(exchange: Exchange) -> None:
    if exchange.request.method != "GET":
        exchange.complain(f"method {exchange.request.method}")
    if exchange.request.header("authorization"):
        exchange.complain("Authorization at discovery")


RULES: dict[str, tuple[Callable[[Exchange], None], ...]] = {
    TOKEN_PATH: (_check_form, _check_token),
    OAUTH + "introspect": (_check_form, _check_introspect),
    OAUTH + "revoke": (_check_form, _check_revoke),
    OAUTH + "userinfo": (_check_bearer,),
    DEVICE_AUTHORIZATION: (_check_form, _check_device),
    OPENID: (_check_discovery,),
    RFC8414: (_check_discovery,),
}
