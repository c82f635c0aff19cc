# SPDX-License-Identifier: Apache-2.0
"""Authorization codes: used once, soon, by the same app at the same redirect URI, with the verifier
of the challenge."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from typing import Optional

from .. import clientauth
from ..errors import refusal
from ..exchange import Exchange
from ..families import Family
from ..people import Code
from ..sessions import Session
from . import CLIENT, Granted, register
from .login import logged_in

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")       # RFC 7636 4.1; the sf CLI sends 171


@register("authorization_code", "web_server", "code", "redirect_uri", "code_verifier", *CLIENT)
def authorization_code(exchange: Exchange) -> Granted:
    """facts/salesforce-oauth.md 5.1"""
    app = clientauth.authenticated_or_public(exchange, "secret_for_web_flow")
    if "web_server" not in app.flows:
        raise refusal("unsupported_grant_type")
    code = exchange.world.people.codes.get(exchange.params.get("code", ""))
    if code is None or code.client_id != exchange.client_id:
        raise refusal("expired_code")
    _check_fresh(exchange, code)
    try:
        _check_redirect(exchange, code)
        _check_verifier(exchange, code)
    except Exception:
        code.used = code.used or exchange.world.settings.code_spent_by_failure
        raise
    exchange.usable_user(code.user, is_login=False)
    return logged_in(exchange, app, code.user, code.scopes, functools.partial(_spent, code),
                     code.nonce)


def _spent(code: Code, session: Session, family: Optional[Family]) -> None:
    code.used, code.session, code.family = True, session, family


def _check_fresh(exchange: Exchange, code: Code) -> None:
    world = exchange.world
    if code.used:
        if world.settings.code_reuse_revokes:
            if code.session:
                code.session.killed = True
            if code.family:
                world.families.end(code.family, "revoked")
        raise refusal("expired_code")
    if world.clock.now() >= code.created + world.settings.code_life_s:
        raise refusal("expired_code")


def _check_redirect(exchange: Exchange, code: Code) -> None:
    given = exchange.params.get("redirect_uri")
    if not given:
        raise refusal("redirect_uri_missing")
    if given != code.redirect_uri:
        exchange.complain("redirect_uri is not that of the authorization request")
        raise refusal("redirect_uri_mismatch")


def _check_verifier(exchange: Exchange, code: Code) -> None:
    verifier = exchange.params.get("code_verifier")
    if exchange.world.settings.strict:
        _check_strictly(exchange, verifier)
    if code.challenge is None:
        if exchange.generic and verifier:       # a downgrade (RFC 9700 2.1.1)
            raise refusal("invalid_verifier")
        return
    digest = hashlib.sha256((verifier or "").encode()).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
        raise refusal("invalid_verifier")


def _check_strictly(exchange: Exchange, verifier: Optional[str]) -> None:
    """Strict mode: a verifier that the RFC allows, and never the same again for another code."""
    if not verifier or not VERIFIER.fullmatch(verifier):
        exchange.complain("code_verifier is missing or not as RFC 7636 has it")
        return
    used = exchange.world.people.verifiers
    key = f"{exchange.params.get('code')} {verifier}"
    if key not in used and any(k.endswith(f" {verifier}") for k in used):
        exchange.complain("code_verifier twice")
    used.add(key)
