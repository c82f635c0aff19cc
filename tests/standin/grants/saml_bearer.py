# SPDX-License-Identifier: Apache-2.0
"""SAML bearer: an assertion that the app has signed itself, or an identity provider that it
knows."""

from __future__ import annotations

from typing import Optional

from .. import saml
from ..dialect import TOKEN_PATH
from ..errors import refusal
from ..exchange import SAML_BEARER, Exchange
from ..settings import App
from . import Granted, register
from .jwt_bearer import LOGIN, STRICT_LIFE


@register(SAML_BEARER, "saml_bearer", "assertion")
def saml_bearer(exchange: Exchange) -> Granted:
    """facts/salesforce-oauth.md 5.7"""
    if "scope" in exchange.params:
        raise refusal("scope_not_supported")
    client_id = _client(exchange)
    app = exchange.app(client_id)
    if "saml_bearer" not in app.flows:
        raise refusal("unsupported_grant_type")
    found = _read(exchange, client_id, app)
    _check_times(exchange, found)
    _check_audience(exchange, found)
    exchange.usable_user(found.name)
    if app.approved is not None and found.name not in app.approved:
        raise refusal(app.unapproved_error)
    _check_strictly(exchange, found, client_id)
    return Granted(client_id, app, found.name, app.scopes, False)


def _client(exchange: Exchange) -> str:
    """The app: the issuer itself, or the one that takes that issuer's assertions."""
    issuer = str(exchange.claims.get("iss", ""))
    if issuer in exchange.world.apps:
        return issuer
    wanted = exchange.params.get("client_id")
    for client_id, app in exchange.world.apps.items():
        if issuer in app.saml_issuer_certs and wanted in (None, client_id):
            exchange.client_id = exchange.log["client_id"] = client_id
            return client_id
    return issuer


def _read(exchange: Exchange, client_id: str, app: App) -> saml.Assertion:
    def certificate(issuer: str) -> Optional[str]:
        return app.cert_pem if issuer == client_id else app.saml_issuer_certs.get(issuer)

    try:
        return saml.read(saml.decode(exchange.params.get("assertion", "")), certificate)
    except saml.Invalid as error:
        exchange.log["saml"] = str(error)
        raise refusal("invalid_assertion") from None


def _check_times(exchange: Exchange, found: saml.Assertion) -> None:
    now, skew = exchange.world.clock.wall(), exchange.world.settings.saml_skew_s
    ends = [found.expires] + ([found.not_after] if found.not_after is not None else [])
    begins = [found.issued] + ([found.not_before] if found.not_before is not None else [])
    if any(now >= end + skew for end in ends) or any(int(now) < b - skew - 1 for b in begins):
        raise refusal("expired_assertion")


def _check_audience(exchange: Exchange, found: saml.Assertion) -> None:
    settings = exchange.world.settings
    hosts = [*LOGIN, exchange.origin(), exchange.world.origin]
    tokens = [host + TOKEN_PATH for host in LOGIN] + [exchange.endpoint("token")]
    audiences = settings.saml_audiences
    if not set(found.audiences) & set(hosts + tokens if audiences is None else audiences):
        raise refusal("audience_validation")
    recipients = settings.saml_recipients
    if found.recipient not in (tokens if recipients is None else recipients):
        exchange.log["saml"] = f"Recipient={found.recipient}"
        raise refusal("invalid_assertion")


def _check_strictly(exchange: Exchange, found: saml.Assertion, client_id: str) -> None:
    """Strict mode: what our client's own assertions must not be like."""
    if not exchange.world.settings.strict:
        return
    text = exchange.params["assertion"]
    if set(text) & set("+/= \r\n"):
        exchange.complain("the assertion is not base64url without padding")
    if found.issuer != client_id:
        return              # not of our client's making
    now = exchange.world.clock.wall()
    if found.expires > now + STRICT_LIFE or (found.not_after or 0) > now + STRICT_LIFE:
        exchange.complain("the assertion lives too long")
    if found.not_before is None or found.not_after is None:
        exchange.complain("Conditions without NotBefore or NotOnOrAfter")
    known = exchange.world.people.assertions
    if known.setdefault(found.id, text) != text:
        exchange.complain("the ID of another assertion")
