# SPDX-License-Identifier: Apache-2.0
"""Who a token belongs to: userinfo and the identity URL."""

from __future__ import annotations

from html import escape
from typing import Any

from .errors import OAuthError
from .exchange import Exchange
from .http1 import Response
from .settings import id18, user_id
from .tokens import (error_response, identity_url, json_response, plain_response, strictly,
                     subject, use)


def _user_facts(exchange: Exchange, name: str) -> dict[str, Any]:
    """What userinfo and the identity URL both say."""
    user = exchange.world.users[name]
    origin = exchange.origin()
    return {"user_id": user.id or user_id(name), "organization_id": id18(user.org),
            "email": user.email or name, "active": user.active, "user_type": "STANDARD",
            "language": "en_US", "locale": "en_US", "utcOffset": 0,
            "photos": {"picture": origin + "/profilephoto/005/F"},
            "urls": {"rest": origin + "/services/data/v{version}/"}}


def userinfo(exchange: Exchange) -> Response:
    """GET /services/oauth2/userinfo; a bad token gets bare text with 403."""
    try:
        strictly(exchange)
    except OAuthError as error:
        return error_response(error)
    world = exchange.world
    session = world.sessions.live(exchange.token)
    if session is None or session.key[0] not in world.users:
        return _bad_token(exchange)
    exchange.log["session"] = session.id
    if world.settings.userinfo_is_use:
        use(exchange, session)
    name = session.key[0]
    if exchange.generic:
        return json_response({"sub": subject(exchange, name), "preferred_username": name,
                              "name": name, "email": world.users[name].email or name})
    facts = _user_facts(exchange, name)
    facts |= {"sub": identity_url(exchange, name), "preferred_username": name, "name": name,
              "nickname": name.partition("@")[0], "email_verified": True, "given_name": "",
              "family_name": name, "zoneinfo": "GMT", "profile": exchange.origin() + "/005",
              "picture": facts["photos"]["picture"], "address": {},
              "updated_at": "2026-01-01T00:00:00Z", "is_app_installed": True}
    return json_response(facts)


def _bad_token(exchange: Exchange) -> Response:
    """Salesforce's bare text, or what RFC 6750 has."""
    if exchange.generic:
        response = json_response({"error": "invalid_token"}, 401)
        response.headers.append(("WWW-Authenticate", 'Bearer error="invalid_token"'))
        return response
    text = "Bad_OAuth_Token" if exchange.token else "Missing_OAuth_Token"
    return plain_response(exchange.world.settings.userinfo_bad_status, text)


def identity(exchange: Exchange) -> Response:
    """GET /id/ORG/USER, with a header or ?oauth_token=; format=json or xml"""
    if not exchange.token:
        return plain_response(403, "Missing_OAuth_Token")
    session = exchange.world.sessions.live(exchange.token)
    if session is None or session.key[0] not in exchange.world.users:
        return plain_response(403, "Bad_OAuth_Token")
    exchange.log["session"] = session.id
    name = session.key[0]
    if not exchange.world.users[name].active:
        return plain_response(403, "Inactive_User")
    facts = _user_facts(exchange, name)
    org, user = exchange.path.split("/")[2:4]
    if org != facts["organization_id"]:
        return plain_response(403, "Wrong_Org")
    if user != facts["user_id"]:
        return plain_response(403, "Bad_Id")
    facts |= {"id": identity_url(exchange, name), "asserted_user": True, "username": name,
              "nick_name": name.partition("@")[0], "display_name": name, "first_name": None,
              "last_name": name, "last_modified_date": "2026-01-01T00:00:00.000+0000"}
    if exchange.query.get("format") == "xml":
        return Response(200, _xml("user", facts).encode(), "application/xml;charset=UTF-8")
    return json_response(facts)


def _xml(name: str, value: Any) -> str:
    if isinstance(value, dict):
        text = "".join(_xml(n, v) for n, v in value.items())
    elif isinstance(value, bool):
        text = str(value).lower()
    else:
        text = "" if value is None else escape(str(value))
    return f"<{name}>{text}</{name}>"


