# SPDX-License-Identifier: Apache-2.0
"""The authorization endpoint: what a browser is sent to, and sent back with
(facts/salesforce-oauth.md 5.1, 5.2, 8.2)."""

from __future__ import annotations

import re
from typing import Optional
from urllib.parse import urlencode, urlsplit

from . import errors, pages, strict
from .dialect import CONSENT, LOGIN
from .errors import OAuthError, refusal
from .exchange import Exchange
from .grants import Granted
from .grants.login import begin_family
from .http1 import Response
from .people import Asked, Code
from .scopes import granted_scopes, wants_refresh
from .settings import App
from .tokens import answer, begin_session, community

FLOWS = {"code": "web_server", "token": "user_agent"}
LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

Parameters = dict[str, str]


def redirect(location: str) -> Response:
    return Response(302, b"", "", [("Location", location), ("Cache-Control", "no-store")])


def authorize(exchange: Exchange) -> Response:
    """GET (or POST) /services/oauth2/authorize"""
    params = exchange.params if exchange.request.method == "POST" else exchange.query
    try:
        if exchange.world.settings.strict:
            strict.check_authorize(exchange)
            strict.refuse_problems(exchange)
        app = _target(exchange, params)
    except OAuthError as error:
        exchange.log["error"] = error.body()
        return pages.error(error)
    try:
        asked = _asked(exchange, params, app)
        user = cookie_user(exchange)
        if exchange.world.setting(app, "auto_consent"):
            chosen = _automatic(exchange, app, params, user)
            exchange.usable_user(chosen)
            return finish(exchange, asked, chosen)
        if params.get("prompt") == "none" or params.get("immediate") == "true":
            if not user or (user, asked.client_id) not in exchange.world.people.consents:
                raise refusal("immediate_unsuccessful")
            return finish(exchange, asked, user)
    except OAuthError as error:
        return refuse(exchange, params, error)
    return next_page(exchange, asked, user)


def next_page(exchange: Exchange, asked: Asked, user: Optional[str]) -> Response:
    """To the login or to the consent."""
    number = exchange.world.people.ask(asked)
    page = CONSENT if user and not asked.login else LOGIN
    return redirect(f"{page}?source={number}")


def cookie_user(exchange: Exchange) -> Optional[str]:
    """Who is logged in in this browser."""
    for header, value in exchange.request.headers:
        for piece in value.split(";") if header == "cookie" else ():
            name, _, sid = piece.strip().partition("=")
            user = exchange.world.people.cookies.get(sid) if name == "sid" else None
            if user in exchange.world.users:
                return user
    return None


# -- what is asked -------------------------------------------------------------------------------

def _target(exchange: Exchange, params: Parameters) -> App:
    """The app, and whether it may be told anything at that redirect URI."""
    app = exchange.world.apps.get(params.get("client_id", ""))
    if app is None:
        raise refusal("invalid_client_id")
    if not params.get("redirect_uri"):
        raise refusal("redirect_uri_missing")
    if not any(_same(exchange, app, uri, params["redirect_uri"]) for uri in app.redirect_uris):
        raise refusal("redirect_uri_mismatch")
    return app


def _same(exchange: Exchange, app: App, registered: str, given: str) -> bool:
    """Byte for byte; with loopback_any_port the port of a loopback address is free."""
    free = exchange.world.setting(app, "loopback_any_port")
    if registered == given or not (exchange.generic if free is None else free):
        return registered == given
    try:
        one, other = urlsplit(registered), urlsplit(given)
        port = other.port
    except ValueError:
        return False
    if one.scheme != "http" or one.hostname not in LOOPBACK or "@" in given or not port:
        return False
    return (one.scheme, one.hostname, one.path, one.query) == (
        other.scheme, other.hostname, other.path, other.query) and "#" not in given


def _asked(exchange: Exchange, params: Parameters, app: App) -> Asked:
    if not app.installed:
        raise refusal("ec_app_not_found")
    for forced in (app.authorize_error, app.force_error):
        if forced and (forced is app.authorize_error or errors.at_authorize(forced)):
            raise errors.forced(forced)
    flow = FLOWS.get(params.get("response_type", ""))
    if flow is None or flow not in app.flows:
        raise refusal("unsupported_response_type")
    scopes = granted_scopes(app, params.get("scope", ""))
    if flow == "web_server":
        _check_challenge(exchange, params, app)
    prompt = params.get("prompt", "").split()
    return Asked(params["client_id"], scopes, dict(params), hint=params.get("login_hint", ""),
                 login="login" in prompt or "select_account" in prompt,
                 consent="consent" in prompt)


def _check_challenge(exchange: Exchange, params: Parameters, app: App) -> None:
    """PKCE: S256 is what Salesforce takes a challenge without a method for; the RFC: plain."""
    pkce = exchange.world.setting(app, "pkce")
    if pkce == "off":
        return
    challenge = params.get("code_challenge")
    if not challenge:
        if pkce == "required":
            raise refusal(exchange.world.settings.missing_challenge_error)
        return
    default = "plain" if exchange.generic else "S256"
    if params.get("code_challenge_method", default) != "S256":
        raise refusal("plain_challenge")
    if not _CHALLENGE.fullmatch(challenge):
        raise refusal("invalid_code_challenge")


def _automatic(exchange: Exchange, app: App, params: Parameters, user: Optional[str]) -> str:
    """Who logs in where nobody is asked."""
    users = exchange.world.users
    candidates = [params.get("login_hint"), app.auto_user, user, app.run_as, *users]
    return next((name for name in candidates if name and name in users), "")


# -- the way back --------------------------------------------------------------------------------

def refuse(exchange: Exchange, params: Parameters, error: OAuthError) -> Response:
    """Back with an error."""
    exchange.log["error"] = error.body()
    body = errors.plain(error).body() if exchange.generic else error.body()
    return _back(params, body)


def finish(exchange: Exchange, asked: Asked, user: str) -> Response:
    """The user has allowed it: back with a code or with tokens."""
    world, params = exchange.world, asked.parameters
    app = world.apps[asked.client_id]
    exchange.usable_user(user, is_login=False)
    if app.approved is not None and user not in app.approved:
        raise refusal("app_access_denied")
    world.people.consents.add((user, asked.client_id))
    exchange.log["sub"] = user
    if params["response_type"] == "token":
        return _back(params, _tokens(exchange, asked, app, user))
    challenge = params.get("code_challenge") if world.setting(app, "pkce") != "off" else None
    code = Code(asked.client_id, user, asked.scopes, params["redirect_uri"], challenge,
                params.get("nonce"), world.clock.now())
    text = world.people.new_code(code, not exchange.generic)
    return _back(params, {"code": text} | community(exchange))


def _tokens(exchange: Exchange, asked: Asked, app: App, user: str) -> dict[str, str]:
    """Those of the fragment. A refresh token only where no web server hears of it."""
    granted = Granted(asked.client_id, app, user, asked.scopes, True)
    session = begin_session(exchange, granted)
    exchange.log["session"] = session.id
    uri = asked.parameters["redirect_uri"]
    private = not uri.startswith(("http:", "https:")) or uri.endswith("/services/oauth2/success")
    if private and wants_refresh(asked.scopes):
        family = begin_family(exchange, app, granted, session)
        granted.extra["refresh_token"] = family.current.text
    return {name: str(value) for name, value in answer(exchange, granted, session).items()}


def _back(params: Parameters, members: dict[str, str]) -> Response:
    """To the redirect URI, in the query or in the fragment, with the state."""
    if params.get("state"):
        members = members | {"state": params["state"]}
    uri, text = params["redirect_uri"], urlencode(members)
    if params.get("response_type") == "token":
        return redirect(f"{uri}#{text}")
    return redirect(uri + ("&" if "?" in uri else "?") + text)
