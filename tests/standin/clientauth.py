# SPDX-License-Identifier: Apache-2.0
"""How an app proves that it is that app: secret in the body, secret by Basic, or an assertion that
it has signed (facts/salesforce-oauth.md 3; RFC 6749 2.3, RFC 7523 2.2 and 3)."""

from __future__ import annotations

from typing import Any, Optional
from urllib.parse import unquote_plus

import jwt

from .certificates import public_key
from .errors import refusal
from .exchange import Exchange, unverified
from .settings import App

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PARAMETERS = frozenset(("client_id", "client_secret", "client_assertion", "client_assertion_type"))
CLAIMS = frozenset(("iss", "sub", "aud", "exp", "iat", "nbf", "jti"))
STRICT_LIFE = 300


def methods(exchange: Exchange) -> list[str]:
    """The kinds of client authentication that a request carries, by their names in RFC 7591."""
    found = []
    if exchange.basic:
        found.append("client_secret_basic")
    if "client_secret" in exchange.params:
        found.append("client_secret_post")
    if "client_assertion" in exchange.params or "client_assertion_type" in exchange.params:
        found.append("private_key_jwt")
    return found


def authenticated(exchange: Exchange) -> App:
    """The app that asks, and has proved itself."""
    app = exchange.app(exchange.client_id or "")
    found = methods(exchange)
    if len(found) > 1 and (exchange.world.settings.strict or exchange.generic):
        raise refusal("two_authentications")
    if not found:
        raise refusal("invalid_client")
    if app.token_endpoint_auth_method not in (None, found[0]):
        raise refusal("invalid_client")
    if "client_id" in exchange.params and exchange.params["client_id"] != exchange.client_id:
        raise refusal("invalid_client")
    good = _signed(exchange, app) if found[0] == "private_key_jwt" else _secret(exchange, app)
    if not good:
        raise refusal("invalid_client")
    return app


def authenticated_or_public(exchange: Exchange, toggle: str) -> App:
    """The same, but an app without credentials may stay silent, and so may one whose setting of
    that name says that it needs none here."""
    app = exchange.app(exchange.client_id or "")
    if methods(exchange):
        return authenticated(exchange)
    wanted = app.token_endpoint_auth_method
    confidential = bool(app.secret) if wanted is None else wanted != "none"
    if confidential and getattr(app, toggle):
        raise refusal("invalid_client")
    return app


def _secret(exchange: Exchange, app: App) -> bool:
    if not app.secret:
        return False
    if not exchange.basic:
        return exchange.params.get("client_secret") == app.secret
    given = exchange.basic[1]
    taken = {"raw": [given], "form": [unquote_plus(given)]}
    encoding = exchange.world.settings.basic_encoding
    return app.secret in taken.get(encoding, [given, unquote_plus(given)])


def _signed(exchange: Exchange, app: App) -> bool:
    params = exchange.params
    text = params.get("client_assertion", "")
    header, claims = unverified(text)
    if params.get("client_assertion_type") != ASSERTION_TYPE or not app.cert_pem:
        return False
    off = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss")}
    try:
        jwt.decode(text, public_key(app.cert_pem), algorithms=["RS256"], options=off)
    except jwt.InvalidTokenError:
        return False
    if exchange.world.settings.strict:
        for problem in _oddities(header, claims):
            exchange.complain("client assertion: " + problem)
    same = claims.get("iss") == claims.get("sub") == exchange.client_id
    return same and _for_us(exchange, claims.get("aud")) and _fresh(exchange, claims)


def _for_us(exchange: Exchange, audience: Any) -> bool:
    accepted = {exchange.endpoint("token"), exchange.issuer()}
    given = audience if isinstance(audience, list) else [audience]
    return any(isinstance(a, str) and a in accepted for a in given)


def _fresh(exchange: Exchange, claims: dict[str, Any]) -> bool:
    now, expires = exchange.world.clock.wall(), claims.get("exp")
    if not isinstance(expires, (int, float)) or isinstance(expires, bool) or expires <= now:
        return False
    jti: Optional[Any] = claims.get("jti")
    if not exchange.world.settings.strict:
        return True
    known = exchange.world.people.jtis
    key = (str(exchange.client_id), str(jti))
    if not isinstance(jti, str) or key in known or expires > now + STRICT_LIFE:
        exchange.complain("client assertion: jti or exp")
        return False
    known.add(key)
    return True


def _oddities(header: dict[str, Any], claims: dict[str, Any]) -> list[str]:
    """Strict mode: what our client's assertion must not look like."""
    found = [f"unknown claim {name}" for name in sorted(set(claims) - CLAIMS)]
    if set(header) - {"alg", "typ"} or header.get("typ", "JWT") != "JWT":
        found.append(f"header {header}")
    if not isinstance(claims.get("aud"), str):
        found.append("aud is not a string")
    found += [f"{name} is not an integer" for name in ("exp", "iat", "nbf")
              if type(claims.get(name, 0)) is not int]
    return found
