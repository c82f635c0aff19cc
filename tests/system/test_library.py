# SPDX-License-Identifier: Apache-2.0
"""libsftoken as it is installed: found by pkg-config, used by a C program with threads, forks and restarts of the daemon."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import ROOT, TOP, VARIANT, Daemon, Standin, run_tests, runs, same, wait_for
from load import library

# A sanitizer cannot be loaded into a program that is not built with it.
LIBRARY_ROOT = ROOT if VARIANT == "release" else ROOT.parent / "root"
THREADS, CALLS = 64, 50


class Shared:
    salesforce: Standin
    daemon: Daemon
    folder: Path


def library_folder() -> Path:
    library()
    return next(LIBRARY_ROOT.glob("usr/lib/**/libsftoken.so.0")).parent


def compiled(source: Path) -> Path:
    """The program, built with nothing but what pkg-config says."""
    folder = library_folder()
    env = {"PATH": "/usr/bin:/bin", "PKG_CONFIG_LIBDIR": str(folder / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(LIBRARY_ROOT)}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libsftoken"], env=env, capture_output=True, text=True, check=True).stdout
    program = Shared.folder / source.stem
    if not program.exists():
        subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Werror", str(source), "-o", str(program), *flags.split(), "-pthread"], check=True)
    return program


def run_program(program: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(library_folder()), "SFTOKEN_SOCKET": Shared.daemon.broker_path}
    result = subprocess.run([str(program), *arguments], env=env, capture_output=True, text=True, timeout=120, check=False)
    if check:
        same((result.returncode, result.stderr), (0, ""), f"{program.name} {arguments}: {result.stdout}")
    return result


def user_program(*arguments: str) -> str:
    program = compiled(TOP / "tests/system/library_user.c")
    return run_program(program, Shared.daemon.broker_path, *arguments).stdout


def test_pkg_config() -> None:
    """pkg-config knows version and library; --modversion is the version that the library says"""
    folder = library_folder()
    env = {"PATH": "/usr/bin:/bin", "PKG_CONFIG_LIBDIR": str(folder / "pkgconfig")}
    version = subprocess.run(["pkg-config", "--modversion", "libsftoken"], env=env, capture_output=True, text=True, check=True).stdout.strip()
    lib = library()
    lib.sftoken_version.restype = ctypes.c_char_p
    same(lib.sftoken_version().decode(), version)


def test_example() -> None:
    """client/example/limits.c compiles with what pkg-config says, prints the request, and takes a newer token after a 401"""
    program = compiled(TOP / "client/example/limits.c")
    with Shared.daemon.broker() as c:
        token = c.get("crm")
    output = run_program(program, "crm").stdout
    assert output.startswith(f"GET {token['instanceUrl']}/services/data/v") and f"generation {token['generation']}," in output, output
    assert token["accessToken"] not in output
    Shared.salesforce.kill_token(token["accessToken"])
    run_program(program, "crm", "401")
    with Shared.daemon.broker() as c:
        assert c.get("crm")["generation"] > token["generation"]
    result = run_program(program, "no-such-credential", check=False)
    assert result.returncode == 1 and "no-such-credential" in result.stderr, result


def test_threads() -> None:
    """64 threads with a handle each and 64 with one together: every call gets its own answer"""
    same(user_program("threads", "crm", str(THREADS), str(CALLS)), f"{2 * THREADS * CALLS} calls, 0 failed\n")


def test_fork() -> None:
    """A handle works on both sides of a fork, and after its descriptor was closed and its number used for a file"""
    user_program("fork", "crm")


def test_restart() -> None:
    """The daemon is stopped and started while callers ask without a pause, one of them in the middle of a call: none sees an error"""
    daemon, salesforce = Shared.daemon, Shared.salesforce
    program = compiled(TOP / "tests/system/library_user.c")
    env = {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(library_folder())}
    with subprocess.Popen([str(program), daemon.broker_path, "loop", "crm", "8"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as caller:
        for _ in range(2):
            calls_of(daemon)
            time.sleep(0.5)
            kill_all(daemon)
            daemon.start()
        output, errors = caller.communicate(timeout=60)
        same((caller.returncode, errors), (0, ""), output)
    same(salesforce.problems(), [])


def calls_of(daemon: Daemon) -> None:
    with daemon.broker() as c:
        wait_for(lambda: c.get("crm"), "a token")


def kill_all(daemon: Daemon) -> None:
    """kill -9 of the parent takes all with it; a TERM would tell callers ShuttingDown, which is an answer."""
    process = daemon.process
    assert process
    pids = [p for p in (daemon.child("mint"), daemon.child("front")) if p]
    process.kill()
    process.wait()
    wait_for(lambda: not any(runs(pid) for pid in pids), "the children are gone")
    assert daemon.notify
    daemon.notify.close()
    daemon.notified = []


def test_wrong_server() -> None:
    """A socket whose server is somebody else, or in a directory that others may write, is refused (77); none at all: 69"""
    folder = Shared.folder / "open"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    link = folder / "socket"
    link.unlink(missing_ok=True)
    os.link(Shared.daemon.broker_path, link)
    result = Shared.daemon.cli("--socket", str(link), "get", "crm", check=77)
    assert "written by others" in result.stderr, result.stderr
    Shared.daemon.cli("--socket", str(Shared.folder / "no-such-socket"), "get", "crm", check=69)
    Shared.daemon.cli("get", "crm", environment={"SFTOKEN_SERVER_UID": "12345"}, check=77)


def run() -> int:
    with tempfile.TemporaryDirectory() as folder, Standin() as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon, Shared.folder = salesforce, daemon, Path(folder)
        daemon.add_settings("[Limits]\nMaxRequestsPerHour=1000\nCheckInterval=1s\n")
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
