#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program of the system ring with its daemons in the sandbox of sftokend.service, where a refused system call kills.

    sandboxed.py tests/system/test_X.py [TEST...]

The program runs inside a machine (machine.py), as the service user with sudo, from this checkout at /src; what it starts with Daemon is a unit there (starter.py). What LEFT_OUT names is not run, and why."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import machine
from machine import TOP, Machine

import hardware
import promtool
import varlinkctl
from debs import fetch

PACKAGES = ("python3", "python3-cryptography", "python3-jwt", "python3-lxml", "python3-pysaml2", "xmlsec1", "procps", "strace", "libqrencode4", "softhsm2", "swtpm",
            "libtss2-tcti-swtpm0", "tpm2-openssl", "tpm2-tools", "curl", "sudo", "gcc", "libc6-dev", "pkgconf")
SOCKET = "/srv/starter"
# Tests that say nothing about the sandbox of the unit, or contradict it. PROGRAM or PROGRAM/TEST.
INJECTED = "strace makes a call fail by giving it the number -1, which no filter lets through"
SHELL = "a shell that is not in the machine, and nothing of the daemon's"
LEFT_OUT = {
    "access/test_root_start": "a daemon that changes its user as root: the unit has a user, and no capability to become another one",
    "lost_answer/test_parent_dies": "a mint that outlives the parent: a unit has ended when all of it has, so it cannot be seen; systemd/test_service has this",
    "reload/test_credentials_directory": "links in $CREDENTIALS_DIRECTORY, as Kubernetes has them; under RestrictSUIDSGID= openat2() does not exist, and links are not followed",
    "completion/test_fish": SHELL,
    "completion/test_zsh": SHELL,
    "setup/test_root_for_another_user": "a set-up by root; here everything is the service user's",
    **{f"store/{test}": INJECTED for test in ("test_no_intent_no_spend", "test_result_not_written", "test_heal_fails", "test_canaries")},
}
SECONDS = 1500.0


def tests_of(program: Path) -> list[str]:
    return re.findall(r"^def (test_\w+)\(", program.read_text(), re.M)


def chosen(program: Path, wanted: list[str]) -> list[str]:
    """The names of the tests to run; [] for all."""
    name = program.stem.removeprefix("test_")
    left_out = {test for test in tests_of(program) if f"{name}/{test}" in LEFT_OUT}
    for test in sorted(left_out):
        print(f"# left out: {test}: {LEFT_OUT[f'{name}/{test}']}")
    if not left_out:
        return wanted
    return [test for test in wanted or tests_of(program) if test not in left_out]


def main() -> int:
    program = Path(sys.argv[1]).resolve()
    tests = chosen(program, sys.argv[2:])
    sudoers = {"/etc/sudoers.d/test": "sftokend ALL=(ALL) NOPASSWD: ALL\n", "/etc/hosts": f"127.0.0.1 localhost {os.uname().nodename}\n::1 localhost\n"}
    with Machine(more=PACKAGES, files=sudoers, options=(f"--bind-ro={TOP}:/src", "--tmpfs=/srv")) as m:
        variables = {"SFTOKEN_ROOT": "/", "SFTOKEN_VARIANT": "release", "SFTOKEN_BUILD": "/src/build/release", "SFTOKEN_STARTER": SOCKET, "SFTOKEN_TOP": "/src",
                     "TMPDIR": "/srv", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = m.run("/usr/bin/python3", "-B", "/src/tests/systemd/starter.py", SOCKET, "runuser", "-u", "sftokend", "--", "env", "-i",
                     *(f"{name}={value}" for name, value in variables.items()), "/usr/bin/python3", f"/src/{program.relative_to(TOP)}", *tests, check=None, timeout=SECONDS)
        print(done.stdout, end="")
        print(done.stderr, end="", file=sys.stderr)
    return done.returncode


def fetch_what_is_missing(program: Path) -> None:
    """While there is a network, and build/ can be written."""
    if program.stem == "test_keys" and not hardware.PROVIDER.exists():
        fetch(hardware.PLACE, "bookworm-backports", ("pkcs11-provider",))
    if program.stem == "test_varlinkctl":
        varlinkctl.command(())
    if program.stem == "test_metrics":
        promtool.fetch()


if __name__ == "__main__":
    fetch_what_is_missing(Path(sys.argv[1]))
    machine.enter(more=PACKAGES, suite="sandbox")
    sys.exit(main())
