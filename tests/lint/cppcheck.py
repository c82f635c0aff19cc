#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cppcheck, without the remarks on style that the project decides for itself."""
from pathlib import Path

import analysis
import report

# What it cannot know: __attribute__((cleanup)) (resourceLeak, memleak: the leak sanitizer watches), that a string may stand before ?: in a
# macro that checks its type (F_STR), and that there are no threads (readdir and the like). mmap() of no file takes -1.
QUIET = ("missingIncludeSystem", "unmatchedSuppression", "resourceLeak", "memleak", "incorrectStringBooleanError", "readdirCalled",
         "getpwnamCalled", "getgrnamCalled", "getpwuidCalled", "getgrgidCalled", "invalidFunctionArg")


def command(name: str) -> list[str]:
    return ["cppcheck", "--quiet", "--enable=warning,portability,performance", "--inline-suppr", "--std=c11", "--error-exitcode=1",
            "--template={file}:{line}: {severity}: {message} [{id}]", "--library=gnu,posix", *(f"--suppress={q}" for q in QUIET),
            "-D_GNU_SOURCE", '-DSFTOKEN_VERSION="0"', '-DMORE_FOLDER="/x"', "-D__linux__", "-D__x86_64__", "-I.", name]


def check(top: Path) -> list[str]:
    return analysis.check(top, command)


if __name__ == "__main__":
    report.run(("cppcheck finds nothing", check))
