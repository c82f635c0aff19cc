# SPDX-License-Identifier: Apache-2.0
"""libsftoken as another program uses it: compiled with pkg-config against what is installed, over restarts, forks and threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Optional

from harness import ROOT, TOP, VARIANT, Daemon, Standin, run_tests, same, wait_for
from load import LibraryCaller, Load, library

RELEASE = ROOT if VARIANT == "release" else ROOT.parent / "root"


class Shared:
    daemon: Daemon
    program: Optional[Path] = None


def pkg_config(*arguments: str) -> list[str]:
    folder = next(RELEASE.glob("usr/lib/**/pkgconfig"))
    environment = {**os.environ, "PKG_CONFIG_LIBDIR": str(folder), "PKG_CONFIG_SYSROOT_DIR": str(RELEASE),
                   "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1", "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1"}
    return subprocess.run(["pkg-config", *arguments, "libsftoken"], check=True, capture_output=True, text=True, env=environment).stdout.split()


def example(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The example program, compiled on first use with nothing but what is installed."""
    if Shared.program is None:
        program = Shared.daemon.directory / "limits"
        source = TOP / "client/example/limits.c"
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", str(source), "-o", str(program), *pkg_config("--cflags", "--libs")], check=True)
        Shared.program = program
    folder = next(RELEASE.glob("usr/lib/**/libsftoken.so.0")).parent
    return subprocess.run([str(Shared.program), *arguments], check=check, capture_output=True, text=True, timeout=60,
                          env={"SFTOKEN_SOCKET": Shared.daemon.broker_path, "LD_LIBRARY_PATH": str(folder)})


def test_example() -> None:
    """The example of libsftoken(3) compiles with pkg-config and names instance and generation"""
    with Shared.daemon.broker() as c:
        token = c.get("crm")
    output = example("crm").stdout
    assert f"{token['instanceUrl']}/services/data" in output and f"generation {token['generation']}" in output, output
    assert token["accessToken"] not in output


def test_example_fails_in_words() -> None:
    """An error of the library is one line that says what to do"""
    result = example("nobody", check=False)
    same((result.returncode, len(result.stderr.splitlines())), (1, 1))
    assert "sftoken list" in result.stderr, result.stderr


def test_example_reports() -> None:
    """Asked with a rejected generation that is alive, the daemon says that the server accepts it"""
    result = example("crm", "rejected", check=False)
    assert result.returncode == 1 and "accepts this token" in result.stderr, result


def test_soname() -> None:
    """The library has its SONAME and needs libc alone"""
    path = next(RELEASE.glob("usr/lib/**/libsftoken.so.0"))
    text = subprocess.run(["readelf", "-d", str(path)], check=True, capture_output=True, text=True).stdout
    assert "[libsftoken.so.0]" in text
    same([line.split("[")[1].rstrip("]") for line in text.splitlines() if "(NEEDED)" in line], ["libc.so.6"])


def test_many_threads() -> None:
    """64 threads with a handle each: no errors, one generation"""
    with Load(Shared.daemon.broker_path, ["crm"], n=64) as load:
        wait_for(lambda: load.calls > 6400, "6,400 calls")
    same(load.errors[:3], [])
    same({g for c in load.callers for g in c.generations}, {load.callers[0].generations[0]})


def test_restart_in_mid_call() -> None:
    """The daemon is stopped and started while calls run: they are sent again or wait for the new one, none fails"""
    daemon = Shared.daemon
    with Load(daemon.broker_path, ["crm"], n=8, pause=0.01) as load:
        for _ in range(3):
            before = load.calls
            wait_for(lambda b=before: load.calls > b + 50, "calls go on")  # type: ignore[misc]
            daemon.stop()
            daemon.start()
    unexpected = [e for e in load.errors if "stopping" not in e]
    same(unexpected[:3], [])


def test_unreachable_is_quick() -> None:
    """Without a daemon a call ends after connect_wait, not at its deadline"""
    caller = LibraryCaller(library(), "/tmp/no-such-daemon/socket", "crm")
    done = threading.Event()
    threading.Thread(target=lambda: (caller.one(), done.set()), daemon=True).start()
    assert done.wait(10), "the call hangs"
    assert "is sftokend running" in caller.errors[0], caller.errors


def run() -> int:
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        Shared.daemon = daemon
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
