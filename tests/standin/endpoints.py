# SPDX-License-Identifier: Apache-2.0
"""The table of all endpoints."""

from __future__ import annotations

from typing import Callable

from . import authorize, data, device, discovery, identity, introspection, signin
from .dialect import (AUTHORIZE, CONNECT, CONSENT, DEVICE_AUTHORIZATION, KEYS, LOGIN, OAUTH,
                      OPENID, RFC8414, TOKEN_PATH)
from .exchange import Exchange
from .http1 import Response
from .tokens import plain_response, token

Endpoint = Callable[[Exchange], Response]

ENDPOINTS: dict[str, Endpoint] = {
    TOKEN_PATH: token,
    AUTHORIZE: authorize.authorize,
    DEVICE_AUTHORIZATION: device.authorization,
    OAUTH + "userinfo": identity.userinfo,
    OAUTH + "introspect": introspection.introspect,
    OAUTH + "revoke": introspection.revoke,
    OAUTH + "success": signin.success,
    OPENID: discovery.openid,
    RFC8414: discovery.oauth,
    KEYS: discovery.keys,
    LOGIN: signin.login,
    CONSENT: signin.consent,
    CONNECT: device.connect,
    "/services/data": data.versions,
    "/services/data/": data.versions,
}


def answer(exchange: Exchange) -> Response:
    """The endpoint's answer to a request."""
    path = exchange.path
    endpoint = ENDPOINTS.get(path)
    if endpoint:
        return endpoint(exchange)
    if data.VERSIONED.fullmatch(path):
        return data.rest(exchange)
    if path.startswith("/id/") and path.count("/") == 3:
        return identity.identity(exchange)
    return plain_response(404, "<html><body>URL No Longer Exists</body></html>")
