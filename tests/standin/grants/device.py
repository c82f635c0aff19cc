# SPDX-License-Identifier: Apache-2.0
"""The polls of a device login, in Salesforce's dialect and in that of RFC 8628."""

from __future__ import annotations

import functools
from typing import Optional

from .. import clientauth
from ..clock import boottime
from ..errors import OAuthError, refusal
from ..exchange import Exchange
from ..families import Family
from ..people import Device
from ..sessions import Session
from . import CLIENT, Granted, register
from .login import logged_in

RFC8628 = "urn:ietf:params:oauth:grant-type:device_code"
SLACK = 0.1         # seconds that a poll may come early


@register("device", "device", "code", *CLIENT)
def salesforce(exchange: Exchange) -> Granted:
    """facts/salesforce-oauth.md 5.5"""
    if exchange.generic:
        raise refusal("unsupported_grant_type")
    return _worded(exchange, exchange.params.get("code", ""), False)


@register(RFC8628, "device", "device_code", *CLIENT)
def rfc8628(exchange: Exchange) -> Granted:
    """RFC 8628 3.4"""
    app = exchange.world.apps.get(exchange.client_id or "")
    if not (exchange.generic or exchange.world.setting(app, "rfc8628")):
        raise refusal("unsupported_grant_type")
    return _worded(exchange, exchange.params.get("device_code", ""), True)


def _worded(exchange: Exchange, text: str, rfc: bool) -> Granted:
    """The poll, with the descriptions that the settings have."""
    try:
        return _poll(exchange, text, rfc)
    except OAuthError as error:
        texts = exchange.world.settings.device_texts
        error.description = texts.get(error.error, error.description)
        raise


def _poll(exchange: Exchange, text: str, rfc: bool) -> Granted:
    world = exchange.world
    app = clientauth.authenticated_or_public(exchange, "secret_for_device")
    device = world.people.by_device_code(text)
    if device is None or device.client_id != exchange.client_id or device.rfc != rfc:
        raise refusal("expired_device_code")
    slow = _too_fast(exchange, device)
    if device.state == "used":
        raise refusal("expired_device_code")
    if world.clock.now() >= device.created + world.settings.device_life_s:
        raise refusal("expired_token" if rfc else "expired_device_code")
    if device.state == "denied":
        raise refusal("access_denied")
    if slow:
        device.interval += world.settings.slow_down_adds_s
        raise refusal("slow_down")
    if device.state == "pending":
        raise refusal("authorization_pending")
    assert device.user is not None
    exchange.usable_user(device.user, is_login=False)
    return logged_in(exchange, app, device.user, device.scopes, functools.partial(_spent, device))


def _too_fast(exchange: Exchange, device: Device) -> bool:
    now, before = boottime(), device.polled
    device.polled = now
    device.polls += 1
    return (exchange.world.settings.device_slow_down and before is not None
            and now - before < device.interval - SLACK)


def _spent(device: Device, _: Session, __: Optional[Family]) -> None:
    device.state = "used"
