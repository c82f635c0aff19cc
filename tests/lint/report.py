# SPDX-License-Identifier: Apache-2.0
"""What every lint program does: check a checkout, print TAP."""
import os
import sys
from collections.abc import Callable
from pathlib import Path

Check = Callable[[Path], list[str]]


def run(*checks: tuple[str, Check]) -> None:
    """Each check returns its complaints, "file:line: what and what instead". The checkout is the argument, else this one."""
    top = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
    failed = 0
    print(f"1..{len(checks)}")
    for number, (name, check) in enumerate(checks, 1):
        complaints = check(top)
        for complaint in complaints:
            print(f"# {complaint}")
        print(f"{'not ok' if complaints else 'ok'} {number} - {name}", flush=True)
        failed += bool(complaints)
    sys.exit(1 if failed else 0)


def cache_dir(top: Path) -> Path:
    """Where slow analyzers note what was clean: build/lint-cache of the checkout."""
    path = Path(os.environ.get("SFTOKEN_LINT_CACHE", top / "build/lint-cache"))
    path.mkdir(parents=True, exist_ok=True)
    return path
