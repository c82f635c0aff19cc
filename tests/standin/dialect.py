# SPDX-License-Identifier: Apache-2.0
"""Where the endpoints are: Salesforce's paths, or those of a plain OAuth 2.0 server."""

from __future__ import annotations

OAUTH = "/services/oauth2/"
TOKEN_PATH = OAUTH + "token"
AUTHORIZE = OAUTH + "authorize"
DEVICE_AUTHORIZATION = OAUTH + "device_authorization"
CONNECT = "/setup/connect"
LOGIN = "/login"
CONSENT = "/setup/secur/RemoteAccessAuthorizationPage.apexp"
KEYS = "/id/keys"
OPENID = "/.well-known/openid-configuration"
RFC8414 = "/.well-known/oauth-authorization-server"

# path of the generic dialect -> Salesforce's, by which all code here knows the endpoint
GENERIC = {"/token": TOKEN_PATH, "/authorize": AUTHORIZE,
           "/device_authorization": DEVICE_AUTHORIZATION, "/introspect": OAUTH + "introspect",
           "/revoke": OAUTH + "revoke", "/userinfo": OAUTH + "userinfo", "/jwks": KEYS,
           "/device": CONNECT}
_SHOWN = {path: generic for generic, path in GENERIC.items()}


def canonical(dialect: str, path: str, issuer_path: str) -> str:
    """The endpoint's one name; Salesforce's paths lead nowhere on a generic server."""
    if dialect != "generic":
        return path
    if issuer_path and path == RFC8414 + issuer_path:
        return RFC8414
    if issuer_path and path.startswith(issuer_path + "/"):
        path = path[len(issuer_path):]
    elif issuer_path and (path in GENERIC or path in (OPENID, RFC8414)):
        return "/gone" + path
    return GENERIC.get(path) or ("/gone" + path if path in _SHOWN else path)


def shown(dialect: str, path: str, issuer_path: str) -> str:
    """The path under which clients find that endpoint."""
    return issuer_path + _SHOWN.get(path, path) if dialect == "generic" else path
