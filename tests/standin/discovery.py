# SPDX-License-Identifier: Apache-2.0
"""What a server says of itself: discovery documents and the keys that check its tokens."""

from __future__ import annotations

import base64
from typing import Any

from .dialect import DEVICE_AUTHORIZATION, KEYS
from .errors import OAuthError
from .exchange import Exchange
from .grants import GRANTS
from .http1 import Response
from .tokens import KEY_ID, TOKEN_KEY, error_response, json_response, plain_response, strictly

SCOPES = ("api", "id", "openid", "profile", "email", "refresh_token", "offline_access", "web",
          "full")
CLAIMS = ("sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "email",
          "user_id", "organization_id")
AUTH_METHODS = ("client_secret_post", "client_secret_basic", "private_key_jwt")


def openid(exchange: Exchange) -> Response:
    """GET /.well-known/openid-configuration"""
    return _document(exchange, "openid")


def oauth(exchange: Exchange) -> Response:
    """GET /.well-known/oauth-authorization-server (RFC 8414)"""
    return _document(exchange, "oauth")


def _document(exchange: Exchange, kind: str) -> Response:
    if exchange.world.settings.discovery not in ("both", kind):
        return plain_response(404, "<html><body>URL No Longer Exists</body></html>")
    try:
        strictly(exchange)
    except OAuthError as error:
        return error_response(error)
    return json_response(_plain(exchange) if exchange.generic else _salesforce(exchange))


def _common(exchange: Exchange) -> dict[str, Any]:
    """The members of both dialects."""
    url = exchange.endpoint
    found = {"issuer": exchange.issuer(), "authorization_endpoint": url("authorize"),
             "token_endpoint": url("token"), "revocation_endpoint": url("revoke"),
             "userinfo_endpoint": url("userinfo"), "jwks_uri": url(KEYS),
             "introspection_endpoint": url("introspect"),
             "scopes_supported": list(SCOPES), "response_types_supported": ["code", "token"],
             "subject_types_supported": ["public"],
             "id_token_signing_alg_values_supported": ["RS256"],
             "token_endpoint_auth_methods_supported": list(AUTH_METHODS)}
    if exchange.generic or exchange.world.settings.rfc8628:
        found["device_authorization_endpoint"] = url(DEVICE_AUTHORIZATION)
    return found


def _salesforce(exchange: Exchange) -> dict[str, Any]:
    origin = exchange.origin()
    return _common(exchange) | {
        "registration_endpoint": exchange.endpoint("register"),
        "end_session_endpoint": origin + "/services/auth/idp/oidc/logout",
        "frontchannel_logout_supported": True, "frontchannel_logout_session_supported": False,
        "display_values_supported": ["page", "popup", "touch"], "claims_supported": list(CLAIMS)}


def _plain(exchange: Exchange) -> dict[str, Any]:
    return _common(exchange) | {
        "grant_types_supported": [*(g for g in GRANTS if g != "device"), "implicit"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [*AUTH_METHODS, "none"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "introspection_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_methods_supported": [*AUTH_METHODS, "none"],
        "claims_supported": ["sub", "preferred_username", "name", "email"]}


def _number(value: int) -> str:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def keys(_: Exchange) -> Response:
    """GET /id/keys: what checks access tokens in JWT format"""
    public = TOKEN_KEY.get().public_key().public_numbers()
    return json_response({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID,
                                    "n": _number(public.n), "e": _number(public.e)}]})


