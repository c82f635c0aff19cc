# SPDX-License-Identifier: Apache-2.0
"""Client credentials: My Domain only, a Run As user, some scopes silently stripped."""

from __future__ import annotations

from .. import clientauth
from ..errors import refusal
from ..exchange import Exchange
from ..scopes import granted_scopes
from ..settings import App
from . import CLIENT, Granted, register

STRIPPED = frozenset(("full", "web", "refresh_token", "offline_access"))


@register("client_credentials", "client_credentials", *CLIENT)
def client_credentials(exchange: Exchange) -> Granted:
    """facts/salesforce-oauth.md 5.4"""
    if not exchange.generic and exchange.host_kind() != "mydomain":
        raise refusal("wrong_domain")
    app = clientauth.authenticated(exchange)
    if "client_credentials" not in app.flows:
        raise refusal("flow_disabled")
    if exchange.generic:
        return _plain(exchange, app)
    if not app.run_as:
        raise refusal("no_run_as")
    exchange.usable_user(app.run_as)
    wanted = exchange.params.get("scope", "").split()
    allowed = [s for s in app.scopes.split() if s not in STRIPPED]
    if any(s not in app.scopes.split() for s in wanted):
        raise refusal("invalid_scope")
    return Granted(exchange.client_id or "", app, app.run_as, " ".join(allowed), True)


def _plain(exchange: Exchange, app: App) -> Granted:
    """RFC 6749 4.4: nobody needs to be the user, and the client may ask for scopes."""
    scopes = granted_scopes(app, exchange.params.get("scope", ""))
    client_id = exchange.client_id or ""
    return Granted(client_id, app, app.run_as or client_id, scopes, True)
