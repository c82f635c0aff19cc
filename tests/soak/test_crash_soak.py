# SPDX-License-Identifier: Apache-2.0
"""The long forms of tests/system/test_crash.py: every single system call, and 10,000 SIGKILLs at random times (T21). About 90 minutes."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))

import crash  # noqa: E402
from harness import main  # noqa: E402
from privileged import become_root  # noqa: E402


def test_refresh() -> None:
    """Every system call of a refresh"""
    print(f"# {crash.refreshes(1)}")


def test_import() -> None:
    """Every system call of an import and the refresh that follows"""
    print(f"# {crash.imports(1)}")


def test_compaction() -> None:
    """Every system call of a compaction"""
    print(f"# {crash.compactions(1)}")


def test_random_times() -> None:
    """10,000 SIGKILLs at random times, 8 rotating credentials, 100 ms to the answer: lost is what the stand-in saw not taken, and nothing else"""
    print(f"# {crash.random_kills(10000)}")


if __name__ == "__main__":
    become_root()
    main()
