# SPDX-License-Identifier: Apache-2.0
"""When refresh tokens are spent: in time, never in herds, not for reports that are not confirmed, not before Retry-After."""

from __future__ import annotations

import time
from typing import Any

from harness import BROKER, Daemon, Standin, VarlinkError, expect, main, same, wait_for
from rotating import CALM, no_alarms, posts, refresh, token, wait_first, wait_state
from spending import add_many, give_all, most_in_flight
from storm import Storm

LATENCY_S = 0.1
SLACK_S = 1.5  # a machine that does other things; what must not happen takes much longer


def renewals(number: int, session_s: int, cycles: int) -> str:
    """T01: each renewal comes at 45 to 72 % of the life, no get sees a token with less than a quarter of its life."""
    with Standin(session_timeout_s=session_s, max_grants=0) as salesforce, Daemon(salesforce, options=()) as daemon:
        daemon.add_settings(f"[Limits]\n{CALM}StartSpread=1s\n")
        tokens = add_many(salesforce, daemon, number, f"SessionTimeout={session_s}s\nIntrospect=no")
        daemon.start()
        give_all(daemon, tokens)
        least, gets = 1.0, 0
        deadline = time.monotonic() + session_s * (cycles + 3)
        with daemon.broker() as c:
            while len(salesforce.token_requests()) < number * (cycles + 1):
                assert time.monotonic() < deadline, f"only {len(salesforce.token_requests())} requests"
                for name in tokens:
                    got = c.get(name)
                    least = min(least, (got["expiresInSeconds"] + 1) / session_s)
                    gets += 1
                time.sleep(0.2)
        ages = [r["age_fraction"] for r in salesforce.token_requests() if (r["number"] or 0) > 1]
        wrong = [a for a in ages if not 0.45 <= a <= 0.72]
        same(wrong, [], f"of {len(ages)} renewals came at the wrong age")
        assert least >= 0.25, f"a token with {least:.2f} of its life left was given"
        no_alarms(salesforce)
        return f"{len(ages)} renewals at {min(ages):.3f} to {max(ages):.3f} of the life, {gets} gets"


def test_in_time() -> None:
    """20 refresh credentials: every renewal at 45 to 72 % of the life, no get with less than a quarter left"""
    print(f"# {renewals(20, 12, 2)}")


def herd(number: int) -> str:
    """T03: all are due at the start."""
    with Standin(max_grants=0) as salesforce, Daemon(salesforce, options=()) as daemon:
        daemon.add_settings(f"[Limits]\n{CALM}StartSpread=2s\nRenewRefreshAt=90%\nRenewJitter=0%\n")
        tokens = add_many(salesforce, daemon, number, "SessionTimeout=30s\nIntrospect=no")
        daemon.start()
        give_all(daemon, tokens)
        wait_for(lambda: salesforce.counters()["refreshes"] == number, "the first token of each", 60)
        same(daemon.stop(), 0)
        # so old that the store has nothing that could be served: at the start all of them are due
        time.sleep(31)
        salesforce.clear_log()
        salesforce.configure(latency_s=LATENCY_S)
        daemon.start()
        wait_for(lambda: len(salesforce.token_requests()) >= 20, "the herd")
        demanded = sorted(tokens)[-1]
        begun = time.monotonic()
        token(daemon, demanded)
        took = time.monotonic() - begun
        wait_for(lambda: salesforce.counters()["refreshes"] == 2 * number, "all of them", 120)
        requests = salesforce.token_requests()
        same(len(requests), number, "requests")
        wait_for(lambda: all(r["t_done"] for r in salesforce.token_requests()), "their answers")
        scheduled = [r for r in salesforce.token_requests() if r["client_id"] != f"app-{demanded}"]
        most, zero = most_in_flight(scheduled), scheduled[0]["t"]
        times = [(round(r["t"] - zero, 3), round(r["t_done"] - zero, 3)) for r in scheduled[:30]]
        assert most <= 8, f"{most} scheduled requests in flight: {times}"
        assert took <= 2 * LATENCY_S + SLACK_S, f"the demanded one took {took:.2f} s"
        no_alarms(salesforce)
        return f"{number} at once: at most {most} in flight, the demanded one after {took * 1000:.0f} ms ({LATENCY_S * 1000:.0f} ms an answer)"


def test_herd() -> None:
    """500 refresh credentials that are all due at the start: at most 8 in flight, a demanded one is answered within two answers, none fails"""
    print(f"# {herd(500)}")


def test_short_lives() -> None:
    """No expires_in, tokens die early: after the first report a new one within two answers, after that none is seen dead: the shorter life is learned"""
    with Standin(real_life_s=5, max_grants=0) as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings(f"[Limits]\n{CALM}CheckInterval=100ms\n")
        daemon.add_refresh_token("crm", extra="SessionTimeout=60s\nIntrospect=no")
        daemon.start()
        wait_first(daemon, "crm")
        deaths, cycles = 0, 0
        generation = 0
        end = time.monotonic() + 20
        while time.monotonic() < end:
            got = token(daemon, "crm")
            cycles += got["generation"] != generation
            generation = got["generation"]
            if not salesforce.is_live(got["accessToken"]):
                deaths += 1
                begun = time.monotonic()
                fresh = token(daemon, "crm", rejectedGeneration=generation)
                assert salesforce.is_live(fresh["accessToken"])
                assert time.monotonic() - begun < 2 * 0.05 + SLACK_S, f"{time.monotonic() - begun:.2f} s"
            time.sleep(0.05)
        same(deaths, 1, "deaths that a caller saw")
        assert cycles >= 4, cycles
        same(token(daemon, "crm")["expirySource"], "learned")
        no_alarms(salesforce)


def test_report_storm() -> None:
    """50 callers, 5,000 reports of the current, of stale and of future generations of a token that lives: no POST, one check a minute"""
    with Standin(max_grants=0) as salesforce, Daemon(salesforce, options=()) as daemon:
        daemon.add_settings(f"[Limits]\n{CALM}MaxReportsPerSecond=1000000\nMaxCallsPerSecond=1000000\n")
        daemon.add_refresh_token("crm", extra="Introspect=no")
        daemon.start()
        wait_first(daemon, "crm")
        generation = refresh(daemon, "crm")
        slowest = 0.0
        with Storm(daemon.broker_path, 50) as storm, daemon.broker() as reader:
            for turn in range(100):
                storm.send(BROKER + ".ReportRejected", lambda i: {"credential": "crm", "generation": generation + (i % 3) - 1, "httpStatus": 401})
                begun = time.monotonic()
                same(reader.get("crm", waitSeconds=0)["generation"], generation, f"turn {turn}")
                slowest = max(slowest, time.monotonic() - begun)
                replies = storm.receive()
                same({r.get("error") for r in replies}, {None})
        same(posts(salesforce, "crm"), 2, "POSTs")
        same(len(salesforce.requests(path="userinfo")), 1, "checks")
        print(f"# the slowest reader waited {slowest * 1000:.1f} ms")


def test_report_of_a_dead_token() -> None:
    """The same of a token that is dead: one POST, and everybody gets the new one"""
    with Standin(max_grants=0) as salesforce, Daemon(salesforce, options=()) as daemon:
        daemon.add_settings(f"[Limits]\n{CALM}MaxReportsPerSecond=1000000\n")
        daemon.add_refresh_token("crm", extra="Introspect=no")
        daemon.start()
        first = wait_first(daemon, "crm")
        salesforce.fault("delay", client_id="app-crm", seconds=0.5)
        time.sleep(2)  # of a life that is learned
        salesforce.kill_token(first["accessToken"])
        with Storm(daemon.broker_path, 50) as storm:
            replies = storm.call(BROKER + ".GetToken", {"credential": "crm", "rejectedGeneration": first["generation"]})
        same({r.get("error") for r in replies}, {None})
        same(len({r["parameters"]["token"]["generation"] for r in replies}), 1)
        same(posts(salesforce, "crm"), 2)
        no_alarms(salesforce)


def test_retry_after() -> None:
    """Retry-After of 429 and 503 as number, date, absurd, negative, twice: no POST before it or RetryAfterMax=, whoever asks; then one"""
    values: dict[str, tuple[Any, int, float]] = {
        "number": ("2", 503, 2.0), "other": ("2", 429, 2.0), "huge": ("99999999999999999999", 503, 0.0), "zero": ("0", 503, 0.0),
        "negative": ("-5", 429, 0.0), "far": ("Tue, 19 Jan 2038 03:14:07 GMT", 503, 3.0), "twice": (["2", "3"], 503, 2.0), "max": ("3600", 503, 3.0),
    }
    with Standin(max_grants=0) as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings(f"[Limits]\n{CALM}RetryAfterMax=3s\nBackoffFirst=50ms\nBackoffMax=200ms\nDemandGap=0\n"
                            "SuspendedRetryFirst=100ms\nSuspendedRetryMax=200ms\n")
        for name in values:
            daemon.add_refresh_token(name, extra="SessionTimeout=2h\nIntrospect=no")
        daemon.start()
        for name, (value, code, _) in values.items():
            wait_first(daemon, name)
            salesforce.fault("retry_after", client_id=f"app-{name}", values=value, status=code)
        for name in values:
            expect(VarlinkError, lambda name=name: refresh(daemon, name))  # type: ignore[misc]
            for _ in range(3):
                daemon.cli("refresh", name, "--wait", "0", check=None)
        for name, (value, code, least) in values.items():
            wait_state(daemon, name, "valid", timeout=15)
            times = [r["t"] for r in salesforce.token_requests(f"app-{name}")]
            # what says nothing (0, negative, absurd) leaves it to the back-off and to who asks
            assert len(times) == 3 or not least, f"{len(times)} POSTs for {name}"
            assert times[2] - times[1] >= least, f"{name} ({value!r}, {code}): again after {times[2] - times[1]:.2f} s"
            assert times[2] - times[1] <= 3 + 3, f"{name} ({value!r}, {code}): again after {times[2] - times[1]:.2f} s"
        no_alarms(salesforce)


if __name__ == "__main__":
    main()
