# SPDX-License-Identifier: Apache-2.0
"""Device logins: their start, in Salesforce's dialect and in that of RFC 8628, and the page on
which a person types the code (facts/salesforce-oauth.md 5.5). The polls are in grants/device.py."""

from __future__ import annotations

from typing import Any

from . import clientauth, pages
from .authorize import cookie_user, next_page
from .dialect import CONNECT
from .errors import OAuthError, refusal
from .exchange import Exchange
from .http1 import Response
from .people import Asked, Device
from .scopes import granted_scopes
from .strict import refuse_problems
from .tokens import DEVICE_START, error_response, json_response, plain_response, strictly

WRONG_CODE = "The code you entered is wrong or has expired. Check it and try again."


def start(exchange: Exchange) -> Response:
    """POST /services/oauth2/token with response_type=device_code"""
    return json_response(_begin(exchange, rfc=False))


DEVICE_START["device_code"] = start


def authorization(exchange: Exchange) -> Response:
    """POST to the device authorization endpoint of RFC 8628"""
    app = exchange.world.apps.get(exchange.client_id or "")
    if not (exchange.generic or exchange.world.setting(app, "rfc8628")):
        return plain_response(404, "<html><body>URL No Longer Exists</body></html>")
    try:
        strictly(exchange)
        if exchange.request.method != "POST":
            raise refusal("must_post")
        return json_response(_begin(exchange, rfc=True))
    except OAuthError as error:
        exchange.log["error"] = error.body()
        return error_response(error, exchange)


def _begin(exchange: Exchange, rfc: bool) -> dict[str, Any]:
    world = exchange.world
    app = clientauth.authenticated_or_public(exchange, "secret_for_device")
    if "device" not in app.flows:
        raise refusal("unsupported_grant_type")
    scopes = granted_scopes(app, exchange.params.get("scope", ""))
    refuse_problems(exchange)
    interval = world.setting(app, "device_interval_s")
    device = world.people.new_device(exchange.client_id or "", scopes, rfc, world.clock.now(),
                                     interval)
    uri = exchange.endpoint(CONNECT)
    found = {"device_code": device.device_code, "user_code": device.user_code,
             "verification_uri": uri, "interval": int(interval) or interval}
    if rfc:
        found |= {"verification_uri_complete": f"{uri}?user_code={device.user_code}",
                  "expires_in": int(world.settings.device_life_s / world.clock.scale)}
    return found


def expired(exchange: Exchange, device: Device) -> bool:
    """Whether its codes are too old."""
    world = exchange.world
    return world.clock.now() >= device.created + world.settings.device_life_s


def connect(exchange: Exchange) -> Response:
    """GET and POST /setup/connect"""
    if exchange.request.method != "POST":
        return pages.connect(exchange.query.get("user_code", ""))
    typed = exchange.params.get("user_code", "")
    device = exchange.world.people.by_user_code(typed)
    if device is None or device.state != "pending" or expired(exchange, device):
        return pages.connect(typed, WRONG_CODE)
    asked = Asked(device.client_id, device.scopes, {}, device)
    return next_page(exchange, asked, cookie_user(exchange))
