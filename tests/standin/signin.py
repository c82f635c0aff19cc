# SPDX-License-Identifier: Apache-2.0
"""The login page and the consent page."""

from __future__ import annotations

from . import pages
from .authorize import cookie_user, finish, redirect, refuse
from .dialect import CONSENT, LOGIN
from .errors import OAuthError, refusal
from .exchange import Exchange
from .http1 import Response
from .people import Asked

_UNKNOWN = ("Please check your username and password. If you still can't log in, contact your"
            " Salesforce administrator.")
_REASONS = {"user is inactive": "Your access is disabled. Contact your site administrator."}


def _gone() -> Response:
    return pages.note("Start Again", "This page was used already, or never was.", 400)


def login(exchange: Exchange) -> Response:
    """GET and POST /login?source=..."""
    asked = exchange.world.people.asked.get(exchange.query.get("source", ""))
    if asked is None:
        return _gone()
    if exchange.request.method != "POST":
        return pages.login(asked.hint)
    name = exchange.params.get("username", "").strip()
    problem = _problem(exchange, name)
    if problem:
        return pages.login(name, problem)
    asked.login = False
    response = redirect(f"{CONSENT}?source={exchange.query['source']}")
    secure = "; Secure" if exchange.world.origin.startswith("https:") else ""
    cookie = f"sid={exchange.world.people.log_in(name)}; Path=/; HttpOnly; SameSite=Lax{secure}"
    response.headers.append(("Set-Cookie", cookie))
    return response


def _problem(exchange: Exchange, name: str) -> str:
    """Why this user cannot log in; "" if they can."""
    user = exchange.world.users.get(name)
    if user is None or exchange.params.get("password") != user.password:
        exchange.world.logins.count(name, 0)
        return _UNKNOWN
    try:
        exchange.usable_user(name)
    except OAuthError as error:
        return _REASONS.get(error.description, error.description)
    exchange.log["sub"] = name
    return ""


def consent(exchange: Exchange) -> Response:
    """GET and POST /setup/secur/RemoteAccessAuthorizationPage.apexp?source=..."""
    number = exchange.query.get("source", "")
    people = exchange.world.people
    asked = people.asked.get(number)
    if asked is None or asked.client_id not in exchange.world.apps:
        return _gone()
    user = cookie_user(exchange)
    if user is None or asked.login:
        return redirect(f"{LOGIN}?source={number}")
    decision = exchange.params.get("decision", "")
    if exchange.request.method != "POST":
        known = (user, asked.client_id) in people.consents and not asked.consent
        if not (known and exchange.world.settings.remember_consent and asked.device is None):
            return pages.consent(asked.client_id, user, asked.scopes)
        decision = "allow"
    del people.asked[number]
    return _decided(exchange, asked, user, decision == "allow")


def _decided(exchange: Exchange, asked: Asked, user: str, allowed: bool) -> Response:
    if asked.device is not None:
        return _device_decided(exchange, asked, user, allowed)
    try:
        if not allowed:
            raise refusal("denied")
        return finish(exchange, asked, user)
    except OAuthError as error:
        return refuse(exchange, asked.parameters, error)


def _device_decided(exchange: Exchange, asked: Asked, user: str, allowed: bool) -> Response:
    app = exchange.world.apps[asked.client_id]
    device = asked.device
    assert device is not None
    if app.approved is not None and user not in app.approved:
        return pages.error(refusal("app_access_denied"))
    device.state, device.user = ("approved", user) if allowed else ("denied", None)
    if allowed:
        return pages.note("You're Connected", "You can go back to your device.")
    return pages.note("Access Denied", "Your device has not been connected.")


def success(_: Exchange) -> Response:
    """GET /services/oauth2/success: a redirect URI for apps that have none of their own"""
    return pages.note("Success", "Remote access is set up: the app reads this page's address.")
