#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""gcc -fanalyzer, and the warnings that only an optimizing compiler sees."""
from pathlib import Path

import analysis
import report

# gcc 12 does not know that __attribute__((cleanup)) runs, nor that a struct on a list is still owned: what it says of leaks is left to
# the leak sanitizer, which watches every test.
WARNINGS = ("-Wall", "-Wextra", "-Wformat=2", "-Wshadow", "-Wno-missing-field-initializers", "-Wno-analyzer-malloc-leak")


def command(name: str) -> list[str]:
    return ["gcc", "-fanalyzer", "-O2", *WARNINGS, *analysis.DEFINES, "-c", name, "-o", "/dev/null"]


def check(top: Path) -> list[str]:
    return analysis.check(top, command)


if __name__ == "__main__":
    report.run(("gcc -fanalyzer finds nothing", check))
