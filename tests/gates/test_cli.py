#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The gate of performance goal P3: what one `sftoken get` costs as a process, from its start to its end, the dynamic loader included.
The floor, tests/bench/minimal.c, has 177,000 instructions.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "system")]
from harness import Daemon, Skip, Standin, run_tests  # noqa: E402

# Measured 190,583, and 3 % for another version of libc. More than 201,500 is more than 1.1 of the floor's time on a quiet machine.
INSTRUCTIONS_MOST = 195_000
# Measured 64. Each is looked up at every start, for 750 instructions: a command that needs others belongs into client/cli/more.c, and much can be had with those that are there (print_to(), poll()).
IMPORTS_MOST = 65
SYSTEM_CALLS_MOST = 55
CALL = re.compile(r"^(?:\d+\s+)?\w+\(")


class Shared:
    """One daemon with one token for all gates."""

    daemon: Daemon


def measured(tool: list[str], name: str, *words: str) -> tuple[str, str]:
    """Runs one get, or what words say, under a tool that writes to {out}; what the tool wrote, and what sftoken did."""
    if not shutil.which(tool[0]):
        raise Skip(f"{tool[0]} is not installed")
    with tempfile.TemporaryDirectory(prefix="gate-") as directory:
        out = Path(directory) / name
        verb, *rest = words or ("get", "crm")
        command = [str(Shared.daemon.cli_program), verb, "--socket", Shared.daemon.broker_path, *rest]
        result = subprocess.run([word.format(out=out) for word in tool] + command, capture_output=True, text=True, timeout=120,
                                env={"PATH": "/usr/bin:/bin"}, check=False)
        assert result.returncode == 0 and (words or result.stdout.startswith("00D")), result.stderr
        return out.read_text(errors="replace"), result.stdout


def instructions() -> int:
    text, _ = measured(["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file={out}"], "callgrind")
    found = re.search(r"^(?:summary|totals): (\d+)", text, re.M)
    assert found, text[:2000]
    return int(found[1])


def test_instructions() -> None:
    """sftoken get has at most 195,000 instructions"""
    count = instructions()
    print(f"# {count} instructions, at most {INSTRUCTIONS_MOST}")
    # the loader alone has more than 50,000: less would mean that nothing was measured
    assert 50_000 < count <= INSTRUCTIONS_MOST, count


def test_imports() -> None:
    """sftoken imports at most 65 names of libc"""
    text = subprocess.run(["nm", "--dynamic", "--undefined-only", "--with-symbol-versions", Shared.daemon.cli_program], capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1] for line in text.splitlines() if "@GLIBC_" in line]
    print(f"# {len(names)} names, at most {IMPORTS_MOST}: {' '.join(names)}")
    assert 20 < len(names) <= IMPORTS_MOST, names


def test_system_calls() -> None:
    """sftoken get makes at most 55 system calls"""
    text, _ = measured(["strace", "-f", "-o", "{out}"], "strace")
    count = sum(1 for line in text.splitlines() if CALL.match(line))
    print(f"# {count} system calls, at most {SYSTEM_CALLS_MOST}")
    assert 10 < count <= SYSTEM_CALLS_MOST, text


def test_libraries() -> None:
    """What jobs and probes run opens no library but libc: neither json-c nor sftoken-more.so"""
    for words in (("get", "crm"), ("env", "crm"), ("wait", "crm"), ("report", "crm", "--generation", "1"), ("exec", "crm", "--", "/bin/true"), ("ping",),
                  ("--help",)):
        text, _ = measured(["strace", "-f", "-e", "trace=openat,open", "-o", "{out}"], "opened", *words)
        opened = re.findall(r'"([^"]*\.so[^"]*)".* = \d+$', text, re.M)
        assert {Path(path).name for path in opened} == {"ld.so.cache", "libc.so.6"}, (words, opened)


if __name__ == "__main__":
    with Standin() as salesforce, Daemon(salesforce, options=["--log-level", "warning"]) as daemon:
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        Shared.daemon = daemon
        failed = run_tests()
    sys.exit(1 if failed else 0)
