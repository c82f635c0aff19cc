# SPDX-License-Identifier: Apache-2.0
"""varlinkctl of Debian 13 (systemd 257), unpacked below build/ and run with its own loader: nothing is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness import TOP, Skip

PLACE = TOP / "build" / "trixie"
LOADER = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd")


def run(*command: str, cwd: Path = PLACE) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=300).stdout


def apt(tool: str, *arguments: str, cwd: Path = PLACE) -> str:
    """apt with directories of its own, so that it needs no root and touches nothing of this machine."""
    options = {
        "Dir::Etc::sourcelist": PLACE / "sources.list", "Dir::Etc::sourceparts": "/dev/null", "Dir::State": PLACE / "state",
        "Dir::State::status": PLACE / "status", "Dir::Cache": PLACE / "cache", "Debug::NoLocking": "true",
        "APT::Sandbox::User": "", "APT::Get::List-Cleanup": "false", "Acquire::Languages": "none",
    }
    return run(tool, *(word for key, value in options.items() for word in ("-o", f"{key}={value}")), "-q", *arguments, cwd=cwd)


def unpack() -> None:
    """varlinkctl and all that it is linked to, from the mirror that this machine uses for its own Debian."""
    mirror = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm", cwd=TOP).split()
    if not mirror:
        raise Skip("no Debian mirror is configured here")
    for folder in ("state/lists/partial", "cache/archives/partial", "debs", "root"):
        (PLACE / folder).mkdir(parents=True, exist_ok=True)
    (PLACE / "status").touch()
    (PLACE / "sources.list").write_text(f"deb {mirror[0]} trixie main\n")
    apt("apt-get", "update")
    plan = apt("apt-get", "install", "-s", "--no-install-recommends", "systemd")
    packages = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    apt("apt-get", "download", *packages, cwd=PLACE / "debs")
    for package in sorted((PLACE / "debs").glob("*.deb")):
        run("dpkg", "-x", str(package), str(PLACE / "root"))
    (PLACE / "ready").touch()


ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "dumb"}


def command(*arguments: str) -> list[str]:
    """varlinkctl with these arguments, for subprocess."""
    if not (PLACE / "ready").exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        unpack()
    root = PLACE / "root"
    paths = ":".join(str(root / path) for path in LIBRARIES)
    return [str(root / LOADER), "--library-path", paths, str(root / "usr/bin/varlinkctl"), *arguments]


def varlinkctl(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs it; its standard output and error as text."""
    return subprocess.run(command(*arguments), check=check, capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
