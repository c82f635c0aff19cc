# SPDX-License-Identifier: Apache-2.0
"""Device logins, in both dialects. Run by test_standin.py."""

from __future__ import annotations

from typing import Any, Callable

from .errors import ALL_ERRORS as ERRORS
from .grants.device import RFC8628
from .standin_client import StandinError
from .tap import SECRET, TOKEN, USER, Case, Reply, equal

DEV = "3MVG9.dev"
START = "/services/oauth2/device_authorization"


def _app(case: Case, **more: Any) -> None:
    case.standin.add_app(DEV, scopes="api refresh_token", **more)
    case.standin.configure(device_slow_down=False)


def _begin(case: Case, **more: str) -> Any:
    reply = case.client.post(TOKEN, {"response_type": "device_code", "client_id": DEV} | more)
    equal(reply.status, 200)
    return reply.json


def _poll(case: Case, code: str, **more: str) -> Reply:
    return case.client.post(TOKEN, {"grant_type": "device", "client_id": DEV, "code": code} | more)


def test_device(case: Case) -> None:
    """device: start, poll, the page with the code, the answer, once"""
    _app(case)
    begun = _begin(case, scope="api refresh_token")
    equal(set(begun), {"device_code", "user_code", "verification_uri", "interval"})
    equal((begun["verification_uri"], begun["interval"], len(begun["user_code"])),
          (case.standin.url + "/setup/connect", 5, 8))
    for _ in range(2):
        reply = _poll(case, begun["device_code"])
        equal((reply.status, reply.error), (400, ERRORS["authorization_pending"]))
    words = case.standin.enter_code(begun["verification_uri"], begun["user_code"].lower(), USER)
    assert "You're Connected" in words, words
    reply = _poll(case, begun["device_code"])
    equal((reply.status, set(reply.json)), (200, {
        "access_token", "refresh_token", "signature", "scope", "instance_url", "id", "token_type",
        "issued_at"}))
    equal(case.client.refresh(reply.json["refresh_token"], DEV, secret=None).status, 200)
    equal(_poll(case, begun["device_code"]).error, ERRORS["expired_device_code"])
    equal([(d["state"], d["user"], d["polls"]) for d in case.standin.devices(DEV)],
          [("used", USER, 4)])
    equal(case.standin.problems(), [])


def test_device_refusals(case: Case) -> None:
    """device: denied, expired, unknown, another app's, texts, secrets, flow off"""
    _app(case)
    begun = _begin(case)
    case.standin.enter_code(begun["verification_uri"], begun["user_code"], USER, allow=False)
    equal(_poll(case, begun["device_code"]).error, ERRORS["access_denied"])
    begun = _begin(case)
    case.standin.add_app("other")
    equal(_poll(case, begun["device_code"], client_id="other").error,
          ERRORS["expired_device_code"])
    case.standin.advance(600)
    equal(_poll(case, begun["device_code"]).error, ERRORS["expired_device_code"])
    try:
        case.standin.enter_code(begun["verification_uri"], begun["user_code"], USER)
        raise AssertionError("an expired code was taken")
    except StandinError as error:
        assert "wrong or has expired" in str(error), error
    begun = _begin(case)
    case.standin.configure(device_texts={"authorization_pending": "wait"})
    equal(_poll(case, begun["device_code"]).error, ("authorization_pending", "wait"))
    _app(case, secret=SECRET, secret_for_device=True)
    case.standin.approve_device(begun["user_code"], USER)
    equal(_poll(case, begun["device_code"]).error, ERRORS["invalid_client"])
    equal(_poll(case, begun["device_code"], client_secret=SECRET).status, 200)
    equal(case.standin.problems(), [])
    _app(case, flows=["web_server"])
    reply = case.client.post(TOKEN, {"response_type": "device_code", "client_id": DEV,
                                     "client_secret": SECRET})
    equal(reply.error, ERRORS["unsupported_grant_type"])


def test_slow_down(case: Case) -> None:
    """device: polls that come too fast make the interval longer"""
    _app(case, device_interval_s=0.3)
    case.standin.configure(device_slow_down=True, slow_down_adds_s=7)
    begun = _begin(case)
    equal(begun["interval"], 0.3)
    equal(_poll(case, begun["device_code"]).error, ERRORS["authorization_pending"])
    equal(_poll(case, begun["device_code"]).error, ERRORS["slow_down"])
    equal(case.standin.devices()[0]["interval"], 7.3)


def test_rfc8628(case: Case) -> None:
    """device by RFC 8628: its endpoint, its grant, its errors"""
    _app(case)
    equal(case.client.post(START, {"client_id": DEV}).status, 404)
    assert "device_authorization_endpoint" not in case.client.get(
        "/.well-known/openid-configuration").json
    case.standin.configure(rfc8628=True)
    equal(case.client.get("/.well-known/openid-configuration").json[
        "device_authorization_endpoint"], case.standin.url + START)
    begun = case.client.post(START, {"client_id": DEV, "scope": "api"}).json
    equal(set(begun), {"device_code", "user_code", "verification_uri", "interval", "expires_in",
                       "verification_uri_complete"})
    equal(begun["expires_in"], 600)

    def poll() -> Reply:
        return case.client.post(TOKEN, {"grant_type": RFC8628, "client_id": DEV,
                                        "device_code": begun["device_code"]})
    equal(poll().error, ERRORS["authorization_pending"])
    equal(_poll(case, begun["device_code"]).error, ERRORS["expired_device_code"])
    case.standin.enter_code(begun["verification_uri_complete"], "", USER)
    equal(poll().json["scope"], "api")
    begun = case.client.post(START, {"client_id": DEV}).json
    case.standin.advance(600)
    equal(poll().error, ERRORS["expired_token"])
    equal(case.standin.problems(), [])


DEVICE_TESTS: list[Callable[[Case], None]] = [
    value for name, value in list(globals().items()) if name.startswith("test_")]
