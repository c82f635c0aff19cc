# SPDX-License-Identifier: Apache-2.0
"""Runs a slow analyzer over the files of the product, one process a file, and remembers which were clean."""
import hashlib
import os
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import report
import source

DEFINES = ("-std=gnu11", "-D_GNU_SOURCE", '-DSFTOKEN_VERSION="0"', '-DMORE_FOLDER="/x"', "-I.", "-Iclient")
FINDING = re.compile(r"^\S+:\d+(?::\d+)?: (?:fatal )?(?:warning|error|style|portability|performance|information)\b.*")

Command = Callable[[str], list[str]]  # the file, from the top of the checkout, to the command


def contents(top: Path, name: str) -> bytes:
    """The file and every header of ours that it includes."""
    done = subprocess.run(["gcc", "-MM", *DEFINES, name], cwd=top, capture_output=True, text=True)
    names = [n for n in done.stdout.replace("\\\n", " ").split()[1:] if not n.startswith("/")]
    return b"\0".join((top / n).read_bytes() for n in sorted(set(names) | {name}))


def version(tool: str) -> str:
    return subprocess.run([tool, "--version"], capture_output=True, text=True).stdout


def findings(top: Path, command: Command, name: str, salt: str) -> list[str]:
    whole = command(name)
    key = hashlib.sha256(repr((whole, salt)).encode() + contents(top, name)).hexdigest()
    clean = report.cache_dir(top) / key
    if clean.exists():
        return []
    done = subprocess.run(whole, cwd=top, capture_output=True, text=True)
    output = (done.stdout + done.stderr).replace(f"{top}/", "")
    found = list(dict.fromkeys(line for line in output.splitlines() if FINDING.match(line)))
    if done.returncode and not found:
        found = [f"{name}: {whole[0]} ended with {done.returncode}: {output.strip()[-300:]}"]
    if not found:
        clean.touch()
    return found


def check(top: Path, command: Command, salt: str = "") -> list[str]:
    names = [str(p.relative_to(top)) for p in source.c_files(top, source.PRODUCT) if p.suffix == ".c"]
    salt += version(command("")[0])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        lists = pool.map(lambda n: findings(top, command, n, salt), names)
    return list(dict.fromkeys(line for found in lists for line in found))
