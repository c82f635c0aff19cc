#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every source file says its licence in its first two lines."""
from pathlib import Path

import report
import source

C_FIRST = "/* SPDX-License-Identifier: Apache-2.0 */"
HASH = "# SPDX-License-Identifier: Apache-2.0"
SINGLE = ("meson.build", "meson_options.txt", "dev", ".ci/run", "tests/run", "debian/rules", "debian/sftokend.prerm", "debian/sftokend.postrm")


def check(top: Path) -> list[str]:
    complaints = []
    for path in source.c_files(top):
        if path.read_text().split("\n", 1)[0] != C_FIRST:
            complaints.append(f"{path.relative_to(top)}:1: the first line must be {C_FIRST}")
    hashed = [top / name for name in SINGLE if (top / name).exists()]
    hashed += source.files(top, source.EVERYWHERE, ".py", ".sh", ".build")
    for path in hashed:
        if HASH not in path.read_text().splitlines()[:2]:
            complaints.append(f"{path.relative_to(top)}:1: {HASH} must stand in the first two lines")
    return complaints


if __name__ == "__main__":
    report.run(("every file names its licence", check))
