#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""client/sftoken.h is for everybody: strict C99, C11 and C++11, without a warning, whatever was included before. Ours stand alone, too."""
import subprocess
import tempfile
from pathlib import Path

import report
import source

HEADER = "client/sftoken.h"
USERS = {
    "C99": ["gcc", "-std=c99", "-xc"],
    "C11": ["gcc", "-std=c11", "-xc", "-Wc++-compat"],
    "C++11": ["g++", "-std=c++11", "-xc++"],
}
STRICT = ["-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Wundef", "-Werror", "-fsyntax-only"]


def compiles(command: list[str], text: str, name: str) -> list[str]:
    done = subprocess.run([*command, "-"], input=text, capture_output=True, text=True)
    return [f"{name}: {line}" for line in done.stderr.splitlines() if "error" in line] if done.returncode else []


def public(top: Path) -> list[str]:
    complaints = []
    for language, command in USERS.items():
        text = f'#include "{top / HEADER}"\n#include "{top / HEADER}"\nint main(void) {{ return 0; }}\n'
        complaints += compiles([*command, *STRICT], text, f"{HEADER} as {language}")
    return complaints


def alone(top: Path) -> list[str]:
    """Every header of ours includes what it needs itself."""
    complaints = []
    with tempfile.NamedTemporaryFile("w", suffix=".c") as unit:
        for path in source.c_files(top, source.PRODUCT):
            if path.suffix != ".h":
                continue
            name = str(path.relative_to(top))
            unit.seek(0)
            unit.truncate()
            unit.write(f'#include "{name}"\n')
            unit.flush()
            command = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-fsyntax-only", f"-I{top}", unit.name]
            done = subprocess.run(command, capture_output=True, text=True)
            complaints += [f"{name} does not stand alone: {line}" for line in done.stderr.splitlines()
                           if done.returncode and "error" in line][:2]
    return complaints


if __name__ == "__main__":
    report.run(
        ("client/sftoken.h is clean C99, C11 and C++11", public),
        ("every header stands alone", alone),
    )
