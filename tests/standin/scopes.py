# SPDX-License-Identifier: Apache-2.0
"""Scopes: what an app may ask for, and what it gets."""

from __future__ import annotations

from .errors import refusal
from .settings import App

REFRESH = frozenset(("refresh_token", "offline_access"))    # two names of one scope
MEANINGS = {
    "api": "Manage user data via APIs", "web": "Manage user data via Web browsers",
    "full": "Full access", "id": "Access the identity URL service",
    "openid": "Access unique user identifiers", "profile": "Access your basic information",
    "email": "Access your email address", "refresh_token": "Perform requests at any time",
    "offline_access": "Perform requests at any time"}


def granted_scopes(app: App, wanted: str) -> str:
    """All of the app's when nothing is asked for; or the refusal invalid_scope."""
    allowed = frozenset(app.scopes.split())
    names = list(dict.fromkeys(wanted.split()))
    for name in names:
        if name in REFRESH:
            known = bool(allowed & REFRESH)
        else:
            known = name in allowed or "full" in allowed
        if not known:
            raise refusal("invalid_scope")
    return " ".join(names) or app.scopes


def wants_refresh(scopes: str) -> bool:
    """Whether a login with these scopes gives a refresh token."""
    return bool(REFRESH & frozenset(scopes.split()))
