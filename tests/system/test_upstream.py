# SPDX-License-Identifier: Apache-2.0
"""A Salesforce that misbehaves in every way: the old token stays and is served, and nobody else notices."""

from __future__ import annotations

import re
import socket
import sys
import time
from typing import Any, Optional

from harness import BROKER, MANAGER, Daemon, Standin, VarlinkError, expect, run_tests, same, wait_for
from privileged import ask as as_root
from storm import Storm

TIMEOUT_S = 2
SLACK_S = 2.5  # for a machine that is busy: what must not happen takes minutes or for ever
PACE_S = 0.1  # the largest MaxRequestsPerHour= lets 64 requests through in 2.3 s
LIMITS = "MaxRequestsPerHour=100000\nBreakerFailures=1000\nBackoffFirst=1h\nBackoffMax=1h\n"


class Shared:
    salesforce: Standin
    daemon: Daemon


def rss_kb(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))  # type: ignore[union-attr]


def refresh(credential: str) -> int:
    with Shared.daemon.manager() as c:
        return int(c.call(MANAGER + ".Refresh", {"credential": credential})["generation"])


def failing_refresh(credential: str) -> tuple[VarlinkError, float]:
    """A refresh that must fail; meanwhile both credentials are served without a pause. The error, and how long it took."""
    started = time.monotonic()
    with Shared.daemon.manager() as manager, Shared.daemon.broker() as c:
        generations = [c.get(name)["generation"] for name in (credential, "other")]
        manager.send(MANAGER + ".Refresh", {"credential": credential, "waitSeconds": 60})
        manager.socket.settimeout(0.02)
        while True:
            same([c.get(name, waitSeconds=0)["generation"] for name in (credential, "other")], generations)
            try:
                manager.receive()
            except TimeoutError:
                assert time.monotonic() - started < 30, "the refresh never ended"
            except VarlinkError as error:
                return error, time.monotonic() - started
            else:
                raise AssertionError("the refresh did not fail")


def trouble(kind: str, message: str, *, state: str = "backoff", disconnect: bool = False, within: float = TIMEOUT_S + SLACK_S,
            credential: str = "crm", **args: Any) -> VarlinkError:
    """One spoilt renewal: served meanwhile and after it, within Timeout=, logged with what it was, and over with the next answer."""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    logged = len(daemon.log())
    if disconnect:
        salesforce.disconnect()
    salesforce.fault(kind, **({"client_id": f"app-{credential}"} if args.get("path") != "connect" else {}), **args)
    error, took = failing_refresh(credential)
    assert took < within, f"{kind}: {took:.1f} s"
    with daemon.broker() as c:
        info = c.info(credential)
        same(info["state"], state, f"{kind}: {info}")
        assert message in info["lastError"], f"{kind}: {info['lastError']!r} without {message!r}"
        assert len(info["lastError"]) <= 200
        assert c.get(credential)["validity"] == "fresh"
    wait_for(lambda: re.search(rf"attempt\.failed credential={credential} message=.*{re.escape(message[:20])}", daemon.log()[logged:]),
             f"{kind}: a line in the log with {message!r}")
    salesforce.clear_faults()
    time.sleep(PACE_S)
    refresh(credential)
    with daemon.broker() as c:
        same((c.info(credential)["state"], c.info(credential)["lastError"]), ("valid", None))
    return error


def test_silence() -> None:
    """A server that hangs, before or after processing, or closes: Timeout= ends it"""
    trouble("hang", "did not answer")
    trouble("hang", "did not answer", processed=True)
    for kind in ("drop_before", "drop_after"):
        for reset in (False, True):
            trouble(kind, "closed the connection", reset=reset, forever=True)  # libcurl sends once again where a kept connection was dead


def test_slow() -> None:
    """One byte a second, in the body or already in the headers, is ended by Timeout= (T06)"""
    trouble("slow_body", "did not answer")
    trouble("slow_headers", "did not answer")


def test_cold_get_beside_a_hang() -> None:
    """While one credential hangs, another one that has no token yet gets one"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.fault("hang", client_id="app-crm")
    with daemon.manager() as manager, daemon.broker() as c:
        manager.send(MANAGER + ".Refresh", {"credential": "crm"})
        wait_for(lambda: salesforce.token_requests("app-crm")[-1]["status"] is None, "the hanging request")
        assert c.get("cold")["accessToken"]
        expect(VarlinkError, manager.receive)
    refresh("crm")


def test_too_much() -> None:
    """200 MB, an absurd length, header and 1xx floods, a gzip bomb: refused, and the mint's memory does not grow"""
    pid = Shared.daemon.child("mint")
    assert pid
    before = rss_kb(pid)
    trouble("huge", "too long", mb=200)
    trouble("huge", "too long", mb=200, status=503)
    trouble("huge_length", "did not answer")
    trouble("huge_length", "did not answer", length=-1)
    trouble("many_headers", "too long")
    trouble("informational", "too long", then_answer=False, n=1000000, within=TIMEOUT_S + 2 * SLACK_S)
    trouble("gzip_bomb", "too long", within=TIMEOUT_S + 2 * SLACK_S)
    trouble("big_token", "16 KiB")
    assert rss_kb(pid) < before + 24 * 1024, f"{before} kB before, {rss_kb(pid)} kB after"


def test_not_json() -> None:
    """HTML with 200 and 503, wrong type, empty, trailing text, BOM, garbage: tried again later"""
    trouble("html", "web page", status=200)
    trouble("html", "in trouble", status=503)
    trouble("content_type", "not JSON", value="text/html")
    trouble("empty", "damaged")
    trouble("trailing", "damaged")
    trouble("bom", "damaged")
    trouble("raw", "did not answer")
    trouble("status", "trouble", status=500)
    trouble("status", "not JSON", status=204)


def test_nearly_right() -> None:
    """Truncated both ways, duplicate keys, NUL, CR or a space in the token, an empty or missing token (T07)"""
    trouble("truncate", "broke off")
    trouble("truncate", "damaged", length=False)
    trouble("half_close", "broke off")
    trouble("duplicate_keys", "damaged")
    trouble("duplicate_keys", "damaged", name="instance_url", value="https://evil.example.net")
    for insert in ("\0", "\r\n", " ", "é", "\x7f"):
        trouble("bad_token", "damaged", insert=insert)
    trouble("edit", "damaged", set={"access_token": ""})
    trouble("edit", "damaged", remove=["access_token"])
    trouble("edit", "damaged", set={"token_type": "mac"})


def test_instance_url() -> None:
    """A token for a host that AllowedHosts= does not name is not taken, and an administrator is told"""
    for value in ("https://evil.example.net", "https://evil.example.net/127.0.0.1", "http://127.0.0.1:1", "https://salesforce.com.evil.example.net"):
        error = trouble("instance_url", "host", state="suspended", value=value)
        same(error.short, "NotServed", value)


def test_redirects() -> None:
    """No redirect is followed: the other server sees no connection (T08)"""
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.2)
        for status in (301, 302, 303, 307, 308):
            for scheme in ("http", "https"):
                location = f"{scheme}://127.0.0.1:{other.getsockname()[1]}/services/oauth2/token"
                trouble("redirect", "elsewhere", state="suspended", status=status, location=location)
        expect(TimeoutError, other.accept)


def test_tls() -> None:
    """A handshake that stalls, a reset, plain text instead of TLS"""
    trouble("tls_stall", "could not be reached", disconnect=True, path="connect")
    trouble("reset", "could not be reached", disconnect=True, path="connect")
    trouble("plain_text", "no TLS connection", disconnect=True, path="connect")


def test_certificates() -> None:
    """An expired, self-signed or wrongly named certificate and TLS 1.1 are refused, and nothing is sent"""
    salesforce = Shared.salesforce
    for kind in ("expired", "wrong_name", "self_signed", "tls1_1"):
        salesforce.configure(tls=kind)
        salesforce.disconnect()
        sent = len(salesforce.token_requests())
        failing_refresh("crm")
        same(len(salesforce.token_requests()), sent, f"{kind}: requests")
        with Shared.daemon.broker() as c:
            info = c.info("crm")
        same(info["state"], "backoff", kind)
        if kind in ("expired", "wrong_name", "self_signed"):
            assert "certificate" in info["lastError"], f"{kind}: {info}"
    salesforce.configure(tls="good")
    refresh("crm")


def test_not_listening() -> None:
    """A host that refuses connections is said to be unreachable"""
    Shared.salesforce.listen(False)
    Shared.salesforce.disconnect()
    error, took = failing_refresh("crm")
    same(error.short, "Unavailable")
    assert took < TIMEOUT_S + SLACK_S
    with Shared.daemon.broker() as c:
        assert "reached" in c.info("crm")["lastError"], c.info("crm")
    Shared.salesforce.listen(True)
    refresh("crm")


def test_jwt_too() -> None:
    """The same for JWT bearer: hang, HTML, truncated, redirect"""
    trouble("hang", "did not answer", credential="prod")
    trouble("html", "web page", credential="prod")
    trouble("truncate", "broke off", credential="prod")
    trouble("redirect", "elsewhere", state="suspended", credential="prod")


def test_nothing_left_behind() -> None:
    """After all that the mint holds as many descriptors as before"""
    daemon = Shared.daemon
    pid = daemon.child("mint")
    assert pid
    # every connection of libcurl's pool was cut above; a good exchange opens one again
    for name in ("crm", "other", "prod"):
        refresh(name)
    found: dict[str, str] = {}

    def few() -> bool:
        found.update(as_root("descriptors", pid))
        return len(found) <= Shared.descriptors + 4  # type: ignore[attr-defined]

    wait_for(few, f"few descriptors; there were {Shared.descriptors}")  # type: ignore[attr-defined]


def test_proxies_of_the_environment() -> None:
    """HTTPS_PROXY and its kin in the daemon's environment are not used"""
    with socket.create_server(("127.0.0.1", 0)) as proxy, Standin() as salesforce:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "all_proxy")
        with Daemon(salesforce, environment={n: address for n in names}) as daemon:
            daemon.add_client_credentials("crm", extra="Required=yes")
            daemon.start()
            with daemon.broker() as c:
                assert c.get("crm")["accessToken"]
        proxy.settimeout(0.2)
        expect(TimeoutError, proxy.accept)


def retry_after(salesforce: Standin, daemon: Daemon, rows: list[tuple[Any, int]], demanded: int) -> list[tuple[int, float]]:
    """For each (values, status): how long after an answer with them the next request came; of the first `demanded` also
    retryAfterSeconds of a get meanwhile."""
    names = [f"c{i}" for i in range(len(rows))]
    for name, (values, status) in zip(names, rows):
        daemon.add_client_credentials(name)
        salesforce.fault("retry_after", client_id=f"app-{name}", status=status, values=values)
    daemon.start()
    for name in names:
        salesforce.wait_requests(1, client_id=f"app-{name}")
    # nobody asks for the others: a first demand may bring a try forward
    with Storm(daemon.broker_path, demanded) as storm:
        replies = storm.call(BROKER + ".GetToken", lambda i: {"credential": names[i], "waitSeconds": 1})
    said = [int(r["parameters"].get("retryAfterSeconds", -1)) for r in replies]
    times = [[r["t"] for r in salesforce.wait_requests(2, client_id=f"app-{name}")] for name in names]
    return [(s, t[1] - t[0]) for s, t in zip([*said, *[0] * (len(rows) - demanded)], times)]


def test_retry_after() -> None:
    """Retry-After of 429 and 503 is honoured, clamped to RetryAfterMax=, and nonsense in it is not believed (T09)"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings("[Limits]\nStartSpread=0s\nBackoffFirst=1500ms\nBackoffMax=1500ms\nRetryAfterMax=9s\nSuspendedRetryFirst=100ms\n"
                            "SuspendedRetryMax=100ms\nMaxRequestsPerHour=10000\nBreakerFailures=1000\n")
        past = "Fri, 01 Jan 2021 00:00:00 GMT"
        rows = [("5", 429), ("5", 503), ("100000", 429), ("99999999999999999999999", 503)]
        nonsense: list[tuple[Any, int]] = [(v, 429) for v in ("soon", "-5", "", "3x", past)]
        found = retry_after(salesforce, daemon, [*rows, *nonsense], len(rows))
        # a turn of the daemon's loop has one time, that of its begin, and may last some milliseconds on a loaded machine
        for said, waited in found[:2]:
            assert 3 <= said <= 6 and 4.95 <= waited < 8, f"Retry-After 5: {said} s, {waited:.2f} s"
        for said, waited in found[2:4]:
            assert 7 <= said <= 10 and 8.95 <= waited < 13, f"clamped to 9: {said} s, {waited:.2f} s"
        for (value, _), (_, waited) in zip(nonsense, found[4:]):
            assert 1.4 <= waited < 4.5, f"{value!r}: {waited:.2f} s"


def run() -> int:
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings(f"[Network]\nTimeout={TIMEOUT_S}s\nConnectTimeout=1500ms\n[Limits]\n{LIMITS}")
        for name in ("crm", "other"):
            daemon.add_client_credentials(name, extra="Required=yes\nIntrospect=no")
        daemon.add_client_credentials("cold", extra="Introspect=no")
        daemon.add_jwt("prod", extra="Required=yes")
        daemon.start()
        pid: Optional[int] = daemon.child("mint")
        Shared.descriptors = len(as_root("descriptors", pid))  # type: ignore[attr-defined]
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
