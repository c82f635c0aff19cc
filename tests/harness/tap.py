# SPDX-License-Identifier: Apache-2.0
"""Reads the TAP that one program printed."""
import re
from dataclasses import dataclass, field

LINE = re.compile(r"^(not )?ok\b\s*(\d+)?\s*-?\s*([^#]*?)\s*(?:#\s*(\w+)\b:?\s*(.*))?$")
PLAN = re.compile(r"^1\.\.(\d+)\s*(?:#\s*SKIP\S*\s*(.*))?$", re.IGNORECASE)
SKIPPED_SUITE = re.compile(r"^SKIP ([\w./-]+): (.+)$")
SANITIZER = re.compile(r"ERROR: (Address|Leak|Undefined)\w*Sanitizer|runtime error: |ERROR: libFuzzer")


@dataclass
class Result:
    passed: int = 0
    failures: list[str] = field(default_factory=list)  # one line each, with the diagnosis that stood before or after it
    skips: list[tuple[str, str]] = field(default_factory=list)  # (name of the test or "", reason)
    suite_skips: list[tuple[str, str]] = field(default_factory=list)  # (name of the suite, reason)

    def fail(self, text: str) -> None:
        self.failures.append(text)


class Parser:
    """Line by line; the diagnosis of a failure ("# ...") may stand before its line or after it."""

    def __init__(self) -> None:
        self.result = Result()
        self.seen = 0
        self.planned: int | None = None
        self.notes: list[str] = []
        self.last_failed = False

    def line(self, line: str) -> None:
        if line.startswith("#"):
            self.note(line)
        elif match := PLAN.match(line):
            self.plan(int(match[1]), match[2])
        elif line.startswith("Bail out!"):
            self.result.fail(line)
        elif match := SKIPPED_SUITE.match(line):
            self.result.suite_skips.append((match[1], match[2]))
        elif match := LINE.match(line):
            self.test(match)

    def note(self, line: str) -> None:
        if self.last_failed:
            self.result.failures[-1] += "\n" + line
        else:
            self.notes.append(line)

    def plan(self, count: int, skip_reason: str | None) -> None:
        if self.planned is not None:
            self.result.fail("two plan lines")
        self.planned = count
        if count == 0 and skip_reason is not None:
            self.result.skips.append(("", skip_reason))

    def test(self, match: re.Match) -> None:
        failed, number, name, directive, reason = match.groups()
        self.seen += 1
        self.last_failed = False
        if number is not None and int(number) != self.seen:
            self.result.fail(f"test {number} stands where number {self.seen} should")
        if failed:
            self.result.fail("\n".join([f"not ok - {name}", *self.notes]))
            self.last_failed = True
        elif directive and directive.upper().startswith("SKIP"):
            self.result.skips.append((name, reason or "no reason given"))
        elif directive and directive.upper() == "TODO":
            self.result.fail(f"{name}: TODO is not accepted")
        else:
            self.result.passed += 1
        self.notes = []

    def end(self, ended: str | None) -> Result:
        """ended: how the program ended if not by exit(0)."""
        r = self.result
        if self.planned is None and not r.suite_skips:
            r.fail("no plan line: it did not come to its end")
        elif self.planned is not None and self.planned != self.seen:
            r.fail(f"{self.planned} tests planned, {self.seen} run")
        elif self.planned == 0 and not r.skips and not r.suite_skips:
            r.fail("it tests nothing")
        if ended and not (r.failures and ended == "exit status 1"):
            r.fail(ended)
        return r


def parse(stdout: str, stderr: str, ended: str | None) -> Result:
    parser = Parser()
    for line in stdout.splitlines():
        parser.line(line.rstrip())
    result = parser.end(ended)
    if SANITIZER.search(stderr) or SANITIZER.search(stdout):
        result.fail("a sanitizer spoke (see its output)")
    return result
