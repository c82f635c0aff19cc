#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: docs/architecture.md, "Layers"."""
import fnmatch
import re
from pathlib import Path

import report
import source

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)

# folder: patterns of the files of ours that it may include beside its own
MAY_INCLUDE = {
    "base": (),
    "proto": ("base/*",),
    "client": ("proto/*", "base/buf.h", "base/cleanup.h", "base/clock.h", "base/err.h"),
    "client/cli": ("client/sftoken.h",),
    "client/example": (),
    "daemon/common": ("proto/*", "base/*"),
    "daemon/parent": ("daemon/common/*", "proto/*", "base/*"),
    "daemon/front": ("daemon/common/*", "proto/*", "base/*"),
    "daemon/mint": ("daemon/common/*", "proto/*", "base/*"),
}

# inside daemon/mint, downwards only: a file may include its own rank and lower ones. The longest name that fits counts.
MINT_RANKS = {
    "exchange": 0, "http_header": 0, "identify": 0, "options": 0, "logs": 0, "unique": 0, "tally": 0, "totals": 0, "metrics": 0,
    "certificate": 1, "credential": 1, "oauth": 1, "salesforce": 1, "saml": 1, "discovery": 1, "sign": 1,
    "flow": 2, "flows/": 2, "schedule": 2,
    "attempt": 3, "gate": 3, "http": 3, "store": 3,
    "keeper": 4,
    "login": 5, "login_url": 1,
    "registry": 5, "load": 5, "doctor": 5,
    "manager": 6, "notices": 6, "publish": 6,
    "check": 7, "mint": 7, "main": 7,
}

# foreign headers: the files that are their home
HOMES = {
    "event2/*": ("daemon/common/loop.*", "daemon/common/connection.*", "daemon/common/listener.*", "daemon/common/link.*",
                 "daemon/common/control.*", "daemon/mint/http.*"),
    "event.h": (),
    "curl/*": ("daemon/mint/http.*", "daemon/mint/http_call.*"),
    "openssl/*": ("daemon/mint/sign.*", "daemon/mint/sign_*", "daemon/mint/store_seal.*", "daemon/mint/oauth_encode.*"),
    "json-c/*": ("daemon/mint/oauth.*", "client/cli/*"),
    "systemd/*": ("daemon/parent/sd.*", "daemon/parent/sd_unit.*"),
    "seccomp.h": ("daemon/common/sandbox.*",),
    "qrencode.h": ("client/cli/qr.*",),
    "sanitizer/*": ("base/secret.*",),
}

# libc, and what the kernel gives; a name that is nowhere in this file is a library that has no home
LIBC = ("*.h", "sys/*.h", "linux/*.h", "netinet/*.h", "arpa/*.h", "net/*.h", "asm/*.h")
NOT_LIBC = ("zlib.h", "qrencode.h", "seccomp.h", "event.h", "uuid.h", "tss2*", "jansson.h", "expat.h", "pcre*", "ares*", "sqlite*")


def folder_of(name: str) -> str:
    return max((f for f in MAY_INCLUDE if name.startswith(f + "/")), key=len, default="")


def fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def mint_rank(name: str) -> int | None:
    inside = name.removeprefix("daemon/mint/")
    known = max((n for n in MINT_RANKS if inside.startswith(n)), key=len, default="")
    return MINT_RANKS.get(known)


def judge_ours(name: str, target: str, top: Path) -> str | None:
    folder = folder_of(name)
    if not (top / target).exists():
        return f'"{target}" is no file from the top of the checkout'
    if folder_of(target) != folder and not fits(target, MAY_INCLUDE[folder]):
        return f"{folder} must not include {target}"
    if folder == "daemon/mint" and target.startswith("daemon/mint/"):
        mine, its = mint_rank(name), mint_rank(target)
        if mine is None or its is None:
            return f"{name if mine is None else target} has no rank in the mint: give it one in tests/lint/layers.py"
        if its > mine:
            return f"rank {mine} of the mint includes {target} of rank {its}: upwards only through callbacks"
    return None


def judge_foreign(name: str, target: str) -> str | None:
    if target == "sftoken.h":
        return None if name.startswith(("client/cli/", "client/example/")) else "<sftoken.h> is for programs outside of the library"
    for pattern, homes in HOMES.items():
        if fnmatch.fnmatchcase(target, pattern):
            return None if fits(name, homes) else f"<{target}> is at home in {' '.join(homes) or 'no file'} only"
    if not fits(target, LIBC) or fits(target, NOT_LIBC) or ("/" in target and not fits(target, LIBC[1:])):
        return f"<{target}> is no header of libc and has no home: see tests/lint/layers.py"
    return None


def check(top: Path) -> list[str]:
    complaints = []
    for path in source.c_files(top, source.PRODUCT):
        name = str(path.relative_to(top))
        text = source.without_comments(path.read_text())
        for match in INCLUDE.finditer(text):
            problem = judge_ours(name, match[1], top) if match[1] else judge_foreign(name, match[2])
            if problem:
                complaints.append(f"{name}:{source.line_of(text, match.start(0))}: {problem}")
    return complaints


if __name__ == "__main__":
    report.run(("every include goes downwards, and each foreign library has one home", check))
