# SPDX-License-Identifier: Apache-2.0
"""The stand-in as a server that is not Salesforce: discovery, endpoints, answers and errors of
plain OAuth 2.0 and OpenID Connect; and what is touched after a login. Run by test_standin.py."""

from __future__ import annotations

import base64
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

from .assertion_checks import client_assertion
from .errors import ERRORS
from .grants.device import RFC8628
from .login_checks import WEB, answer_of, ask, pkce, url, web_app
from .standin_client import StandinError
from .tap import APP, JWT_APP, SECRET, USER, Case, Reply, equal

OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"


def _generic(case: Case, **more: Any) -> dict[str, Any]:
    """Switch, and discover: member -> path."""
    case.standin.configure(dialect="generic", **more)
    path = more.get("issuer_path", "")
    found = case.client.get(path + OPENID).json
    return {n: urlsplit(v).path if isinstance(v, str) else v for n, v in found.items()}


def _client_credentials(case: Case, path: str, secret: str = SECRET, basic: bool = False,
                        **fields: str) -> Reply:
    form = {"grant_type": "client_credentials"} | fields
    if not basic:
        return case.client.post(path, form | {"client_id": APP, "client_secret": secret})
    value = base64.b64encode(f"{APP}:{secret}".encode()).decode()
    return case.client.post(path, form, headers={"Authorization": "Basic " + value})


def test_generic_discovery(case: Case) -> None:
    """generic: both documents, the paths, Salesforce's paths lead nowhere, an issuer with a path"""
    paths = _generic(case)
    equal([paths[f"{n}_endpoint"] for n in ("token", "authorization", "device_authorization",
                                            "introspection", "revocation", "userinfo")],
          ["/token", "/authorize", "/device_authorization", "/introspect", "/revoke", "/userinfo"])
    equal(case.client.get(OPENID).json["issuer"], case.standin.url)
    equal(case.client.get(OAUTH).json["jwks_uri"], case.standin.url + "/jwks")
    equal(case.client.get("/jwks").status, 200)
    equal(_client_credentials(case, "/services/oauth2/token").status, 404)
    for kind, statuses in (("openid", (200, 404)), ("oauth", (404, 200)), ("none", (404, 404))):
        case.standin.configure(discovery=kind)
        equal((case.client.get(OPENID).status, case.client.get(OAUTH).status), statuses)
    paths = _generic(case, discovery="both", issuer_path="/realms/x")
    equal(paths["token_endpoint"], "/realms/x/token")
    equal(case.client.get(OAUTH + "/realms/x").json["issuer"], case.standin.url + "/realms/x")
    equal((case.client.get(OPENID).status, case.client.get(OAUTH).status), (404, 404))
    equal(_client_credentials(case, "/realms/x/token").status, 200)
    equal(case.client.post("/realms/x/token", {"grant_type": "client_credentials"}
                           | client_assertion(case, case.standin.url + "/realms/x")).status, 200)
    equal(len(case.standin.token_requests()), 2)
    equal(case.standin.problems(), [])


def test_generic_answers(case: Case) -> None:
    """generic: plain answers, expires_in, scopes of client credentials"""
    path = _generic(case)["token_endpoint"]
    case.standin.add_app(APP, run_as=None)
    reply = _client_credentials(case, path, basic=True, scope="api")
    equal((reply.status, set(reply.json)), (200, {"access_token", "token_type", "expires_in",
                                                  "scope"}))
    assert 7190 <= reply.json["expires_in"] <= 7200 and reply.json["scope"] == "api"
    case.standin.configure(token_type="bearer", scope_in_answer=False)
    case.standin.add_app(APP, expires_in=77)
    reply = _client_credentials(case, path)
    equal((set(reply.json), reply.json["expires_in"], reply.json["token_type"]),
          ({"access_token", "token_type", "expires_in"}, 77, "bearer"))
    token = reply.json["access_token"]
    told = case.client.post("/introspect", {"token": token, "client_id": APP,
                                            "client_secret": SECRET}).json
    equal((told["active"], told["client_id"], told["scope"]), (True, APP, "api id"))
    revoke = {"token": token, "client_id": APP}
    equal(case.client.post("/revoke", revoke).status, 401)
    equal(case.client.post("/revoke", revoke | {"client_secret": SECRET}).status, 200)
    equal(case.client.post("/revoke", revoke | {"client_secret": SECRET}).status, 200)
    equal(case.standin.is_live(token), False)
    equal(case.standin.problems(), [])


def test_generic_errors(case: Case) -> None:
    """generic: RFC 6749's errors, 401 with WWW-Authenticate, never two authentications"""
    path = _generic(case)["token_endpoint"]
    reply = _client_credentials(case, path, "wrong", basic=True)
    equal((reply.status, reply.error[0]), (401, "invalid_client"))
    assert reply.headers["WWW-Authenticate"].startswith("Basic ")
    equal(case.client.post(path, {"grant_type": "client_credentials", "client_id": "nobody"}).error,
          ("invalid_client", ERRORS["invalid_client_id"][1]))
    equal(case.client.post(path, {"grant_type": "device", "client_id": APP, "code": "x"}).error[0],
          "unsupported_grant_type")
    equal(_client_credentials(case, path, scope="root").error[0], "invalid_scope")
    case.standin.force_error(APP, "inactive_user")
    equal(_client_credentials(case, path).error, ("invalid_grant", "user is inactive"))
    case.standin.force_error(APP, None)
    case.standin.configure(strict=False)
    equal(_client_credentials(case, path, basic=True, client_secret=SECRET).error[0],
          "invalid_request")
    reply = case.client.get("/userinfo", "bad")
    equal((reply.status, reply.headers["WWW-Authenticate"]), (401, 'Bearer error="invalid_token"'))
    equal(case.standin.problems(), [])


def test_generic_login(case: Case) -> None:
    """generic: code with PKCE, any port on loopback, refresh, userinfo, JWT access tokens"""
    _generic(case)
    web_app(case, auto_consent=False, pkce="required", jwt_tokens=True)
    verifier, challenge = pkce()
    back = "http://localhost:4711/OauthRedirect"
    location = case.standin.browse(url(case, challenge, path="/authorize", redirect_uri=back,
                                       scope="openid offline_access"), USER)
    assert location.startswith(back + "?code="), location
    reply = ask(case, answer_of(location)["code"], verifier, path="/token", redirect_uri=back)
    equal(set(reply.json), {"access_token", "token_type", "expires_in", "scope", "refresh_token",
                            "id_token"})
    equal(case.client.get("/userinfo", reply.json["access_token"]).json["preferred_username"], USER)
    again = case.client.post("/token", {
        "grant_type": "refresh_token", "refresh_token": reply.json["refresh_token"],
        "client_id": WEB, "client_secret": SECRET})
    equal(set(again.json), {"access_token", "token_type", "expires_in", "scope"})
    equal(case.standin.problems(), [])
    case.standin.configure(strict=False)
    denied = answer_of(case.standin.browse(url(case, challenge, path="/authorize",
                                               code_challenge_method=None), USER))
    equal(denied["error"], "invalid_request")       # RFC 7636: without a method it is plain


def test_generic_device(case: Case) -> None:
    """generic: the device grant of RFC 8628"""
    path = _generic(case)["device_authorization_endpoint"]
    case.standin.configure(device_slow_down=False)
    case.standin.add_app("tv")
    begun = case.client.post(path, {"client_id": "tv"}).json
    equal(begun["verification_uri"], case.standin.url + "/device")
    form = {"grant_type": RFC8628, "client_id": "tv", "device_code": begun["device_code"]}
    equal(case.client.post("/token", form).error[0], "authorization_pending")
    case.standin.approve_device(begun["user_code"], USER)
    equal(case.client.post("/token", form).status, 200)
    equal(case.client.post("/token", form).error[0], "invalid_grant")
    equal(case.standin.problems(), [])


# -- what clients of Salesforce touch after a login ----------------------------------------------

def test_identity(case: Case) -> None:
    """userinfo and the identity URL: every member, both ways to carry the token"""
    case.standin.add_user(USER, email="e@example.com")
    token = case.client.client_credentials().json["access_token"]
    facts = case.client.get("/services/oauth2/userinfo", token).json
    equal(set(facts), {
        "sub", "user_id", "organization_id", "preferred_username", "nickname", "name", "email",
        "email_verified", "given_name", "family_name", "zoneinfo", "photos", "profile", "picture",
        "address", "urls", "active", "user_type", "language", "locale", "utcOffset", "updated_at",
        "is_app_installed"})
    path = urlsplit(facts["sub"]).path
    told = case.client.get(path, token).json
    equal(set(told), {
        "id", "asserted_user", "user_id", "organization_id", "username", "nick_name",
        "display_name", "email", "first_name", "last_name", "photos", "urls", "active",
        "user_type", "language", "locale", "utcOffset", "last_modified_date"})
    equal(told["email"], "e@example.com")
    quoted = token.replace("!", "%21")
    equal(case.client.get(f"{path}?format=json&oauth_token={quoted}").json, told)
    assert b"<username>" + USER.encode() in case.client.get(path + "?format=xml", token).body
    for bad, text in ((path, b"Missing_OAuth_Token"), (path + "?oauth_token=x", b"Bad_OAuth_Token"),
                      (path[:-3] + "AAA?oauth_token=" + quoted, b"Bad_Id"),
                      (path.replace("00Dxx", "00Dyy") + "?oauth_token=" + quoted, b"Wrong_Org")):
        reply = case.client.get(bad)
        equal((reply.status, reply.body), (403, text))
    case.standin.add_user(USER, active=False)
    equal(case.client.get(path, token).body, b"Inactive_User")


def test_data(case: Case) -> None:
    """the REST API: versions, resources, queries, columns, a user, errors as arrays"""
    token = case.client.client_credentials().json["access_token"]
    base = "/services/data/v62.0"

    def get(path: str, wanted: int = 200) -> Any:
        reply = case.client.get(base + path, token)
        equal((path, reply.status), (path, wanted))
        return reply.json
    assert "sobjects" in get("") and "limits" in get("/")
    fields = "Name,+InstanceName,+IsSandbox,+TrialExpirationDate,+NamespacePrefix,+OrganizationType"
    found = get(f"/query?q=SELECT+{fields}+FROM+Organization")
    equal((found["totalSize"], found["done"], found["records"][0]["IsSandbox"]), (1, True, False))
    hub = "/query?q=SELECT%20Id%20FROM%20ScratchOrgInfo%20limit%201"
    equal(get(hub, 400)[0]["errorCode"], "INVALID_TYPE")
    case.standin.configure(dev_hub=True)
    equal(get(hub)["records"], [])
    columns = get("/query?q=select+Id,Name+from+User&columns=true")["columnMetadata"]
    equal([c["columnName"] for c in columns], ["Id", "Name"])
    user_id = case.client.get("/services/oauth2/userinfo", token).json["user_id"]
    for name in (user_id, user_id[:15]):
        equal(get("/sobjects/User/" + name)["Username"], USER)
    where = get(f"/query?q=SELECT+Id+FROM+User+WHERE+Username='{USER}'")
    equal([r["Id"] for r in where["records"]], [user_id])
    get("/sobjects/User/005000000000000", 404)
    equal(get("/query?q=hello", 400)[0]["errorCode"], "MALFORMED_QUERY")
    case.standin.kill_token(token)
    equal(get("/limits", 401)[0]["errorCode"], "INVALID_SESSION_ID")


def test_salesforce_discovery(case: Case) -> None:
    """discovery of Salesforce: the members, by the host that was asked"""
    reply = case.client.get(OPENID).json
    equal(set(reply) - {"claims_supported"}, {
        "issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint",
        "userinfo_endpoint", "jwks_uri", "registration_endpoint", "introspection_endpoint",
        "end_session_endpoint", "frontchannel_logout_supported",
        "frontchannel_logout_session_supported", "scopes_supported", "response_types_supported",
        "subject_types_supported", "id_token_signing_alg_values_supported",
        "display_values_supported", "token_endpoint_auth_methods_supported"})
    asked = case.client.ask("GET", OPENID, headers={"Host": "acme.my.salesforce.com"}).json
    equal((asked["issuer"], asked["jwks_uri"]), (
        "https://acme.my.salesforce.com", "https://acme.my.salesforce.com/id/keys"))
    equal(case.client.get(OAUTH).json, reply)


def test_people_client(case: Case) -> None:
    """the tests' own helpers: codes without a browser, error pages as exceptions"""
    web_app(case)
    verifier, challenge = pkce()
    code = case.standin.new_code(USER, WEB, "http://localhost:1717/OauthRedirect", challenge)
    equal(ask(case, code, verifier).status, 200)
    problem: Optional[StandinError] = None
    try:
        case.standin.browse(url(case, challenge, client_id=JWT_APP), USER)
    except StandinError as error:
        problem = error
    assert problem and "redirect_uri_mismatch" in str(problem), problem
    equal(case.standin.visit(case.standin.url + "/services/oauth2/success").status, 200)
    equal(case.standin.requests(path="authorize")[0]["values"]["response_type"], "code")


GENERIC_TESTS: list[Callable[[Case], None]] = [
    value for name, value in list(globals().items()) if name.startswith("test_")]
