#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls that have a better form, and words that do not belong into the source."""
import re
from pathlib import Path

import report
import source

CALLS = {
    "sprintf": "snprintf() or buf_addf()", "vsprintf": "vsnprintf()", "strcpy": "buf_add_text() or memcpy()", "strcat": "buf_add_text()",
    "stpcpy": "buf_add_text()", "strncpy": "snprintf()", "strncat": "buf_add_text()", "strtok": "strcspn()", "strtok_r": "strcspn()",
    "gets": "read()", "atoi": "strtol() with its checks", "atol": "strtol() with its checks", "atoll": "strtoll() with its checks",
    "atof": "strtod()", "gmtime": "gmtime_r()", "localtime": "localtime_r()", "ctime": "strftime()", "asctime": "strftime()",
    "system": "posix_spawn()", "rand": "getrandom()", "srand": "getrandom()", "random": "getrandom()",
    "rand_r": "getrandom()", "drand48": "getrandom()", "tmpnam": "mkostemp()", "mktemp": "mkostemp()", "tempnam": "mkostemp()",
    "alloca": "a buffer with a maximum", "vfork": "posix_spawn()", "gethostbyname": "getaddrinfo()", "inet_ntoa": "inet_ntop()",
    "inet_addr": "inet_pton()", "setjmp": "a return value", "longjmp": "a return value",
    "scanf": "strtol() with its checks", "sscanf": "strtol() with its checks",
}
CALL = re.compile(r"(?<![\w.])(?<!->)(" + "|".join(CALLS) + r")\s*\(")
GOTO = re.compile(r"\bgoto\b")
TYPEDEF = re.compile(r"\btypedef\s+(struct|union|enum)\b")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def matches(top: Path, pattern: re.Pattern, text_of, folders=(*source.PRODUCT, "tests")):
    for path in source.c_files(top, folders):
        text = text_of(path.read_text())
        for match in pattern.finditer(text):
            yield f"{path.relative_to(top)}:{source.line_of(text, match.start())}", match


def calls(top: Path) -> list[str]:
    return [f"{place}: {m[1]}() is banned: use {CALLS[m[1]]}" for place, m in matches(top, CALL, source.code_only)]


def gotos(top: Path) -> list[str]:
    return [f"{place}: no goto: CLEANUP() and a return" for place, _ in matches(top, GOTO, source.code_only)]


def typedefs(top: Path) -> list[str]:
    return [f"{place}: no typedef of a {m[1]}" for place, m in matches(top, TYPEDEF, source.code_only)]


def unfinished(top: Path) -> list[str]:
    return [f"{place}: {m[1]}: finish it or take it out" for place, m in matches(top, UNFINISHED, str)]


if __name__ == "__main__":
    report.run(
        ("no banned call", calls),
        ("no goto", gotos),
        ("no struct behind a typedef", typedefs),
        ("nothing is left for later", unfinished),
    )
