#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What libsftoken.so.0 in build/root exports: the names of client/sftoken.sym, all of version LIBSFTOKEN_0, and nothing else."""
import re
import subprocess
from pathlib import Path

import report
import source

SYM, HEADER, VERSION = "client/sftoken.sym", "client/sftoken.h", "LIBSFTOKEN_0"


def wanted(top: Path) -> set[str]:
    text = source.without_comments((top / SYM).read_text())
    part = re.search(VERSION + r"\s*\{\s*global:(.*?)local:\s*\*;\s*\};", text, re.DOTALL)
    return set(re.findall(r"(\w+);", part[1])) if part else set()


def library(top: Path) -> Path | None:
    return next(iter(sorted((top / "build/root").rglob("libsftoken.so.0"))), None)


def tool(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def exported(top: Path) -> list[str]:
    path = library(top)
    if not path:
        return ["build/root has no libsftoken.so.0: ./dev build"]
    found = {}
    for line in tool("nm", "--dynamic", "--defined-only", "--with-symbol-versions", str(path)).splitlines():
        name, _, version = line.split()[-1].replace("@@", "@").partition("@")
        if name != VERSION:
            found[name] = version
    names = wanted(top)
    complaints = [] if names else [f"{SYM}: no names of {VERSION} in it"]
    complaints += [f"{SYM}: {n} is not exported" for n in sorted(names - set(found))]
    complaints += [f"{SYM}: {n} is exported and not named" for n in sorted(set(found) - names)]
    return complaints + [f"{SYM}: {n} has version {v or 'none'}, not {VERSION}" for n, v in sorted(found.items()) if v != VERSION]


def soname(top: Path) -> list[str]:
    path = library(top)
    if path and "SONAME               libsftoken.so.0\n" not in tool("objdump", "-p", str(path)):
        return ["build/root: the soname is not libsftoken.so.0"]
    return []


def declared(top: Path) -> list[str]:
    text = re.sub(r"\btypedef\b[^;]*;", "", source.code_only((top / HEADER).read_text()))
    names = set(re.findall(r"\b(sftoken_\w+)\s*\(", text))
    complaints = [f"{HEADER}: {n}() is not in {SYM}" for n in sorted(names - wanted(top))]
    return complaints + [f"{SYM}: {n} is not declared in {HEADER}" for n in sorted(wanted(top) - names)]


if __name__ == "__main__":
    report.run(
        ("the library exports the names of its list, versioned, and no other", exported),
        ("its soname is libsftoken.so.0", soname),
        ("the header declares the names of the list", declared),
    )
