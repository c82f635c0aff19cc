#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""shellcheck has nothing to say about the shell scripts."""
import subprocess
from pathlib import Path

import report


def scripts(top: Path) -> list[Path]:
    found = [top / "dev", top / ".ci/run"]
    for folder in ("tests", "docs", "client", "systemd"):
        found += sorted((top / folder).rglob("*.sh"))
    for kind in ("preinst", "postinst", "prerm", "postrm"):
        found += sorted((top / "debian").glob(f"*.{kind}"))
    return [p for p in found if p.exists()]


def check(top: Path) -> list[str]:
    paths = scripts(top)
    if not paths:
        return ["no shell script found"]
    done = subprocess.run(["shellcheck", "--format=gcc", *map(str, paths)], capture_output=True, text=True)
    return [line.replace(f"{top}/", "") for line in done.stdout.splitlines()] if done.returncode else []


if __name__ == "__main__":
    report.run(("shellcheck finds nothing in the scripts", check))
