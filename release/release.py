#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a release of what is committed, into build/release: the source as a tarball, its bill of materials, their checksums. Then builds from the tarball in a bare
Debian, twice, and compares the results with each other.

usage: release.py [--candidate]    (--candidate: although NEWS.md says "not released yet")"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Sequence

import sbom

TOP = Path(__file__).resolve().parent.parent
ABI = TOP / "release/libsftoken.abi"
# Bits of abidiff's exit status (abidiff(1)): it could not compare, or what links to the old library may break.
ABIDIFF_ERROR, ABIDIFF_INCOMPATIBLE = 1 | 2, 8


class Refused(Exception):
    """Why there is no release."""


def git(*words: str) -> str:
    # the checkout may be another user's than root's
    return subprocess.run(("git", "-c", f"safe.directory={TOP}", *words), cwd=TOP, capture_output=True, text=True, check=True).stdout.strip()


def version() -> str:
    found = re.search(r"^  version: '([^']+)'", (TOP / "meson.build").read_text(), re.MULTILINE)
    assert found, "no version in meson.build"
    return found[1]


def check_ready(candidate: bool) -> None:
    if changed := git("status", "--porcelain"):
        raise Refused(f"not everything is committed:\n{changed}")
    heading = re.search(rf"^## {re.escape(version())}\b.*$", (TOP / "NEWS.md").read_text(), re.MULTILINE)
    if not heading:
        raise Refused(f"NEWS.md has no section for {version()}")
    if "not released" in heading[0] and not candidate:
        raise Refused(f'NEWS.md says "{heading[0]}": write the date, or give --candidate')


# --- the library's promises ---

def dump_abi(library: Path) -> str:
    """What programs that use sftoken.h rely on. Places in the source are left out: they change with every line."""
    return subprocess.run(("abidw", "--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", "--drop-private-types", "--header-file", str(TOP / "client/sftoken.h"),
                           str(library)), capture_output=True, text=True, check=True).stdout


def compare_abi(before: Path, library: Path) -> tuple[bool, str]:
    """Whether what was linked to the library before runs with this one; and what abidiff says."""
    done = subprocess.run(("abidiff", "--no-show-locs", "--headers-dir2", str(TOP / "client"), str(before), str(library)), capture_output=True, text=True, check=False)
    if done.returncode & ABIDIFF_ERROR:
        raise Refused(f"abidiff could not compare: {done.stdout}{done.stderr}")
    return not done.returncode & ABIDIFF_INCOMPATIBLE, done.stdout


def check_abi(library: Path) -> None:
    good, said = compare_abi(ABI, library)
    if not good:
        raise Refused(f"libsftoken would break programs that are linked to the last release:\n{said}")


# --- what is made ---

def tarball(commit: str, name: str) -> bytes:
    """The committed files below NAME/, the same bytes for the same commit wherever it is made."""
    tar = subprocess.run(("git", "-c", f"safe.directory={TOP}", "-c", "tar.umask=0022", "archive", "--format=tar", f"--prefix={name}/", commit), cwd=TOP, capture_output=True, check=True).stdout
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0, compresslevel=9) as packed:
        packed.write(tar)
    return out.getvalue()


def programs(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink() and p.open("rb").read(4) == b"\x7fELF")


def bill(root: Path, source: Path, names: list[str]) -> dict[str, object]:
    return sbom.document(source, version(), names, programs(root), int(git("log", "-1", "--format=%ct")))


def hashes(root: Path) -> dict[str, str]:
    """Of all installed files."""
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file() and not p.is_symlink()}


# --- from the tarball, in a bare Debian ---

# As two people who have nothing in common but the tarball: folder, umask, time zone, language, user name and date of the files.
BUILD = """set -e
mkdir -p "$1"; cd "$1"; umask "$2"
tar -xzf /out/"$3".tar.gz --no-same-permissions -m
cd "$3"
meson setup build/release -Dman=enabled -Dtests=false -Dbench=false >/out/"$4".log 2>&1
ninja -C build/release >>/out/"$4".log 2>&1
DESTDIR=/out/"$4" meson install -C build/release --no-rebuild --quiet >>/out/"$4".log 2>&1
"""
PEOPLE = (("/home/builder/one", "022", "TZ=UTC", "LC_ALL=C"), ("/home/builder/a longer/way", "077", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8"))


def build_packages() -> list[str]:
    """The row [build] of ./dev."""
    row = re.search(r"^\t\[build\]='(.*?)'$", (TOP / "dev").read_text(), re.MULTILINE | re.DOTALL)
    assert row, "no row [build] in dev"
    return row[1].split()


def build_in_bare(name: str, packed: bytes, out: Path, people: Sequence[tuple[str, ...]]) -> list[dict[str, str]]:
    """The hashes of what each of them gets, installed in out/0, out/1... As root (mounts)."""
    sys.path[:0] = [str(TOP / "tests" / folder) for folder in ("packages", "systemd", "system", "")]
    import bare  # pylint: disable=import-outside-toplevel,import-error

    (out / f"{name}.tar.gz").write_bytes(packed)
    os.chmod(out, 0o777)
    results = []
    with bare.Bare(bare.base(build_packages()), out) as b:
        for number, (folder, umask, *environment) in enumerate(people):
            b.run("sh", "-c", BUILD, "sh", folder, umask, name, str(number), user=bare.BUILDER, environment=environment)
            results.append(hashes(out / str(number)))
    return results


def check_build(name: str, packed: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="release.") as out:
        one, two = build_in_bare(name, packed, Path(out), PEOPLE)
    if different := sorted(f for f in one.keys() | two.keys() if one.get(f) != two.get(f)):
        raise Refused(f"two builds of the same source differ in: {' '.join(different)}")
    print(f"== two builds in a bare Debian are equal: {len(one)} files")


def make(candidate: bool) -> Path:
    root, out = TOP / "build/root", TOP / "build/release-files"
    check_ready(candidate)
    check_abi(next(root.rglob("libsftoken.so.0")))
    name = f"sftokend-{version()}"
    packed = tarball("HEAD", name)
    check_build(name, packed)
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    (out / f"{name}.tar.gz").write_bytes(packed)
    sbom.write(out / f"{name}.spdx.json", bill(root, TOP, git("ls-files").split("\n")))
    sums = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in sorted(out.iterdir()))
    (out / "SHA256SUMS").write_text(sums)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidate", action="store_true", help='although NEWS.md says "not released yet"')
    parser.add_argument("--abi", action="store_true", help="write release/libsftoken.abi: what the next releases are compared with. Once a release, after its tag")
    options = parser.parse_args()
    try:
        if options.abi:
            ABI.write_text(dump_abi(next((TOP / "build/root").rglob("libsftoken.so.0"))))
            print(f"wrote {ABI.relative_to(TOP)}")
            return 0
        out = make(options.candidate)
    except Refused as refused:
        print(f"release: {refused}", file=sys.stderr)
        return 1
    print((out / "SHA256SUMS").read_text(), end="")
    print(f"== done: {out.relative_to(TOP)}. Tag it: git tag -s v{version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
