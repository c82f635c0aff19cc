#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Files, functions and branches stay small enough to be read at a sitting."""
import statistics
import subprocess
from pathlib import Path

import report
import source

FILE_LINES = 600
FUNCTION_LINES = 80
COMPLEXITY = 15
MEDIAN_LINES = 20
# One file that people copy beside their program: it has to be one.
COPIED = {"client/python/sftoken.py": 800}


def measure(top: Path) -> list[tuple[str, int, int]]:
    """(file:line: name, lines, complexity) of each function."""
    paths = [p for p in source.c_files(top) if p.suffix == ".c"]
    if not paths:
        return []
    out = subprocess.run(["pmccabe", *map(str, paths)], capture_output=True, text=True, check=True).stdout
    functions = []
    for line in out.splitlines():
        # modified complexity, complexity, statements, first line, lines, file(line): name
        fields = line.split(None, 5)
        place, _, name = fields[5].partition(": ")
        path = Path(place.partition("(")[0]).relative_to(top)
        functions.append((f"{path}:{fields[3]}: {name}", int(fields[4]), int(fields[0])))
    return functions


def files(top: Path) -> list[str]:
    complaints = []
    for path in [*source.c_files(top), *source.files(top, ("tests", "client", "proto"), ".py")]:
        name, lines = str(path.relative_to(top)), path.read_text().count("\n")
        allowed = COPIED.get(name, FILE_LINES)
        if lines > allowed:
            complaints.append(f"{name}: {lines} lines, {allowed} are allowed: there is a second thing inside")
    return complaints


def functions(top: Path) -> list[str]:
    return [f"{what} has {lines} lines, {FUNCTION_LINES} are allowed" for what, lines, _ in measure(top)
            if lines > FUNCTION_LINES]


def complexity(top: Path) -> list[str]:
    return [f"{what} has a complexity of {paths}, {COMPLEXITY} is allowed" for what, _, paths in measure(top)
            if paths > COMPLEXITY]


def median(top: Path) -> list[str]:
    lines = [lines for _, lines, _ in measure(top)]
    middle = statistics.median(lines) if lines else 0
    return [] if middle < MEDIAN_LINES else [f"half of the functions have more than {middle} lines; {MEDIAN_LINES} is too much"]


if __name__ == "__main__":
    report.run(
        (f"no file has more than {FILE_LINES} lines", files),
        (f"no function has more than {FUNCTION_LINES} lines", functions),
        (f"no function is more complex than {COMPLEXITY}", complexity),
        (f"the median function has fewer than {MEDIAN_LINES} lines", median),
    )
