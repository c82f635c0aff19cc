# SPDX-License-Identifier: Apache-2.0
"""The refresh token grant: with rotation, reuse detection, one request at a time, and the ends that
a policy sets. Every dead token gets the same words, whatever it died of."""

from __future__ import annotations

import functools
from typing import Any

from .. import clientauth
from ..errors import refusal
from ..exchange import Exchange
from ..families import Policy, RefreshToken
from ..sessions import Session
from ..settings import App
from . import CLIENT, Granted, register


def policy(exchange: Exchange, app: App) -> Policy:
    """What holds for the refresh tokens of an app."""
    setting = exchange.world.setting
    return Policy(setting(app, "refresh_policy"), setting(app, "refresh_idle_s"),
                  setting(app, "refresh_life_s"))


@register("refresh_token", "refresh_token", "refresh_token", *CLIENT)
def refresh_token(exchange: Exchange) -> Granted:
    """facts/salesforce-oauth.md 5.6"""
    app = clientauth.authenticated_or_public(exchange, "refresh_needs_secret")
    if "refresh_token" not in app.flows:
        raise refusal("unsupported_grant_type")
    token = exchange.refresh
    if token is None or token.family.client_id != exchange.client_id:
        raise refusal("expired_refresh_token")
    if exchange.busy:
        raise refusal(exchange.world.settings.concurrent_error)
    _check_alive(exchange, app, token)
    family = token.family
    exchange.usable_user(family.user, exchange.world.settings.refresh_is_login)
    if app.approved is not None and family.user not in app.approved:
        raise refusal(app.unapproved_error)
    return Granted(family.client_id, app, family.user, family.scopes, True, family=family,
                   done=functools.partial(_done, exchange, app, token))


def _check_alive(exchange: Exchange, app: App, token: RefreshToken) -> None:
    families = exchange.world.families
    grace = exchange.world.setting(app, "rotation_grace_s")
    if token.state == "rotated" and not families.in_grace(token, grace):
        families.reused(token, exchange.log["seq"])
        raise refusal("expired_refresh_token")
    if families.expire(token.family, policy(exchange, app)):
        raise refusal("expired_refresh_token")


def _done(exchange: Exchange, app: App, token: RefreshToken, session: Session) -> dict[str, Any]:
    """The grant has passed every check: spend the token; what the answer has besides."""
    world, family = exchange.world, token.family
    world.families.refreshed(token, session, world.setting(app, "refresh_ends_sessions"))
    rotating = family.rotating
    if rotating is None:
        rotating = world.setting(app, "rotation")
    if not rotating and token.state == "current":
        return {}
    new = world.families.rotate(token, exchange.log["seq"])
    exchange.delivery = new.delivery
    assert new.delivery is not None
    exchange.log["reply"] = new.delivery.facts
    return {"refresh_token": new.text}
