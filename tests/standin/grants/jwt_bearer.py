# SPDX-License-Identifier: Apache-2.0
"""JWT bearer: the signature is checked by PyJWT and cryptography, the claims strictly or as the
real server is known to take them."""

from __future__ import annotations

import jwt

from ..certificates import public_key
from ..errors import refusal
from ..exchange import Exchange
from ..settings import App
from . import Granted, register

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LOGIN = ("https://login.salesforce.com", "https://test.salesforce.com")
KNOWN_CLAIMS = frozenset(("iss", "sub", "aud", "exp", "iat", "nbf", "jti"))
SKEW = 180                  # the real server's buffer, lenient mode
STRICT_LIFE = 300
MILLISECONDS = 10 ** 11     # an exp beyond this was meant in ms: the sf CLI sends such


@register(GRANT_TYPE, "jwt_bearer", "assertion")
def jwt_bearer(exchange: Exchange) -> Granted:
    """facts/salesforce-oauth.md 5.3"""
    if "scope" in exchange.params:
        raise refusal("scope_not_supported")
    claims = exchange.claims
    if not isinstance(claims.get("iss"), str) or not exchange.user:
        raise refusal("invalid_assertion")
    app = exchange.app(claims["iss"])
    if "jwt_bearer" not in app.flows:
        raise refusal("unsupported_grant_type")
    _check_signature(exchange, app)
    _check_audience(exchange)
    _check_times(exchange)
    exchange.usable_user(exchange.user)
    if app.approved is not None and exchange.user not in app.approved:
        raise refusal(app.unapproved_error)
    return Granted(claims["iss"], app, exchange.user, app.scopes, False)


def _check_signature(exchange: Exchange, app: App) -> None:
    if exchange.header.get("alg") != "RS256" or not app.cert_pem:
        raise refusal("invalid_assertion")
    off = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss")}
    try:
        jwt.decode(exchange.params["assertion"], public_key(app.cert_pem),
                   algorithms=["RS256"], options=off)
    except jwt.InvalidSignatureError:
        raise refusal(exchange.world.settings.bad_signature) from None
    except jwt.InvalidTokenError:
        raise refusal("invalid_assertion") from None


def _check_audience(exchange: Exchange) -> None:
    settings = exchange.world.settings
    accepted = settings.accepted_aud
    if accepted is None:
        accepted = [*LOGIN, exchange.origin(), exchange.world.origin]
    audience = exchange.claims.get("aud")
    if settings.strict:
        if audience not in accepted:
            raise refusal("audience_invalid")
        return
    bare = {a.rstrip("/") for a in accepted}
    bare |= {a.partition("://")[2] for a in bare}
    given = audience if isinstance(audience, list) else [audience]
    if not any(str(a).rstrip("/") in bare for a in given):
        raise refusal("audience_invalid")


def _check_times(exchange: Exchange) -> None:
    expires = exchange.claims.get("exp")
    now = exchange.world.clock.wall()
    if exchange.world.settings.strict:
        if not isinstance(expires, int) or isinstance(expires, bool):
            exchange.complain("exp is not an integer")
            raise refusal("invalid_assertion")
        if not now < expires <= now + STRICT_LIFE:
            raise refusal("expired_assertion")
        return
    try:
        seconds = float(expires)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise refusal("invalid_assertion") from None
    if seconds < MILLISECONDS and seconds < now - SKEW:
        raise refusal("expired_assertion")


def odd_claims(exchange: Exchange) -> list[str]:
    """Strict mode: what our client's assertion must not look like."""
    header, claims = exchange.header, exchange.claims
    found = [f"unknown claim {name}" for name in sorted(set(claims) - KNOWN_CLAIMS)]
    if set(header) - {"alg", "typ"} or header.get("typ", "JWT") != "JWT":
        found.append(f"JWT header {header}")
    if not isinstance(claims.get("aud"), str):
        found.append("aud is not a string")
    if not isinstance(claims.get("iat", 0), int):
        found.append("iat is not an integer")
    return found
