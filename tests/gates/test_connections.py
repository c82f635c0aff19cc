#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The gate of performance goal P6 that is a count: assertion grants of one host share a connection. The stand-in says which request came on which."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "system")]
from harness import Daemon, Standin, main  # noqa: E402
from rotating import CALM, refresh  # noqa: E402

NAMES = [f"org{i}" for i in range(10)]
TURNS = 20
FOR_EACH_MOST = 100  # renewals, one new connection


def test_reused() -> None:
    """200 renewals of ten JWT credentials of one host make at most 2 connections"""
    with Standin() as salesforce, Daemon(salesforce, options=["--log-level", "warning"]) as daemon:
        daemon.add_settings(f"[Limits]\n{CALM}")
        for name in NAMES:
            daemon.add_jwt(name, extra="Required=yes")
        daemon.start()
        first = len(salesforce.token_requests())
        for _ in range(TURNS):
            for name in NAMES:
                refresh(daemon, name)
        requests = salesforce.token_requests()[first:]
        connections = {r["connection"] for r in requests}
        print(f"# {len(requests)} renewals on {len(connections)} connections, at most 1 for {FOR_EACH_MOST}")
        assert len(requests) >= len(NAMES) * TURNS, len(requests)
        assert 1 <= len(connections) <= len(requests) / FOR_EACH_MOST, connections


if __name__ == "__main__":
    main()
