#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy, with the checks of .clang-tidy."""
from pathlib import Path

import analysis
import report


def check(top: Path) -> list[str]:
    config = top / ".clang-tidy"

    def command(name: str) -> list[str]:
        return ["clang-tidy", "--quiet", f"--config-file={config}", name, "--", *analysis.DEFINES]

    return analysis.check(top, command, config.read_text())


if __name__ == "__main__":
    report.run(("clang-tidy finds nothing", check))
