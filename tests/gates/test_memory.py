#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The gates of performance goal P7 that are counts: what an idle connection and a credential cost the front in bytes of its own. Measured
between N and 3N, so that what the process needs anyway is not in them. Usage: test_memory.py [SFTOKEND_FRONT]; without it the one
below $SFTOKEN_ROOT (build/root).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "system")]
from front_alone import Front, ask  # noqa: E402
from tap import run_tests  # noqa: E402

ROOT = Path(os.environ.get("SFTOKEN_ROOT", Path(__file__).resolve().parents[2] / "build" / "root"))
PROGRAM = sys.argv[1] if sys.argv[1:] and "/" in sys.argv[1] else str(ROOT / "usr/libexec/sftokend/sftokend-front")
TOKEN = "00D000000000001!" + "AQ" * 48
CONNECTION_MOST = 400
CREDENTIAL_MOST = 4096
OTHER_GROUP = 54321  # the first of a few that need not exist
N = 1500


def own_bytes(pid: int) -> int:
    """Memory that is the process's own: heap, stack, and pages of its programs that it wrote to."""
    return int(re.search(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"), re.M)[1]) * 1024


def started(front: Front) -> None:
    front.hear("HaveAll")
    front.rules({"MaxConnections": 1000000, "MaxConnectionsPerUser": 1000000, "MaxCallsPerSecond": 10000000})
    front.credential("prod")
    front.publish("prod", 1790000000, TOKEN)
    front.sync()


def idle_connection(others: int, most: int) -> None:
    front = Front(PROGRAM)
    try:
        started(front)
        held, seen = [], []
        for _ in range(3):
            for _ in range(N):
                held.append(front.connect())
                assert "parameters" in ask(held[-1], "GetToken", credential="prod")
            seen.append(own_bytes(front.process.pid))
        each = (seen[2] - seen[0]) / (2 * N)
        print(f"# {each:.0f} bytes a connection of a caller in {others} groups beside its own, at most {most}")
        # a connection that costs nothing would not be one
        assert 50 < each <= most, seen
        for s in held:
            s.close()
        assert front.stop() == 0
    finally:
        front.close()


@contextlib.contextmanager
def in_others(others: int) -> Iterator[None]:
    """This process is in so many groups beside its own: the front sees who connects."""
    before = os.getgroups()
    os.setgroups([os.getegid(), *range(OTHER_GROUP, OTHER_GROUP + others)])
    try:
        yield
    finally:
        os.setgroups(before)


def list_bytes(groups: int) -> int:
    """What malloc() takes for a list of so many; the first two are in the peer itself."""
    return 0 if groups <= 2 else max(32, (4 * groups + 8 + 15) // 16 * 16)


def test_idle_connection() -> None:
    """An idle connection that has asked once costs the front at most 400 bytes, also that of a caller in one or two groups beside its own"""
    try:
        for others in (0, 1, 2):
            with in_others(others):
                idle_connection(others, CONNECTION_MOST)
    except PermissionError:  # nobody but root chooses its groups: those that we are in, then
        others = len(set(os.getgroups()) - {os.getegid()})
        idle_connection(others, CONNECTION_MOST + list_bytes(others))


def test_credential() -> None:
    """A credential with a token costs the front at most 4 KiB"""
    front = Front(PROGRAM)
    try:
        started(front)
        seen = []
        with front.connect() as s:
            for turn in range(3):
                for i in range(turn * N, turn * N + N):
                    front.credential(f"org{i:05}")
                    front.publish(f"org{i:05}", 1790000000, TOKEN)
                # an answer for the last one: the front has taken all before it; the reply of a get is made when it is first wanted
                for i in range(turn * N, turn * N + N):
                    reply = ask(s, "GetToken", credential=f"org{i:05}")
                    assert "parameters" in reply, json.dumps(reply)
                seen.append(own_bytes(front.process.pid))
        each = (seen[2] - seen[0]) / (2 * N)
        print(f"# {each:.0f} bytes a credential, at most {CREDENTIAL_MOST}")
        assert 500 < each <= CREDENTIAL_MOST, seen
        assert front.stop() == 0
    finally:
        front.close()


if __name__ == "__main__":
    sys.argv[1:] = [a for a in sys.argv[1:] if "/" not in a]
    sys.exit(1 if run_tests() else 0)
