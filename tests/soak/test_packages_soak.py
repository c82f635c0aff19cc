# SPDX-License-Identifier: Apache-2.0
"""The Debian packages are reproducible: built twice where path, time zone, language, umask and the number of jobs differ, they are the same bytes. About two minutes."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "packages"), str(TESTS / "systemd")]

import machine  # noqa: E402
from bare import BUILDER, Bare  # noqa: E402
from build import build_root, copy_source  # noqa: E402
from privileged import become_root  # noqa: E402
from tap import main, same  # noqa: E402


def built_at(folder: str, umask: str, *environment: str) -> dict[str, str]:
    """The checksums of the packages by name."""
    with tempfile.TemporaryDirectory() as out:
        Path(out).chmod(0o755)
        with Bare(build_root(), Path(out)) as b:
            copy_source(b, folder)
            b.run("sh", "-c", f"umask {umask}; exec ./dev package", user=BUILDER, folder=folder, environment=environment)
            b.run("sh", "-c", "cp build/packages/*.deb /out", folder=folder)
        return {deb.name: hashlib.sha256(deb.read_bytes()).hexdigest() for deb in sorted(Path(out).glob("*.deb"))}


def test_reproducible() -> None:
    """two builds in different surroundings give the same packages, byte for byte"""
    one = built_at("/src", "022")
    assert len(one) >= 4, one
    same(built_at("/somewhere/else", "027", "TZ=Pacific/Chatham", "LC_ALL=C", "JOBS=1"), one)


if __name__ == "__main__":
    become_root()
    reason = machine.why_not()
    if reason:
        print(f"SKIP soak/packages_soak: {reason}")
        sys.exit(0)
    main()
