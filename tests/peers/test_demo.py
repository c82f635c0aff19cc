#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a newcomer sees first: tests/demo/demo.py, which `./dev demo` builds for and runs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "system")]

from harness import ROOT, TOP, main, same     # noqa: E402


def test_demo() -> None:
    """the demo comes to its end, and nothing stays behind"""
    with tempfile.TemporaryDirectory(prefix="sft.", dir="/tmp") as folder:
        done = subprocess.run([sys.executable, str(TOP / "tests/demo/demo.py"), str(ROOT)], env={"PATH": "/usr/bin:/bin", "TMPDIR": folder, "LC_ALL": "C.UTF-8"},
                              capture_output=True, text=True, timeout=200, check=False, stdin=subprocess.DEVNULL)
        same(done.returncode, 0, f"status\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        same([str(path) for path in Path(folder).iterdir()], [], "what it left behind")
    assert "demo" in (TOP / "dev").read_text() and "exec /usr/bin/python3 tests/demo/demo.py build/root" in (TOP / "dev").read_text(), "what ./dev demo runs"


if __name__ == "__main__":
    main()
