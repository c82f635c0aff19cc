# SPDX-License-Identifier: Apache-2.0
"""Token exchange (RFC 8693 as Salesforce does it): a handler maps a stranger's token to a user. The
handlers are the setting token_handlers; the name "" is the default one:

    {"": {"tokens": {SUBJECT_TOKEN: USER}, "types": ["jwt"], "cert_pem": PEM, "apps": [CLIENT_ID]}}

`types` (default: all), `apps` (default: all) and `cert_pem` (then a JWT that its key has signed is
taken too, sub being the user) may be left out."""

from __future__ import annotations

from typing import Any, Optional

import jwt

from .. import clientauth
from ..certificates import public_key
from ..errors import OAuthError, refusal
from ..exchange import Exchange
from ..scopes import granted_scopes
from . import CLIENT, Granted, register

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
TYPE = "urn:ietf:params:oauth:token-type:"
TYPES = ("access_token", "refresh_token", "id_token", "saml2", "jwt")


@register(GRANT_TYPE, "token_exchange", "subject_token", "subject_token_type", "scope",
          "token_handler", *CLIENT)
def token_exchange(exchange: Exchange) -> Granted:
    """facts/salesforce-oauth.md 5.8"""
    app = clientauth.authenticated_or_public(exchange, "secret_for_token_exchange")
    if "token_exchange" not in app.flows:
        raise refusal("unsupported_grant_type")
    params = exchange.params
    for name in ("subject_token", "subject_token_type"):
        if not params.get(name):
            raise OAuthError("invalid_request", f"missing required parameter: {name}")
    scopes = granted_scopes(app, params.get("scope", ""))
    user = _user(exchange, params["subject_token"], _type(params["subject_token_type"]))
    exchange.usable_user(user)
    if app.approved is not None and user not in app.approved:
        raise refusal(app.unapproved_error)
    extra = {"issued_token_type": TYPE + "access_token"}
    return Granted(exchange.client_id or "", app, user, scopes, True, extra)


def _type(urn: str) -> str:
    """The short name of a token type; the documentation prints JWT in upper case."""
    short = urn.removeprefix(TYPE)
    if urn == short or short.lower() not in TYPES:
        raise OAuthError("invalid_request", "subject_token_type is not supported")
    return short.lower()


def _user(exchange: Exchange, token: str, kind: str) -> str:
    """Whom the handler names. All that goes wrong in it looks the same from outside."""
    settings = exchange.world.settings
    handler = settings.token_handlers.get(exchange.params.get("token_handler", ""))
    known = handler is not None and kind in handler.get("types", TYPES) and (
        exchange.client_id in handler.get("apps", [exchange.client_id]))
    user = _mapped(exchange, handler, token) if known and handler is not None else None
    if user is None or user not in exchange.world.users:
        raise OAuthError("invalid_grant", settings.exchange_text)
    return user


def _mapped(exchange: Exchange, handler: dict[str, Any], token: str) -> Optional[str]:
    tokens: dict[str, str] = handler.get("tokens", {})
    if token in tokens or "cert_pem" not in handler:
        return tokens.get(token)
    try:
        claims = jwt.decode(token, public_key(handler["cert_pem"]), algorithms=["RS256"],
                            options={"verify_aud": False, "verify_exp": False})
    except jwt.InvalidTokenError:
        return None
    alive = float(claims.get("exp", 0)) > exchange.world.clock.wall()
    return str(claims.get("sub")) if alive else None
