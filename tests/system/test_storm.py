# SPDX-License-Identifier: Apache-2.0
"""A thousand callers at once: one request to Salesforce, equal answers; reports are claims."""

from __future__ import annotations

import time
from typing import Any

from harness import BROKER, MANAGER, Daemon, Standin, expect, main, same, wait_for, VarlinkError
from storm import Storm

CALLERS = 1000
GET = BROKER + ".GetToken"


def tokens(replies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The token objects without the member that is allowed to differ."""
    bad = [r for r in replies if "error" in r]
    same(bad[:1], [], "error replies")
    found = [dict(r["parameters"]["token"]) for r in replies]
    for token in found:
        token.pop("expiresInSeconds")
    return found


def started(daemon: Daemon, extra: str = "Required=yes") -> Daemon:
    # one user makes all these calls here, so that the limits per user are raised to the number of callers
    daemon.add_settings("[Limits]\nMaxReportsPerSecond=100000\n")
    daemon.add_client_credentials("crm", extra=extra)
    daemon.add_client_credentials("other", extra=extra)
    return daemon.start()


def test_cold_credential() -> None:
    """1,000 callers on a cold credential: exactly one POST, 1,000 equal answers (T02)"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        salesforce.fault("delay", seconds=2, client_id="app-crm", after=False)
        started(daemon, "")
        with Storm(daemon.broker_path, CALLERS) as storm:
            found = tokens(storm.call(GET, {"credential": "crm"}))
        same(len(found), CALLERS)
        assert all(token == found[0] for token in found), "the answers are not equal"
        same(len(salesforce.token_requests("app-crm")), 1, "POSTs to the token endpoint")
        same(salesforce.problems(), [])


def test_dead_generation() -> None:
    """1,000 callers that reject the same dead generation: one check, one POST"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        started(daemon)
        with daemon.broker() as c:
            old = c.get("crm")
        salesforce.kill_token(old["accessToken"])
        posts, checks = (len(salesforce.requests(path=p, client_id=None)) for p in ("token", "userinfo"))
        with Storm(daemon.broker_path, CALLERS) as storm:
            found = tokens(storm.call(GET, {"credential": "crm", "rejectedGeneration": old["generation"]}))
        assert all(t["accessToken"] != old["accessToken"] and t["generation"] > old["generation"] for t in found)
        same({(t["accessToken"], t["generation"]) for t in found}, {(found[0]["accessToken"], found[0]["generation"])})
        same(len(salesforce.requests(path="userinfo")) - checks, 1, "checks")
        same(len(salesforce.requests(path="token")) - posts, 1, "POSTs to the token endpoint")


def test_live_generation_by_get() -> None:
    """1,000 callers that reject a live generation by rejectedGeneration: no POST, one check; others get the token"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        started(daemon)
        with daemon.broker() as c:
            old = c.get("crm")
        posts = len(salesforce.token_requests())
        salesforce.fault("delay", path="userinfo", seconds=1)
        with Storm(daemon.broker_path, CALLERS) as storm, daemon.broker() as bystander:
            storm.send(GET, {"credential": "crm", "rejectedGeneration": old["generation"]})
            wait_for(lambda: salesforce.requests(path="userinfo"), "the check")
            for _ in range(20):
                same(bystander.get("crm", waitSeconds=0)["generation"], old["generation"])
            replies = storm.receive()
        for reply in replies:
            same(reply.get("error"), BROKER + ".Rejected")
            same(reply["parameters"]["oauthError"], "token_accepted_by_server")
        same(len(salesforce.token_requests()), posts, "POSTs to the token endpoint")
        same(len(salesforce.requests(path="userinfo")), 1, "checks")


def test_live_generation_by_report() -> None:
    """1,000 ReportRejected of a live generation: no POST, one check, no get waits"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        started(daemon)
        with daemon.broker() as c, Storm(daemon.broker_path, CALLERS) as storm:
            old = c.get("crm")
            posts = len(salesforce.token_requests())
            replies = storm.call(BROKER + ".ReportRejected", {"credential": "crm", "generation": old["generation"], "httpStatus": 401})
            for reply in replies:
                same(reply, {"parameters": {"accepted": True, "generation": old["generation"]}})
            same(c.get("crm", waitSeconds=0)["generation"], old["generation"])
            wait_for(lambda: salesforce.requests(path="userinfo"), "the check")
            for _ in range(100):
                same(c.get("crm", waitSeconds=0)["generation"], old["generation"])
            same(len(salesforce.token_requests()), posts, "POSTs to the token endpoint")
            same(len(salesforce.requests(path="userinfo")), 1, "checks")


def test_reports_without_end() -> None:
    """50 callers, 10,000 reports of current and stale generations: one check, no POST, and a reader is answered all the while (T13)"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        started(daemon)
        with daemon.broker() as c:
            stale = c.get("crm")["generation"]
        with daemon.manager() as m:
            current = m.call(MANAGER + ".Refresh", {"credential": "crm"})["generation"]
        posts = len(salesforce.token_requests())
        waits = []
        with Storm(daemon.broker_path, 50) as storm, daemon.broker() as reader:
            began = time.monotonic()
            for turn in range(200):
                storm.send(BROKER + ".ReportRejected", lambda i, turn=turn: {"credential": "crm", "generation": (current, stale)[(i + turn) % 2]})
                asked = time.monotonic()
                same(reader.get("crm", waitSeconds=0)["generation"], current)
                waits.append(time.monotonic() - asked)
                for reply in storm.receive():
                    same(reply["parameters"]["generation"], current)
            took = time.monotonic() - began
        same(len(salesforce.token_requests()), posts, "POSTs to the token endpoint")
        same(len(salesforce.requests(path="userinfo")), 1, "checks")
        waits.sort()
        print(f"# {10000 / took:.0f} reports a second; the reader waited {waits[len(waits) // 2] * 1000:.1f} ms, p99 {waits[-3] * 1000:.1f} ms")


def test_reported_meanwhile() -> None:
    """Until a report is confirmed the others get the token with validity reported"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        started(daemon)
        salesforce.fault("delay", path="userinfo", seconds=1)
        with daemon.broker() as c:
            generation = c.get("crm")["generation"]
            c.call(BROKER + ".ReportRejected", {"credential": "crm", "generation": generation})
            wait_for(lambda: salesforce.requests(path="userinfo"), "the check")
            same(c.get("crm")["validity"], "reported")
            wait_for(lambda: c.get("crm")["validity"] == "fresh", "confirmed alive")


def test_old_and_future_generations() -> None:
    """A rejected generation that is older than the current one is satisfied, a greater one ignored"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        started(daemon)
        with daemon.broker() as c:
            generation = c.get("crm")["generation"]
            for rejected in (generation - 1, generation + 1, generation + 1000000):
                same(c.get("crm", rejectedGeneration=rejected)["generation"], generation)
                reply = c.call(BROKER + ".ReportRejected", {"credential": "crm", "generation": rejected})
                same(reply, {"accepted": False, "generation": generation})
        same(len(salesforce.requests(path="userinfo")), 0, "checks")


def test_waiters_share_a_failure() -> None:
    """Callers that wait for a token that Salesforce refuses all get the reason at once"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm", app={"force_error": "inactive_user"})
        daemon.start()
        with Storm(daemon.broker_path, 200) as storm:
            replies = storm.call(GET, {"credential": "crm"})
        for reply in replies:
            assert reply["error"] in (BROKER + ".Rejected", BROKER + ".NotServed"), reply
        assert len(salesforce.token_requests()) <= 2, salesforce.token_requests()
        with daemon.broker() as c:
            error = expect(VarlinkError, lambda: c.get("crm"))
            assert isinstance(error, VarlinkError) and "inactive" in str(error.parameters), error


if __name__ == "__main__":
    main()
