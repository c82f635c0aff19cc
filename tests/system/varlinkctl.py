# SPDX-License-Identifier: Apache-2.0
"""varlinkctl 257, which Debian 12 does not have: taken from Debian 13's packages, unpacked, run with their own loader. Nothing is installed."""

from __future__ import annotations

import platform
import subprocess
from typing import Sequence

from debs import fetch
from harness import TOP

PLACE = TOP / "build/varlinkctl"
PACKAGES = ("systemd", "libsystemd-shared", "libc6", "libcap2", "libmount1", "libblkid1", "libacl1", "libcrypt1", "libselinux1", "libseccomp2",
            "libpcre2-8-0", "libssl3t64")


def command(arguments: Sequence[str]) -> list[str]:
    """The command line that runs varlinkctl."""
    if not (PLACE / "root/usr/bin/varlinkctl").exists():
        fetch(PLACE, "trixie", PACKAGES)
    libraries = PLACE / "root/usr/lib" / f"{platform.machine()}-linux-gnu"
    loader = next(libraries.glob("ld-linux*"))
    return [str(loader), "--library-path", f"{libraries}:{libraries}/systemd", str(PLACE / "root/usr/bin/varlinkctl"), *arguments]


def varlinkctl(*arguments: str, stdin: str = "", timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Runs it."""
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
    return subprocess.run(command(arguments), env=env, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
