# SPDX-License-Identifier: Apache-2.0
"""Client credentials: My Domain only, a Run As user, some scopes silently stripped."""

from __future__ import annotations

from ..errors import refusal
from ..exchange import Exchange
from . import Granted, register

STRIPPED = frozenset(("full", "web", "refresh_token", "offline_access"))


@register("client_credentials", "client_credentials", "client_id", "client_secret")
def client_credentials(exchange: Exchange) -> Granted:
    """facts/salesforce-oauth.md 5.4"""
    if exchange.host_kind() != "mydomain":
        raise refusal("wrong_domain")
    app = exchange.authenticated_app()
    if "client_credentials" not in app.flows:
        raise refusal("flow_disabled")
    if not app.run_as:
        raise refusal("no_run_as")
    exchange.usable_user(app.run_as)
    wanted = exchange.params.get("scope", "").split()
    allowed = [s for s in app.scopes.split() if s not in STRIPPED]
    if any(s not in app.scopes.split() for s in wanted):
        raise refusal("invalid_scope")
    return Granted(exchange.client_id or "", app, app.run_as, " ".join(allowed), True)
