# SPDX-License-Identifier: Apache-2.0
"""Packages of other suites of Debian, unpacked below build/. Nothing is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Sequence


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


def fetch(place: Path, suite: str, packages: Sequence[str]) -> None:
    """Packages into PLACE/root, by way of a folder that is renamed when it is complete."""
    folder = place.with_name(f"{place.name}.{os.getpid()}")
    for part in ("lists/partial", "cache/archives/partial", "root"):
        (folder / part).mkdir(parents=True)
    folder.chmod(0o755)  # whatever the umask: the sandbox suite reads it as another user
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror()} {suite} main\n")
    apt(folder, "update")
    apt(folder, "download", *packages)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "root")], check=True)
        package.unlink()
    for part in ("lists", "cache"):
        shutil.rmtree(folder / part)
    shutil.rmtree(place, ignore_errors=True)
    folder.rename(place)
