# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the mint: at the system calls of a refresh, an import and a compaction, and at random times. The long forms: tests/soak."""

from __future__ import annotations

import crash
from harness import main
from privileged import become_root

EVERY = 2


def test_refresh() -> None:
    """Every call of the store and every second of all in a refresh: the token on disk is current, or unknown; no alarm, nothing written is lost"""
    print(f"# {crash.refreshes(EVERY)}")


def test_import() -> None:
    """The same in an import and the refresh that follows: what was acknowledged is used"""
    print(f"# {crash.imports(EVERY)}")


def test_compaction() -> None:
    """The same in a compaction: the store is whole, the token current, nothing unknown"""
    print(f"# {crash.compactions(10)}")


def test_random_times() -> None:
    """60 SIGKILLs at random times, 8 rotating credentials, 100 ms to the answer: lost is what the stand-in saw not taken, and nothing else"""
    print(f"# {crash.random_kills(60)}")


if __name__ == "__main__":
    become_root()
    main()
