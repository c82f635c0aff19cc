# SPDX-License-Identifier: Apache-2.0
"""The long forms of tests/system/test_renewal.py and test_kill.py: 60-second sessions, 20 of them. About 25 minutes."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))

from harness import Daemon, Standin, main, same, wait_for  # noqa: E402
from load import Load  # noqa: E402
from renewal import Together, renewals_on_time, reuse  # noqa: E402

SESSION_S, SESSIONS = 60, 20


def kills(session_s: int, sessions: int) -> str:
    """Front and mint are killed at random moments for as many sessions; no caller of libsftoken notices, no token is asked for too often."""
    with Standin(session_timeout_s=session_s, login_limit=0) as salesforce, Daemon(salesforce, options=()) as daemon:
        daemon.add_settings("[Limits]\nMaxRequestsPerHour=1000\n")
        for name in ("crm", "prod"):
            daemon.add_client_credentials(name, extra=f"Required=yes\nSessionTimeout={session_s}s")
        daemon.start()
        killed = 0
        end = time.monotonic() + session_s * sessions
        with Load(daemon.broker_path, ["crm", "prod"], n=4, pause=0.01) as load:
            while time.monotonic() < end:
                time.sleep(random.uniform(0.5, 5))
                name = random.choice(("front", "mint"))
                old = daemon.kill(name)
                wait_for(lambda: daemon.child(name) not in (None, old), f"a new {name}")
                killed += 1
        same(load.errors[:5], [])
        for caller in load.callers:
            same(caller.generations, sorted(set(caller.generations)), "generations")
        requests = len(salesforce.token_requests())
        # one at the start and one each half session for both, and half as many again: a mint that died with an answer in flight asks again
        assert requests <= 2 * (1 + 2 * sessions) * 1.5, f"{requests} requests in {sessions} sessions"
        return f"{killed} processes killed under {load.calls} gets, the slowest {load.slowest:.2f} s; {requests} requests"


LONG = Together({
    "on time": lambda: renewals_on_time(50, SESSION_S, SESSIONS),
    "same": lambda: reuse("same", SESSION_S, SESSIONS),
    "extended_by_use": lambda: reuse("extended_by_use", SESSION_S, SESSIONS),
    "kills": lambda: kills(SESSION_S, SESSIONS),
})


def test_on_time() -> None:
    """50 credentials, 60-second sessions, 20 cycles: every renewal between 44 % and 52 % of the life, no get fails"""
    LONG.result("on time")


def test_same_token() -> None:
    """The same token until it dies, 20 sessions: no get fails or waits longer than one answer, at most 8 requests a session"""
    LONG.result("same")


def test_extended_by_use() -> None:
    """The same with a session that use extends"""
    LONG.result("extended_by_use")


def test_kills() -> None:
    """20 minutes of kill -9 at random: no caller of libsftoken sees an error, generations only grow"""
    LONG.result("kills")


if __name__ == "__main__":
    main()
