#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a release promises: programs that were linked to the last one run with this one, the same source gives the same files, and the bill of materials is complete."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(TOP / "release"), str(TOP / "tests/packages"), str(TOP / "tests/systemd"), str(TOP / "tests/system"), str(TOP / "tests")]

import release  # noqa: E402
import sbom  # noqa: E402
from privileged import become_root  # noqa: E402
from tap import main, same  # noqa: E402

ROOT = TOP / os.environ.get("SFTOKEN_ROOT", "build/root")


def library() -> Path:
    return next(ROOT.rglob("libsftoken.so.0"))


def files() -> list[str]:
    """What would be in the tarball: everything but what was built. (A checkout may have come without git.)"""
    found = (p.relative_to(TOP) for p in TOP.rglob("*") if p.is_file())
    return sorted(str(p) for p in found if p.parts[0] not in ("build", ".git") and "__pycache__" not in p.parts)


def changed_library(folder: Path, header: str, source: str) -> Path:
    """A library of one function and one type that promise what the texts say."""
    (folder / "t.h").write_text(header)
    (folder / "t.c").write_text('#include "t.h"\n' + source)
    out = folder / f"t{len(list(folder.iterdir()))}.so"
    subprocess.run(("cc", "-g", "-shared", "-fPIC", "-o", str(out), str(folder / "t.c")), check=True)
    return out


def test_abi() -> None:
    """libsftoken.so.0 keeps what release/libsftoken.abi promised; the comparison sees a function that is gone and a member that has moved"""
    good, said = release.compare_abi(release.ABI, library())
    assert good, said
    struct = "struct options { int a; int b; };\nint take(struct options *o);\n"
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        before = changed_library(folder, struct + "int more(void);\n", "int take(struct options *o) { return o->b; }\nint more(void) { return 1; }\n")
        (folder / "before.abi").write_text(subprocess.run(("abidw", str(before)), capture_output=True, text=True, check=True).stdout)
        gone = changed_library(folder, struct, "int take(struct options *o) { return o->b; }\n")
        same(release.compare_abi(folder / "before.abi", gone)[0], False, "a function that is gone")
        done = subprocess.run(("abidiff", str(folder / "before.abi"), str(changed_library(
            folder, "struct options { long long a; int b; };\nint take(struct options *o);\nint more(void);\n",
            "int take(struct options *o) { return o->b; }\nint more(void) { return 1; }\n"))), capture_output=True, text=True, check=False)
        assert done.returncode & 4 and "options" in done.stdout, done.stdout


def test_bill() -> None:
    """The bill of materials names each file once with its right hash, and each library that a program asks for or loads"""
    names = files()
    what = sbom.document(TOP, release.version(), names, release.programs(ROOT), 1_800_000_000)
    same([f["fileName"] for f in what["files"]], [f"./{n}" for n in names], "files")
    ids = [e["SPDXID"] for e in (*what["packages"], *what["files"])]
    same(len(set(ids)), len(ids), "ids that are used once")
    known = {*ids, "SPDXRef-DOCUMENT"}
    for relation in what["relationships"]:
        assert relation["spdxElementId"] in known and relation["relatedSpdxElement"] in known, relation
    libraries = {p["comment"] for p in what["packages"] if "comment" in p}
    for soname in ("libcurl.so.4", "libcrypto.so.3", "libevent_core-2.1.so.7", "libsystemd.so.0", "libseccomp.so.2", "libjson-c.so.5", "libqrencode.so.4"):
        assert soname in libraries, f"{soname} is not in the bill: {sorted(libraries)}"
    for program in release.programs(ROOT):
        for soname in sbom.needed([program]):
            assert soname in libraries, f"{program}: {soname}"
    for package in what["packages"]:
        for key in ("name", "SPDXID", "downloadLocation"):
            assert package[key], package
    same(what["creationInfo"]["created"], "2027-01-15T08:00:00Z", "the time is the commit's")


def test_equal() -> None:
    """The tarball of a copy of the source builds in a bare Debian; somebody else's result is equal to ours, and nothing tells where it was built"""
    name = f"sftokend-{release.version()}"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for n in files():
            tar.add(TOP / n, f"{name}/{n}", recursive=False)
    with tempfile.TemporaryDirectory(prefix="release.") as made:
        out = Path(made)
        one, two = release.hashes(ROOT), release.build_in_bare(name, packed.getvalue(), out, release.PEOPLE[1:])[0]
        if one != two:  # a machine that is behind Debian's mirror has other headers: then two strangers are compared
            two, one = release.build_in_bare(name, packed.getvalue(), out, release.PEOPLE)
        same(sorted(one), sorted(two), "installed files")
        same([f for f in one if one[f] != two[f]], [], "files that differ")
        assert len(one) > 20 and any(f.endswith("sbin/sftokend") for f in one), sorted(one)
        for path in release.programs(out):
            assert b"a longer/way" not in path.read_bytes(), f"{path} knows where it was built"


if __name__ == "__main__":
    become_root()
    main()
