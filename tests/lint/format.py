#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The source is as clang-format would write it, but for tables: initialisers, enumerations and macros are laid out by whoever wrote them.

    tests/lint/format.py [CHECKOUT]         complain
    tests/lint/format.py --fix [FILE...]    rewrite (all files, without any)
"""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import report
import source

TABLE = re.compile(r"^(\s*)(?!.*\)\s*\{$).*=\s*(?:\([^()]*\)\s*)?\{|^(\s*)(?:typedef )?enum\b.*\{|^(\s*)\[?.*\]\s*=\s*\{")


STRUCT = re.compile(r"^\s*(?:static |const )*(?:struct|union)\b[^;=()]*\{\s*$")


def macro_end(lines: list[str], at: int) -> int:
    while lines[at].endswith("\\") and at + 1 < len(lines):
        at += 1
    return at


def table_end(code: list[str], at: int) -> int:
    """The line on which the braces that open on this one (after its "=") are closed again."""
    depth = 0
    for number in range(at, len(code)):
        text = code[number].partition("=")[2] if number == at and "=" in code[number] else code[number]
        depth += text.count("{") - text.count("}")
        if depth <= 0:
            return number
    return len(code) - 1


def struct_table_end(code: list[str], at: int) -> int:
    """The same for a table whose struct is declared with it; at - 1 when it is a struct alone."""
    indent = code[at][: len(code[at]) - len(code[at].lstrip())]
    closes = next((n for n in range(at + 1, len(code)) if code[n].startswith(indent + "}")), at)
    return table_end(code, closes) if re.search(r"=\s*\{", code[closes]) else at - 1


def tables(text: str) -> list[tuple[int, int]]:
    """First and last lines (from 0) of what keeps its layout."""
    lines, code = text.split("\n"), source.code_only(text).split("\n")
    found, at = [], 0
    while at < len(lines):
        end = at - 1
        if code[at].lstrip().startswith("#"):
            end = macro_end(lines, at)
        elif STRUCT.match(code[at]):
            end = struct_table_end(code, at)
        elif TABLE.match(code[at]):
            end = table_end(code, at)
        if end >= at:
            found.append((at, end))
        at = max(at, end) + 1
    return found


def code_lines(text: str) -> list[str]:
    """--lines= for what is left."""
    arguments, start = [], 0
    for first, last in [*tables(text), (text.count("\n"), 0)]:
        if first > start:
            arguments.append(f"--lines={start + 1}:{first}")
        start = last + 1
    return arguments


def formatted(top: Path, path: Path) -> str:
    text = path.read_text()
    ranges = code_lines(text)
    if not ranges:
        return text
    command = ["clang-format", f"--style=file:{top / '.clang-format'}", f"--assume-filename={path}", *ranges]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def complaints_of(top: Path, path: Path) -> list[str]:
    have, want = path.read_text().split("\n"), formatted(top, path).split("\n")
    for number, (a, b) in enumerate(zip(have, want), 1):
        if a != b:
            return [f"{path.relative_to(top)}:{number}: clang-format writes: {b.strip()}"]
    return [f"{path.relative_to(top)}: clang-format changes its end"] if have != want else []


def check(top: Path) -> list[str]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(lambda p: complaints_of(top, p), source.c_files(top)), [])


def fix(names: list[str]) -> None:
    top = Path(__file__).resolve().parents[2]
    for path in [top / n for n in names] or source.c_files(top):
        have, text = path.read_text(), formatted(top, path)
        if have.split() != text.split() and "".join(have.split()) != "".join(text.split()):
            sys.exit(f"{path}: clang-format would change more than the layout")
        if text != have:
            path.write_text(text)
            print(path.relative_to(top))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fix"]:
        fix(sys.argv[2:])
    else:
        report.run(("the code is as clang-format would write it", check))
