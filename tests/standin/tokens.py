# SPDX-License-Identifier: Apache-2.0
"""The token endpoint: choose the grant, make or find the session, write the answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any, Callable, Optional

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from . import errors, strict
from .errors import OAuthError, refusal
from .exchange import Exchange
from .grants import GRANTS, Granted
from .http1 import Response
from .sessions import Session, opaque_token
from .settings import User, id18, user_id
from .strict import refuse_problems

NO_STORE = [("Cache-Control", "no-cache, no-store"), ("Pragma", "no-cache")]
KEY_ID = "CORE_ATJWT.00Dxx0000001gPL.1"


class TokenKey:
    """The key that signs access tokens in JWT format; made when first needed."""

    def __init__(self) -> None:
        self._key: rsa.RSAPrivateKey | None = None

    def get(self) -> rsa.RSAPrivateKey:
        if self._key is None:
            self._key = rsa.generate_private_key(65537, 2048)
        return self._key


TOKEN_KEY = TokenKey()


def json_response(value: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(value).encode(), headers=list(NO_STORE))


def plain_response(status: int, text: str) -> Response:
    """Text without any form."""
    return Response(status, text.encode(), "text/html;charset=UTF-8")


def error_response(error: OAuthError, exchange: Optional[Exchange] = None) -> Response:
    """HTTP 400 (mostly) as section 8 has it; of a generic server as RFC 6749 5.2 has it."""
    generic = exchange is not None and exchange.generic
    if generic:
        error = errors.plain(error)
    elif exchange is not None and error.error == "invalid_client" and error.status == 400:
        error = OAuthError(error.error, error.description,
                           exchange.world.settings.client_auth_status)
    response = json_response(error.body(), error.status)
    response.headers = [("Cache-Control", "no-store")]
    if generic and error.status == 401:
        response.headers.append(("WWW-Authenticate", 'Basic realm="stand-in"'))
    return response


def strictly(exchange: Exchange) -> None:
    """What strict mode refuses, at the endpoints beside the token endpoint."""
    if exchange.world.settings.strict:
        strict.check(exchange)
        refuse_problems(exchange)


def use(exchange: Exchange, session: Session) -> None:
    """A use of the token that counts as activity."""
    world = exchange.world
    app = world.apps.get(session.key[1])
    extends = world.setting(app, "use_extends")
    if extends is None:
        extends = world.setting(app, "reuse") != "same"
    world.sessions.use(session, extends)


def identity_url(exchange: Exchange, user: str) -> str:
    found = exchange.world.users[user]
    return f"{exchange.origin()}/id/{id18(found.org)}/{found.id or user_id(user)}"


def subject(exchange: Exchange, user: str) -> str:
    """What sub says: Salesforce's is the identity URL."""
    if exchange.generic:
        return user_id(user)
    return identity_url(exchange, user)


def token(exchange: Exchange) -> Response:
    """POST /services/oauth2/token"""
    world = exchange.world
    try:
        if world.settings.strict:
            strict.check(exchange)
        if exchange.request.method != "POST":
            raise refusal("must_post")
        _refuse_by_force(exchange)
        start = DEVICE_START.get(exchange.params.get("response_type", ""))
        if start and not exchange.generic:
            return start(exchange)
        granted = _run_grant(exchange)
        refuse_problems(exchange)
        session = _session(exchange, granted)
        if granted.done:
            granted.extra |= granted.done(session)
        response = json_response(answer(exchange, granted, session))
        response.delivery = exchange.delivery
        return response
    except OAuthError as error:
        exchange.log["error"] = error.body()
        return error_response(error, exchange)


# response_type=device_code: the start of a device login comes to the token endpoint, too
DEVICE_START: dict[str, Callable[[Exchange], Response]] = {}


def _refuse_by_force(exchange: Exchange) -> None:
    app = exchange.world.apps.get(exchange.client_id or "")
    if app and app.force_error and not errors.at_authorize(app.force_error):
        raise errors.forced(app.force_error)


def _run_grant(exchange: Exchange) -> Granted:
    grant = GRANTS.get(exchange.params.get("grant_type", ""))
    if grant is None:
        raise refusal("unsupported_grant_type")
    return grant.run(exchange)


def _session(exchange: Exchange, granted: Granted) -> Session:
    """The session of this grant: a new one, or the same again."""
    world, app = exchange.world, granted.app
    key = (granted.user, granted.client_id, granted.scopes)
    reuse = world.setting(app, "reuse")
    old = None
    if not granted.family and not granted.fresh and (reuse != "new" or app.reuse_dead):
        old = world.sessions.reusable(key, app.reuse_dead)
    if old:
        old.grants += 1
        if reuse == "same_extended":
            world.sessions.extend(old)
    session = old or begin_session(exchange, granted)
    exchange.log.update(token_reused=old is not None, session=session.id)
    return session


def begin_session(exchange: Exchange, granted: Granted) -> Session:
    """A new access token."""
    world, app = exchange.world, granted.app
    key = (granted.user, granted.client_id, granted.scopes)
    fixed = app.jwt_tokens or world.setting(app, "session_kind") == "fixed"
    return world.sessions.begin(key, world.setting(app, "session_timeout_s"),
                                world.setting(app, "real_life_s"), fixed,
                                lambda: _token_text(exchange, granted))


def _token_text(exchange: Exchange, granted: Granted) -> str:
    if granted.app.jwt_tokens:
        return _jwt_token(exchange, granted)
    if exchange.generic:
        return secrets.token_urlsafe(48)
    user = exchange.world.users[granted.user]
    return opaque_token(id18(user.org)[:15])


def _jwt_token(exchange: Exchange, granted: Granted) -> str:
    """An access token in JWT format, as the mobile SDKs' fixtures show it."""
    world, user = exchange.world, exchange.world.users.get(granted.user, User())
    clock = world.clock
    issued = int(clock.wall())
    life = world.setting(granted.app, "session_timeout_s")
    header = {"tnk": f"core/prod/{id18(user.org)}", "ver": "1.0", "kid": KEY_ID,
              "tty": "sfdc-core-token"}
    claims = {"scp": granted.scopes, "aud": [exchange.origin()], "iss": exchange.issuer(),
              "sub": "uid:" + (user.id or user_id(granted.user)), "nbf": issued - 15,
              "iat": issued, "exp": int(clock.wall_at(clock.now() + life)), "mty": "oauth",
              "sfi": opaque_token("")[1:33], "roles": [], "hsc": False,
              "client_id": granted.client_id}
    key: Any = TOKEN_KEY.get()      # PyJWT 2.6 announces text only, but takes keys
    return jwt.encode(claims, key, algorithm="RS256", headers=header)


def signature(secret: str, identity: str, issued_at: str) -> str:
    """base64 HMAC-SHA256 with the client secret over id and issued_at."""
    mac = hmac.new(secret.encode(), (identity + issued_at).encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def answer(exchange: Exchange, granted: Granted, session: Session) -> dict[str, Any]:
    """The members of a good answer."""
    found = (_plain_answer if exchange.generic else _salesforce_answer)(exchange, granted, session)
    if "openid" in granted.scopes.split() and granted.fresh:
        found["id_token"] = _id_token(exchange, granted, session)
    return found | granted.extra


def _salesforce_answer(exchange: Exchange, granted: Granted, session: Session) -> dict[str, Any]:
    world, app = exchange.world, granted.app
    identity = identity_url(exchange, granted.user)
    found: dict[str, Any] = {
        "access_token": session.token, "scope": granted.scopes,
        "instance_url": world.setting(app, "instance_url") or exchange.origin(),
        "id": identity, "token_type": world.settings.token_type}
    if granted.signed:
        issued_at = str(int(world.clock.wall() * 1000))
        found["issued_at"] = issued_at
        found["signature"] = signature(app.secret or "", identity, issued_at)
    if world.setting(app, "expires_in") is not None:
        found["expires_in"] = world.setting(app, "expires_in")
    found |= {name: getattr(world.settings, name) for name in ("api_instance_url", "token_format")
              if getattr(world.settings, name) is not None}
    return found | community(exchange)


def community(exchange: Exchange) -> dict[str, str]:
    """What is added for the users of an Experience Cloud site."""
    url = exchange.world.settings.community_url
    return {} if url is None else {"sfdc_community_url": url,
                                   "sfdc_community_id": id18("0DBxx0000000001")}


def _plain_answer(exchange: Exchange, granted: Granted, session: Session) -> dict[str, Any]:
    """RFC 6749 5.1"""
    world = exchange.world
    expires_in = world.setting(granted.app, "expires_in")
    if expires_in is None:
        expires_in = int(world.clock.wall_at(session.deadline()) - world.clock.wall())
    found = {"access_token": session.token, "token_type": world.settings.token_type,
             "expires_in": expires_in}
    return found | ({"scope": granted.scopes} if world.settings.scope_in_answer else {})


def _id_token(exchange: Exchange, granted: Granted, session: Session) -> str:
    """OpenID Connect Core 2; at_hash as in 3.1.3.6"""
    issued = int(exchange.world.clock.wall())
    half = hashlib.sha256(session.token.encode()).digest()[:16]
    claims = {"iss": exchange.issuer(), "sub": subject(exchange, granted.user),
              "aud": granted.client_id, "iat": issued,
              "exp": issued + int(exchange.world.settings.id_token_life_s),
              "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode()}
    if granted.nonce is not None:
        claims["nonce"] = granted.nonce
    key: Any = TOKEN_KEY.get()
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": KEY_ID})
