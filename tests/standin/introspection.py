# SPDX-License-Identifier: Apache-2.0
"""Introspection and revocation of tokens."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from . import clientauth
from .errors import OAuthError
from .exchange import Exchange
from .grants.refresh_token import policy
from .http1 import Response
from .sessions import Session
from .settings import App
from .tokens import error_response, json_response, strictly, subject, use

_TOKEN_LIKE = re.compile(r"00D\w{12}|5Aep861|eyJ")


def introspect(exchange: Exchange) -> Response:
    """POST /services/oauth2/introspect, with client authentication"""
    world = exchange.world
    try:
        strictly(exchange)
        app = clientauth.authenticated(exchange)
        mode = world.setting(app, "introspect")
        if mode == "forbidden":
            raise OAuthError("access_denied", "introspection is not enabled", 403)
        if mode == "bad_request":
            raise OAuthError("invalid_request", "introspection is not enabled")
    except OAuthError as error:
        exchange.log["error"] = error.body()
        return error_response(error, exchange)
    refresh = exchange.params.get("token_type_hint") == "refresh_token"
    if exchange.generic:        # RFC 7662 2.1: it is no more than a hint
        refresh = world.families.find(exchange.params.get("token", "")) is not None
    if refresh:
        return json_response(_refresh_introspection(exchange, app, mode))
    session = world.sessions.live(exchange.params.get("token", ""))
    if mode == "inactive" or session is None or not (
            app.introspect_any or session.key[1] == exchange.client_id):
        return json_response({"active": False})
    exchange.log["session"] = session.id
    if world.settings.introspect_is_use:
        use(exchange, session)
    return json_response(_introspection(exchange, session))


def _introspection(exchange: Exchange, session: Session) -> dict[str, Any]:
    clock = exchange.world.clock
    user, client_id, scopes = session.key
    begun = int(clock.wall_at(session.active))
    return {"active": True, "scope": scopes, "client_id": client_id, "username": user,
            "sub": subject(exchange, user), "token_type": "access_token",
            "exp": int(clock.wall_at(session.deadline())), "iat": begun, "nbf": begun}


def _refresh_introspection(exchange: Exchange, app: App, mode: str) -> dict[str, Any]:
    """Of a refresh token; neither a use of it nor a reuse."""
    world, clock = exchange.world, exchange.world.clock
    token = world.families.find(exchange.params.get("token", ""))
    if token is None or mode == "inactive" or token.state != "current":
        return {"active": False}
    family = token.family
    if not (app.introspect_any or family.client_id == exchange.client_id):
        return {"active": False}
    limits = policy(exchange, world.apps.get(family.client_id) or app)
    if world.families.expire(family, limits):
        return {"active": False}
    begun, end = int(clock.wall_at(family.created)), limits.end(family)
    facts = {"active": True, "scope": family.scopes, "client_id": family.client_id,
             "username": family.user, "sub": subject(exchange, family.user),
             "token_type": "refresh_token", "iat": begun, "nbf": begun}
    return facts if end is None else facts | {"exp": int(clock.wall_at(end))}


def revoke(exchange: Exchange) -> Response:
    """POST or GET /services/oauth2/revoke: 200 and nothing, or an error that is a form"""
    world = exchange.world
    try:
        strictly(exchange)
        if exchange.generic:
            clientauth.authenticated_or_public(exchange, "refresh_needs_secret")
        if not _revoked(exchange) and not exchange.generic:
            raise _unknown_token(exchange.token)
    except OAuthError as error:
        exchange.log["error"] = error.body()
        response = error_response(error, exchange)
        if world.settings.revoke_body == "urlencoded" and not exchange.generic:
            response.body = urlencode(error.body()).encode()
            response.content_type = "application/x-www-form-urlencoded;charset=UTF-8"
        return response
    return Response(200, b"", headers=[("Cache-Control", "no-store")])


def _revoked(exchange: Exchange) -> bool:
    """Ends the grant of a refresh token, or the session of an access token."""
    world = exchange.world
    token = world.families.find(exchange.token)
    if token:
        exchange.log.update(grant=token.family.id, number=token.number)
        return token.state == "current" and world.families.end(token.family, "revoked")
    return world.sessions.kill(exchange.token) > 0


def _unknown_token(text: str) -> OAuthError:
    """A dead token, or something that is none at all."""
    if _TOKEN_LIKE.match(text):
        return OAuthError("invalid_token", "token does not exist")
    return OAuthError("unsupported_token_type", "this token type is not supported")


