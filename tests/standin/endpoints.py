# SPDX-License-Identifier: Apache-2.0
"""The endpoints beside the token endpoint, and the table of all of them."""

from __future__ import annotations

import base64
import re
from typing import Any, Callable
from urllib.parse import urlencode

from . import strict
from .errors import OAuthError
from .exchange import Exchange
from .grants.refresh_token import policy
from .http1 import Response
from .sessions import Session
from .settings import App, id18, user_id
from .tokens import (KEY_ID, TOKEN_KEY, error_response, identity_url, json_response,
                     refuse_problems, token)

VERSIONS = [("Summer '24", "61.0"), ("Winter '25", "62.0"), ("Spring '25", "63.0")]
INVALID_SESSION = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
NOT_FOUND = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
_TOKEN_LIKE = re.compile(r"00D\w{12}|5Aep861|eyJ")
_VERSIONED = re.compile(r"/services/data/v\d+\.\d(/.*)?")


def _plain(status: int, text: str) -> Response:
    return Response(status, text.encode(), "text/html;charset=UTF-8")


def _strictly(exchange: Exchange) -> None:
    if exchange.world.settings.strict:
        strict.check(exchange)
        refuse_problems(exchange)


def _use(exchange: Exchange, session: Session) -> None:
    """A use of the token that counts as activity."""
    world = exchange.world
    app = world.apps.get(session.key[1])
    extends = world.setting(app, "use_extends")
    if extends is None:
        extends = world.setting(app, "reuse") != "same"
    world.sessions.use(session, extends)


def _user_facts(exchange: Exchange, name: str) -> dict[str, Any]:
    """What userinfo and the identity URL both say."""
    user = exchange.world.users[name]
    origin = exchange.origin()
    return {"user_id": user.id or user_id(name), "organization_id": id18(user.org),
            "email": name, "active": user.active, "user_type": "STANDARD", "language": "en_US",
            "locale": "en_US", "utcOffset": 0,
            "photos": {"picture": origin + "/profilephoto/005/F"},
            "urls": {"rest": origin + "/services/data/v{version}/"}}


def userinfo(exchange: Exchange) -> Response:
    """GET /services/oauth2/userinfo; a bad token gets bare text with 403."""
    try:
        _strictly(exchange)
    except OAuthError as error:
        return error_response(error)
    world = exchange.world
    session = world.sessions.live(exchange.token)
    if session is None or session.key[0] not in world.users:
        text = "Bad_OAuth_Token" if exchange.token else "Missing_OAuth_Token"
        return _plain(world.settings.userinfo_bad_status, text)
    exchange.log["session"] = session.id
    if world.settings.userinfo_is_use:
        _use(exchange, session)
    name = session.key[0]
    facts = _user_facts(exchange, name)
    facts |= {"sub": identity_url(exchange, name), "preferred_username": name, "name": name,
              "nickname": name.partition("@")[0], "email_verified": True, "given_name": "",
              "family_name": name, "zoneinfo": "GMT", "profile": exchange.origin() + "/005",
              "picture": facts["photos"]["picture"], "address": {},
              "updated_at": "2026-01-01T00:00:00Z", "is_app_installed": True}
    return json_response(facts)


def identity(exchange: Exchange) -> Response:
    """GET /id/ORG/USER"""
    if not exchange.token:
        return _plain(403, "Missing_OAuth_Token")
    session = exchange.world.sessions.live(exchange.token)
    if session is None or session.key[0] not in exchange.world.users:
        return _plain(403, "Bad_OAuth_Token")
    name = session.key[0]
    facts = _user_facts(exchange, name)
    org, user = exchange.request.path.split("/")[2:4]
    if org != facts["organization_id"]:
        return _plain(403, "Wrong_Org")
    if user != facts["user_id"]:
        return _plain(403, "Bad_Id")
    facts |= {"id": identity_url(exchange, name), "asserted_user": True, "username": name,
              "nick_name": name.partition("@")[0], "display_name": name, "first_name": None,
              "last_name": name, "last_modified_date": "2026-01-01T00:00:00.000+0000"}
    return json_response(facts)


def introspect(exchange: Exchange) -> Response:
    """POST /services/oauth2/introspect, with client authentication"""
    world = exchange.world
    try:
        _strictly(exchange)
        app = exchange.authenticated_app()
        mode = world.setting(app, "introspect")
        if mode == "forbidden":
            raise OAuthError("access_denied", "introspection is not enabled", 403)
        if mode == "bad_request":
            raise OAuthError("invalid_request", "introspection is not enabled")
    except OAuthError as error:
        exchange.log["error"] = error.body()
        return error_response(error)
    if exchange.params.get("token_type_hint") == "refresh_token":
        return json_response(_refresh_introspection(exchange, app, mode))
    session = world.sessions.live(exchange.params.get("token", ""))
    if mode == "inactive" or session is None or not (
            app.introspect_any or session.key[1] == exchange.client_id):
        return json_response({"active": False})
    exchange.log["session"] = session.id
    if world.settings.introspect_is_use:
        _use(exchange, session)
    return json_response(_introspection(exchange, session))


def _introspection(exchange: Exchange, session: Session) -> dict[str, Any]:
    clock = exchange.world.clock
    user, client_id, scopes = session.key
    begun = int(clock.wall_at(session.active))
    return {"active": True, "scope": scopes, "client_id": client_id, "username": user,
            "sub": identity_url(exchange, user), "token_type": "access_token",
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
             "username": family.user, "sub": identity_url(exchange, family.user),
             "token_type": "refresh_token", "iat": begun, "nbf": begun}
    return facts if end is None else facts | {"exp": int(clock.wall_at(end))}


def revoke(exchange: Exchange) -> Response:
    """POST or GET /services/oauth2/revoke: 200 and nothing, or an error that is a form"""
    world = exchange.world
    try:
        _strictly(exchange)
        if not _revoked(exchange):
            raise _unknown_token(exchange.token)
    except OAuthError as error:
        exchange.log["error"] = error.body()
        response = error_response(error)
        if world.settings.revoke_body == "urlencoded":
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


def discovery(exchange: Exchange) -> Response:
    """GET /.well-known/openid-configuration"""
    origin = exchange.origin()
    oauth = origin + "/services/oauth2"
    return json_response({
        "issuer": origin, "authorization_endpoint": oauth + "/authorize",
        "token_endpoint": oauth + "/token", "revocation_endpoint": oauth + "/revoke",
        "userinfo_endpoint": oauth + "/userinfo", "jwks_uri": origin + "/id/keys",
        "registration_endpoint": oauth + "/register",
        "introspection_endpoint": oauth + "/introspect",
        "end_session_endpoint": origin + "/services/auth/idp/oidc/logout",
        "frontchannel_logout_supported": True, "frontchannel_logout_session_supported": False,
        "scopes_supported": ["api", "id", "openid", "refresh_token", "web", "full"],
        "response_types_supported": ["code", "token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "display_values_supported": ["page", "popup", "touch"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_post", "client_secret_basic", "private_key_jwt"]})


def _number(value: int) -> str:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def keys(_: Exchange) -> Response:
    """GET /id/keys: what checks access tokens in JWT format"""
    public = TOKEN_KEY.get().public_key().public_numbers()
    return json_response({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID,
                                    "n": _number(public.n), "e": _number(public.e)}]})


def versions(_: Exchange) -> Response:
    """GET /services/data: ascending, no token needed"""
    return json_response([{"label": label, "url": f"/services/data/v{number}", "version": number}
                          for label, number in VERSIONS])


def rest(exchange: Exchange) -> Response:
    """GET /services/data/vNN.0/...: what the consumers of a token call; a use of it"""
    session = exchange.world.sessions.live(exchange.token)
    if session is None:
        return json_response(INVALID_SESSION, 401)
    exchange.log["session"] = session.id
    _use(exchange, session)
    rest_of_path = exchange.request.path.split("/", 4)[4:]
    if rest_of_path == ["limits"]:
        return json_response({"DailyApiRequests": {"Max": 15000, "Remaining": 14999}})
    if rest_of_path in ([], [""]):
        return json_response({"limits": exchange.request.path.rstrip("/") + "/limits"})
    return json_response(NOT_FOUND, 404)


Endpoint = Callable[[Exchange], Response]

ENDPOINTS: dict[str, Endpoint] = {
    "/services/oauth2/token": token,
    "/services/oauth2/userinfo": userinfo,
    "/services/oauth2/introspect": introspect,
    "/services/oauth2/revoke": revoke,
    "/.well-known/openid-configuration": discovery,
    "/id/keys": keys,
    "/services/data": versions,
    "/services/data/": versions,
}


def answer(exchange: Exchange) -> Response:
    """The endpoint's answer to a request."""
    path = exchange.request.path
    endpoint = ENDPOINTS.get(path)
    if endpoint:
        return endpoint(exchange)
    if _VERSIONED.fullmatch(path):
        return rest(exchange)
    if path.startswith("/id/") and path.count("/") == 3:
        return identity(exchange)
    return _plain(404, "<html><body>URL No Longer Exists</body></html>")
