# SPDX-License-Identifier: Apache-2.0
"""varlinkctl 257, which Debian 12 does not have: taken from Debian 13's packages, unpacked, run with their own loader. Nothing is installed."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Sequence

from harness import TOP

PLACE = TOP / "build/varlinkctl"
PACKAGES = ("systemd", "libsystemd-shared", "libc6", "libcap2", "libmount1", "libblkid1", "libacl1", "libcrypt1", "libselinux1", "libseccomp2",
            "libpcre2-8-0", "libssl3t64")


def mirror() -> str:
    """Where this machine's own packages come from."""
    result = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm"],
                            capture_output=True, text=True, check=True)
    found = [line for line in result.stdout.split() if line]
    if not found:
        raise AssertionError("there is no mirror of Debian 12 among apt's sources")
    return found[0]


def apt(folder: Path, *arguments: str) -> None:
    """apt-get with sources and lists of its own: the machine's stay as they are, and no root is needed."""
    options = {"Dir::Etc::SourceList": folder / "sources.list", "Dir::Etc::SourceParts": "/dev/null", "Dir::State::Lists": folder / "lists",
               "Dir::State::Status": folder / "status", "Dir::Cache": folder / "cache", "APT::Sandbox::User": "", "Acquire::Retries": "3"}
    command = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items()), *arguments]
    result = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\n{result.stdout}{result.stderr}")


def fetch() -> None:
    """Packages into PLACE/root, by way of a folder that is renamed when it is complete."""
    folder = PLACE.with_name(f"varlinkctl.{os.getpid()}")
    for part in ("lists/partial", "cache/archives/partial", "root"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror()} trixie main\n")
    apt(folder, "update")
    apt(folder, "download", *PACKAGES)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "root")], check=True)
        package.unlink()
    for part in ("lists", "cache"):
        shutil.rmtree(folder / part)
    shutil.rmtree(PLACE, ignore_errors=True)
    folder.rename(PLACE)


def command(arguments: Sequence[str]) -> list[str]:
    """The command line that runs varlinkctl."""
    if not (PLACE / "root/usr/bin/varlinkctl").exists():
        fetch()
    libraries = PLACE / "root/usr/lib" / f"{platform.machine()}-linux-gnu"
    loader = next(libraries.glob("ld-linux*"))
    return [str(loader), "--library-path", f"{libraries}:{libraries}/systemd", str(PLACE / "root/usr/bin/varlinkctl"), *arguments]


def varlinkctl(*arguments: str, stdin: str = "", timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Runs it."""
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
    return subprocess.run(command(arguments), env=env, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
