#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the programs of the release tree are linked to, and how they are hardened: read from the files, not from the build's options."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "system")]
from tap import main  # noqa: E402

ROOT = Path(os.environ.get("SFTOKEN_ROOT", TESTS.parent / "build" / "root"))
PARENT, MINT, FRONT = ROOT / "usr/sbin/sftokend", ROOT / "usr/libexec/sftokend/sftokend-mint", ROOT / "usr/libexec/sftokend/sftokend-front"
CLI = ROOT / "usr/bin/sftoken"
LIBRARY = next(iter(sorted((ROOT / "usr").rglob("libsftoken.so.0"))), ROOT / "usr/lib/libsftoken.so.0")
PROGRAMS = (PARENT, MINT, FRONT, CLI)
MORE = ROOT / "usr/libexec/sftoken/sftoken-more.so"
ALL = (*PROGRAMS, LIBRARY, MORE)


def tool(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout


def stem(name: str) -> str:
    """"libcurl.so.4" -> "libcurl", "libevent_core-2.1.so.7" -> "libevent_core"."""
    return re.sub(r"(-\d[\d.]*)?\.so[.\d]*$", "", name)


def needed(path: Path) -> set[str]:
    """The libraries that it names itself."""
    return {stem(name) for name in re.findall(r"\(NEEDED\).*\[(.*)\]", tool("readelf", "-dW", path))}


def mapped(path: Path) -> set[str]:
    """All libraries in its address space, those of its libraries included."""
    names = {stem(os.path.basename(line.split()[0])) for line in tool("ldd", path).splitlines()}
    assert "libc" in names, f"ldd {path}: {names}"
    return {name for name in names if not name.startswith(("ld-linux", "linux-vdso"))}


def test_front() -> None:
    """The front maps libevent_core, libseccomp and libc, nothing else: no TLS, no HTTP, no JSON library"""
    found = mapped(FRONT)
    assert found == {"libevent_core", "libseccomp", "libc"}, found


def test_library() -> None:
    """libsftoken maps libc alone"""
    found = mapped(LIBRARY)
    assert found == {"libc"}, found


def test_cli() -> None:
    """sftoken maps libc alone: libsftoken is inside, json-c is loaded when a command needs it"""
    found = mapped(CLI)
    assert found == {"libc"}, found


def test_more() -> None:
    """What sftoken loads for its other commands maps libc alone, too, and shows one function to it"""
    found = mapped(MORE)
    assert found == {"libc"}, found
    shown = [line.split()[-1] for line in tool("nm", "--dynamic", "--defined-only", MORE).splitlines()]
    assert shown == ["sftoken_more"], shown


def test_parent() -> None:
    """The parent is linked to libsystemd and libc; no event loop, HTTP, JSON or TLS library"""
    assert needed(PARENT) <= {"libsystemd", "libc"}, needed(PARENT)
    found = mapped(PARENT) & {"libevent_core", "libcurl", "libssl", "libcrypto", "libjson-c"}
    assert not found, found


def test_mint() -> None:
    """The mint is linked to the libraries of its design and no other"""
    found = needed(MINT)
    assert {"libcurl", "libcrypto", "libjson-c", "libevent_core"} <= found, found
    assert found <= {"libcurl", "libcrypto", "libjson-c", "libevent_core", "libseccomp", "libsystemd", "libc"}, found


def test_position_independent() -> None:
    """Every program is position independent"""
    for path in PROGRAMS:
        assert re.search(r"FLAGS_1.*\bPIE\b", tool("readelf", "-dW", path)), path


def test_relro() -> None:
    """Every file is bound at its start and read-only from then on (full RELRO), without relocations in its code"""
    for path in ALL:
        dynamic, headers = tool("readelf", "-dW", path), tool("readelf", "-lW", path)
        assert re.search(r"FLAGS_1.*\bNOW\b", dynamic), f"{path} is bound lazily"
        assert "GNU_RELRO" in headers, f"{path} has no RELRO"
        assert "TEXTREL" not in dynamic, f"{path} has relocations in its code"


def test_stack() -> None:
    """No file asks for an executable stack or has memory that is both writable and executable"""
    for path in ALL:
        segments = re.findall(r"^\s+(LOAD|GNU_STACK)\s+(?:0x\S+\s+){5}(.{3})", tool("readelf", "-lW", path), re.M)
        assert "GNU_STACK" in {kind for kind, _ in segments}, f"{path} does not say what its stack is"
        for kind, flags in segments:
            assert not ("W" in flags and "E" in flags), f"{path}: {kind} {flags}"


def test_canary_and_fortify() -> None:
    """Every file has stack canaries and checked libc functions"""
    for path in ALL:
        names = tool("readelf", "--dyn-syms", "-W", path)
        assert "__stack_chk_fail" in names, f"{path} has no stack canary"
        assert re.search(r"__\w+_chk\b", names.replace("__stack_chk_fail", "")), f"{path} is built without _FORTIFY_SOURCE"


def test_search_path() -> None:
    """No file brings a path on which to look for libraries"""
    for path in ALL:
        assert not re.search(r"\((RPATH|RUNPATH)\)", tool("readelf", "-dW", path)), path


if __name__ == "__main__":
    main()
