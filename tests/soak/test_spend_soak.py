# SPDX-License-Identifier: Apache-2.0
"""The long form of tests/system/test_spend.py: 50 refresh credentials, 60-second sessions, 200 cycles (T01). About two hours."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))

from harness import main  # noqa: E402
from test_spend import renewals  # noqa: E402


def test_in_time() -> None:
    """Every renewal at 45 to 72 % of the life, no get with less than a quarter left, no refresh token is spent twice"""
    print(f"# {renewals(50, 60, 200)}")


if __name__ == "__main__":
    main()
