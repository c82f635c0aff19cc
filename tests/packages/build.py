# SPDX-License-Identifier: Apache-2.0
"""The packages, built in a bare Debian by "./dev package", and what an upgrade needs: the same once more with a higher version."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bare import BUILDER, CACHE, Bare, base
from machine import command

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
PACKAGES = ("libsftoken-dev", "libsftoken0", "sftoken", "sftokend")
# What apt installs with ours if nobody forbids it.
RECOMMENDED = ("ca-certificates", "libqrencode4")
# What a Debian that boots has; all else must come as a dependency.
BOOTED = ("systemd", "systemd-sysv", "dbus")
NEWER = """sftokend (NEW) unstable; urgency=medium

  * The same, for the test of the upgrade.

 -- sftokend developers <developers@sftokend.example>  Sat, 28 Nov 2026 13:00:00 +0000

"""
NEWER_CONFFILE = "# A line that the newer package brings.\n"


@dataclass(frozen=True)
class Built:
    version: str
    newer: str
    old: Path  # the files of "version"
    new: Path  # those of "newer"
    lintian: str  # what lintian said, or ""
    readelf: str  # the security features of the programs, as hardening-check would look at them
    caller: Path  # tests/packages/caller.c, compiled against libsftoken-dev
    left: str  # files in the checkout that were not there before the build


def build_depends() -> list[str]:
    """Build-Depends of debian/control, and what every Debian package may count on."""
    text = (TOP / "debian/control").read_text().split("\n\n")[0]
    field = re.search(r"^Build-Depends:\n((?: .*\n)+)", text, re.MULTILINE)
    assert field, "no Build-Depends in debian/control"
    names = [re.sub(r"\s*\(.*?\)|,", "", line).strip() for line in field[1].splitlines()]
    return ["build-essential", *("debhelper" if n.startswith(("debhelper-compat", "dh-sequence")) else n for n in names)]


def build_root() -> Path:
    return base(sorted({*build_depends(), "lintian"}))


def copy_source(b: Bare, folder: str) -> None:
    """The checkout without what was built in it, as a user's."""
    packed = subprocess.run(["tar", "-c", "--exclude=./build", "--exclude=./.git", "--exclude=__pycache__", "."], cwd=TOP, stdout=subprocess.PIPE, check=True)
    b.run("install", "-d", "-o", BUILDER, folder)
    b.run("tar", "-x", "--no-same-owner", user=BUILDER, folder=folder, stdin=packed.stdout)


def build(out: Path) -> Built:
    """Everything that has to be built, into out."""
    with ThreadPoolExecutor() as pool:  # the two downloads go side by side
        pool.submit(base, BOOTED, boots=True)
        root = pool.submit(build_root).result()
    for name in ("old", "new"):
        (out / name).mkdir()
    with Bare(root, out) as b:
        copy_source(b, "/src")
        files = b.run("find", ".", folder="/src").stdout
        b.run("./dev", "package", user=BUILDER, folder="/src")
        left = set(b.run("find", ".", "-path", "./build", "-prune", "-o", "-print", folder="/src").stdout.split(b"\n")) - set(files.split(b"\n"))
        b.run("sh", "-c", "cp build/packages/* /out/old", folder="/src")
        version = b.run("dpkg-parsechangelog", "-S", "Version", folder="/src").stdout.decode().strip()
        said = b.run("sh", "-c", "lintian --info --display-info --fail-on error,warning *.changes", user=BUILDER, folder="/src/build/packages", check=None)
        lintian = said.stdout.decode() if said.returncode else ""
        readelf = b.run("sh", "-c", "readelf -lds debian/*/usr/sbin/* debian/*/usr/libexec/*/* debian/sftoken/usr/bin/*", folder=f"/src/build/package/sftokend-{version}").stdout.decode()
        compile_caller(b)
        newer = build_newer(b, version)
    return Built(version, newer, out / "old", out / "new", lintian, readelf, out / "caller", b"\n".join(sorted(left)).decode())


def compile_caller(b: Bare) -> None:
    """By somebody who has nothing of ours but the two packages."""
    b.run("sh", "-c", "dpkg -i /out/old/libsftoken0_*.deb /out/old/libsftoken-dev_*.deb")
    b.run("sh", "-c", "cc -Wall -Werror -o /out/caller /src/tests/packages/caller.c $(pkg-config --cflags --libs libsftoken)")


def build_newer(b: Bare, version: str) -> str:
    """What was compiled is packed again, with a higher version and a conffile that has changed."""
    newer = f"{version}+1"
    source = f"/src/build/package/sftokend-{version}"
    b.run("sh", "-c", "cat - debian/changelog >../changelog && mv ../changelog debian/changelog", stdin=NEWER.replace("NEW", newer).encode(), user=BUILDER,
          folder=source)
    b.run("sh", "-c", "cat >>debian/conf/sftokend.conf", stdin=NEWER_CONFFILE.encode(), user=BUILDER, folder=source)
    b.run("sh", "-c", "rm -rf debian/.debhelper debian/*.debhelper debian/*.debhelper.log debian/*.substvars debian/tmp debian/files", user=BUILDER, folder=source)
    b.run("dpkg-buildpackage", "-us", "-uc", "-b", "-nc", user=BUILDER, folder=source, environment=("DEB_BUILD_OPTIONS=nocheck noautodbgsym",))
    b.run("sh", "-c", f"cp ../*_{newer}_*.deb /out/new", folder=source)
    return newer


# --- what they depend on ---

def dependencies(built: Built) -> Path:
    """A folder with the packages that a bare Debian needs beside ours; fetched once for each set of dependencies."""
    root = base(BOOTED, boots=True)
    ours = [str(built.old / f"{p}_{built.version}_{architecture()}.deb") for p in PACKAGES]
    wanted = "".join(command("dpkg-deb", "-f", deb, "Pre-Depends", "Depends").stdout for deb in ours).replace(built.version, "") + " ".join(RECOMMENDED)
    place = CACHE / f"depends-{hashlib.sha256((root.name + wanted).encode()).hexdigest()[:12]}"
    with open(CACHE / "depends.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            unfinished = CACHE / "new.depends"
            shutil.rmtree(unfinished, ignore_errors=True)
            (unfinished / "partial").mkdir(parents=True)
            command("apt-get", "-q", "-y", "--no-install-recommends", "--download-only", "-o", f"Dir::State::status={root}/var/lib/dpkg/status",
                    "-o", f"Dir::State::extended_states={root}/var/lib/apt/extended_states", "-o", f"Dir::Cache::archives={unfinished}", "-o", "Dir::Cache::pkgcache=",
                    "-o", "Dir::Cache::srcpkgcache=", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3", "install", *ours, *RECOMMENDED)
            shutil.rmtree(unfinished / "partial")
            unfinished.rename(place)
    return place


def architecture() -> str:
    return command("dpkg", "--print-architecture").stdout.strip()


def repository(folder: Path, *sources: Path) -> None:
    """Makes folder one that apt-get can install from: the .deb files of the sources, and their index."""
    folder.mkdir(parents=True, exist_ok=True)
    index = ""
    for deb in sorted(p for s in sources for p in s.glob("*.deb")):
        shutil.copy(deb, folder)
        (folder / deb.name).chmod(0o644)
        data = deb.read_bytes()
        index += command("dpkg-deb", "-f", str(deb)).stdout
        index += f"Filename: ./{deb.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n\n"
    (folder / "Packages").write_text(index)

