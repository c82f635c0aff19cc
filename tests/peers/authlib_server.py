#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A second authorization server, for which Salesforce is not the model: Debian's Authlib answers, this file only registers its parts.

It knows client credentials, JWT bearer (RFC 7523), authorization code with PKCE, device (RFC 8628), refresh with rotation,
introspection (RFC 7662), revocation (RFC 7009), userinfo, and both kinds of discovery. Clients prove themselves by client_secret_basic,
client_secret_post, private_key_jwt or not at all. Tests steer it under /control/: authlib_control.py.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import sys
import threading
import time
from pathlib import Path
from typing import Any, Optional

sys.dont_write_bytecode = True
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"      # --http
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token     # noqa: E402
from authlib.jose import JsonWebKey                                                                     # noqa: E402
from authlib.oauth2.rfc6749 import grants                                                               # noqa: E402
from authlib.oauth2.rfc6750 import BearerTokenGenerator, BearerTokenValidator                           # noqa: E402
from authlib.oauth2.rfc7009 import RevocationEndpoint                                                   # noqa: E402
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant                             # noqa: E402
from authlib.oauth2.rfc7636 import CodeChallenge                                                        # noqa: E402
from authlib.oauth2.rfc7662 import IntrospectionEndpoint                                                # noqa: E402
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata                                          # noqa: E402
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE, DeviceAuthorizationEndpoint, DeviceCodeGrant   # noqa: E402
from flask import Flask, Response, g, jsonify, request                                                  # noqa: E402
from werkzeug.serving import make_server                                                                # noqa: E402

import authlib_pages                                                                                    # noqa: E402
from authlib_models import Client, Code, Device, Memory, Token, User                                    # noqa: E402
from standin.ca import Authority                                                                        # noqa: E402

METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
SECRET_METHODS = METHODS[:3]
memory = Memory()
app = Flask(__name__)
server = AuthorizationServer()
protect = ResourceProtector()
ISSUER = ""


# --- grants: what Authlib leaves to its user is where things are kept ---------------------------------

class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = SECRET_METHODS


class AuthorizationCode(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def save_authorization_code(self, code: str, request: Any) -> None:
        memory.codes[code] = Code(code, request.client.client_id, request.redirect_uri, request.scope, request.user,
                                  request.data.get("code_challenge"), request.data.get("code_challenge_method"))

    def query_authorization_code(self, code: str, client: Client) -> Optional[Code]:
        found = memory.codes.get(code)
        return found if found and found.client_id == client.client_id and not found.is_expired() else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del memory.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> User:
        return authorization_code.user


class S256(CodeChallenge):
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]


class Refresh(grants.RefreshTokenGrant):
    """With rotation: each refresh token is good once."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def authenticate_refresh_token(self, refresh_token: str) -> Optional[Token]:
        found = memory.by_refresh(refresh_token)
        return found if found and not found.refresh_revoked else None

    def authenticate_user(self, credential: Token) -> Optional[User]:
        return credential.user

    def issue_token(self, user: User, credential: Token) -> Any:
        return self.generate_token(user=user, scope=self.request.scope or credential.get_scope(), include_refresh_token=True)

    def revoke_old_credential(self, credential: Token) -> None:
        credential.refresh_revoked = True


class JwtBearer(JWTBearerGrant):
    @property
    def CLAIMS_OPTIONS(self) -> dict[str, Any]:     # noqa: N802 - Authlib's name
        return {"iss": {"essential": True}, "sub": {"essential": True}, "exp": {"essential": True},
                "aud": {"essential": True, "values": [ISSUER, endpoint("token")]}}

    def resolve_issuer_client(self, issuer: str) -> Optional[Client]:
        return memory.clients.get(issuer)

    def resolve_client_key(self, client: Client, headers: Any, payload: Any) -> Any:
        return client.public_key

    def authenticate_user(self, subject: str) -> Optional[User]:
        return memory.users.get(subject)

    def has_granted_permission(self, client: Client, user: User) -> bool:
        return user.name in client.subjects


class DeviceCode(DeviceCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def query_device_credential(self, device_code: str) -> Optional[Device]:
        return memory.device(device_code=device_code)

    def query_user_grant(self, user_code: str) -> Optional[tuple[Optional[User], bool]]:
        device = memory.device(user_code=user_code)
        return (device.user, device.decided) if device and device.decided is not None else None

    def should_slow_down(self, credential: Device) -> bool:
        early = time.monotonic() < credential.polled + credential.interval
        g.entry["early"] = early
        credential.polled = time.monotonic()
        told = early or memory.settings["slow_downs"] > 0
        if told:
            memory.settings["slow_downs"] = max(0, memory.settings["slow_downs"] - 1)
            credential.interval += 5
        return told


# --- endpoints ---------------------------------------------------------------------------------------

class DeviceAuthorization(DeviceAuthorizationEndpoint):
    CLIENT_AUTH_METHODS = METHODS

    def get_verification_uri(self) -> str:
        return endpoint("device")

    def create_endpoint_response(self, request: Any) -> Any:
        # Authlib has both as attributes of the class
        self.EXPIRES_IN = memory.settings["device_expires_in"]
        self.INTERVAL = memory.settings["device_interval"]
        return super().create_endpoint_response(request)

    def authenticate_client(self, request: Any) -> Client:
        g.client = super().authenticate_client(request)
        return g.client

    def save_device_credential(self, client_id: Optional[str], scope: str, data: dict[str, Any]) -> None:
        # client_id is that of the form, and there is none with client_secret_basic
        memory.devices.append(Device(data["device_code"], data["user_code"], g.client.client_id, scope or "",
                                     time.monotonic() + data["expires_in"], data["interval"]))


def find_token(text: str, hint: Optional[str]) -> Optional[Token]:
    by_access, by_refresh = memory.by_access(text), memory.by_refresh(text)
    return by_refresh or by_access if hint == "refresh_token" else by_access or by_refresh


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = SECRET_METHODS

    def query_token(self, token_string: str, token_type_hint: Optional[str]) -> Optional[Token]:
        return find_token(token_string, token_type_hint)

    def check_permission(self, token: Token, client: Client, request: Any) -> bool:
        return token.check_client(client)

    def introspect_token(self, token: Token) -> dict[str, Any]:
        found = {"active": True, "client_id": token.client_id, "token_type": "Bearer", "scope": token.scope, "iss": ISSUER,
                 "iat": token.issued_at, "exp": token.issued_at + token.expires_in}
        return found | ({"username": token.user.name, "sub": token.user.name} if token.user else {})


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string: str, token_type_hint: Optional[str]) -> Optional[Token]:
        return find_token(token_string, token_type_hint)

    def revoke_token(self, token: Token, request: Any) -> None:
        token.access_revoked = True
        if request.form["token"] == token.refresh_token:
            token.refresh_revoked = True


class ClientAssertion(JWTBearerClientAssertion):
    CLIENT_AUTH_METHOD = "private_key_jwt"

    def validate_jti(self, claims: Any, jti: str) -> bool:
        new = jti not in memory.jtis
        memory.jtis.add(jti)
        return new

    def resolve_client_public_key(self, client: Client, headers: Any) -> Any:
        return JsonWebKey.import_key(client.public_key)


class Bearer(BearerTokenValidator):
    def authenticate_token(self, token_string: str) -> Optional[Token]:
        return memory.by_access(token_string)


def save_token(token: dict[str, Any], request: Any) -> None:
    memory.tokens.append(Token(request.client.client_id, request.user, token["access_token"], token.get("refresh_token"),
                               token.get("scope") or "", memory.settings["expires_in"]))


def new_token(**_: Any) -> str:
    return secrets.token_urlsafe(32)


def token_life(client: Client, grant_type: str) -> int:
    return int(memory.settings["expires_in"]) if memory.settings["tell_expires_in"] else 0


def endpoint(name: str) -> str:
    """The URL of one of the paths below."""
    return request.host_url.rstrip("/") + f"/oauth/{name}"


def metadata() -> dict[str, Any]:
    """RFC 8414 2; Authlib says whether it is right."""
    found = AuthorizationServerMetadata({
        "issuer": ISSUER, "authorization_endpoint": endpoint("authorize"), "token_endpoint": endpoint("token"),
        "userinfo_endpoint": endpoint("userinfo"), "introspection_endpoint": endpoint("introspect"),
        "revocation_endpoint": endpoint("revoke"), "device_authorization_endpoint": endpoint("device_authorization"),
        "scopes_supported": ["openid", "profile"], "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token", JwtBearer.GRANT_TYPE,
                                  DEVICE_CODE_GRANT_TYPE],
        "token_endpoint_auth_methods_supported": METHODS, "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "introspection_endpoint_auth_methods_supported": SECRET_METHODS, "introspection_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "revocation_endpoint_auth_methods_supported": METHODS, "revocation_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"]})
    if ISSUER.startswith("https:"):
        found.validate()
    return dict(found) | ({"issuer": memory.settings["issuer"]} if memory.settings["issuer"] else {})


# --- routes ------------------------------------------------------------------------------------------

@app.before_request
def begin() -> None:
    memory.lock.acquire()
    form = request.form
    g.entry = {"method": request.method, "path": request.path, "grant_type": form.get("grant_type"), "scope": form.get("scope"),
               "client_id": form.get("client_id") or getattr(request.authorization, "username", None),
               "auth": "client_secret_basic" if request.authorization and request.authorization.type == "basic" else
               "private_key_jwt" if "client_assertion" in form else "client_secret_post" if "client_secret" in form else "none"}


@app.after_request
def log(response: Response) -> Response:
    if not request.path.startswith("/control/"):
        answer = response.get_json(silent=True) or {}
        memory.log.append(g.entry | {"status": response.status_code, "error": answer.get("error")})
    return response


@app.teardown_request
def end(problem: object) -> None:
    memory.lock.release()


@app.get("/.well-known/openid-configuration")
@app.get("/<path:tenant>/.well-known/openid-configuration")
def openid_discovery(tenant: str = "") -> Any:
    """OpenID Connect Discovery 4: the path of the issuer stands before."""
    return discovery("openid", tenant)


@app.get("/.well-known/oauth-authorization-server")
@app.get("/.well-known/oauth-authorization-server/<path:tenant>")
def oauth_discovery(tenant: str = "") -> Any:
    """RFC 8414 3.1: the path of the issuer stands behind."""
    return discovery("oauth", tenant)


def discovery(kind: str, tenant: str) -> Any:
    known = tenant == ISSUER.partition("://")[2].partition("/")[2]
    if not known or memory.settings["discovery"] not in (kind, "both"):
        return jsonify(error="not_found"), 404
    return jsonify(metadata())


app.add_url_rule("/oauth/authorize", "authorize", lambda: authlib_pages.authorize(server, memory), methods=["GET", "POST"])
app.add_url_rule("/oauth/device", "device", lambda: authlib_pages.device(memory), methods=["GET", "POST"])


@app.post("/oauth/token")
def token() -> Any:
    return server.create_token_response()


@app.post("/oauth/introspect")
def introspect() -> Any:
    return server.create_endpoint_response(Introspection.ENDPOINT_NAME)


@app.post("/oauth/revoke")
def revoke() -> Any:
    return server.create_endpoint_response(Revocation.ENDPOINT_NAME)


@app.post("/oauth/device_authorization")
def device_authorization() -> Any:
    return server.create_endpoint_response(DeviceAuthorization.ENDPOINT_NAME)


@app.get("/oauth/userinfo")
@protect()
def userinfo() -> Any:
    user = current_token.user
    name = user.name if user else current_token.client_id
    return jsonify(sub=name, preferred_username=name, name=name)


# --- control -----------------------------------------------------------------------------------------

@app.post("/control/config")
def control_config() -> Any:
    memory.configure(request.get_json())
    return jsonify({})


@app.get("/control/log")
def control_log() -> Any:
    return jsonify(memory.log)


@app.get("/control/tokens")
def control_tokens() -> Any:
    return jsonify([{"client_id": t.client_id, "user": t.user.name if t.user else None, "access_token": t.access_token,
                     "refresh_token": t.refresh_token, "scope": t.scope, "access_revoked": t.access_revoked,
                     "refresh_revoked": t.refresh_revoked} for t in memory.tokens])


def register() -> None:
    server.init_app(app, query_client=memory.clients.get, save_token=save_token)
    server.register_token_generator("default", BearerTokenGenerator(new_token, new_token, token_life))
    for grant in (ClientCredentials, Refresh, JwtBearer, DeviceCode):
        server.register_grant(grant)
    server.register_grant(AuthorizationCode, [S256(required=True)])
    for part in (DeviceAuthorization, Introspection, Revocation):
        server.register_endpoint(part)
    server.register_client_auth_method("private_key_jwt", lambda query, r: ClientAssertion(endpoint("token"))(query, r))
    protect.register_token_validator(Bearer())


def main() -> None:
    global ISSUER
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, required=True, help="for ca.pem and ready.json")
    parser.add_argument("--http", action="store_true", help="plain http, no TLS")
    parser.add_argument("--issuer-path", default="", help="what the issuer has behind its port, as /tenant")
    options = parser.parse_args()
    authority = Authority(options.dir)
    context = None if options.http else authority.context("good")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    register()
    http = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    origin = f"http{'' if options.http else 's'}://127.0.0.1:{http.server_port}"
    ISSUER = origin + options.issuer_path
    ready = {"issuer": ISSUER, "origin": origin, "ca": str(options.dir / "ca.pem")}
    (options.dir / "ready.new").write_text(json.dumps(ready))
    (options.dir / "ready.new").rename(options.dir / "ready.json")
    threading.Thread(target=http.serve_forever, daemon=True).start()
    sys.stdin.read()        # it ends with whoever started it
    http.shutdown()


if __name__ == "__main__":
    main()
