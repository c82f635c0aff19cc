# SPDX-License-Identifier: Apache-2.0
"""Chooses, runs, adds up."""
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from . import program as runner
from . import suites as table
from . import tap
from .suites import Program, Suite

TAIL_LINES = 60
SLOWEST = 5


@dataclass
class Sum:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class UsageError(Exception):
    pass


def read_skips(top: Path) -> set[str]:
    """What may be skipped: the first word of each line."""
    lines = (top / "tests/skips").read_text().splitlines()
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


def choose(arguments: list[str]) -> list[tuple[Suite, str]]:
    """Arguments to (suite, name of a program or "" for all)."""
    wanted: list[tuple[Suite, str]] = []
    without = set()
    left = iter(arguments)
    for argument in left:
        if argument == "--without":
            argument = next(left, "")
            without.add(suite_named(argument).name)
            continue
        name, _, one = argument.partition("/")
        wanted.append((suite_named(name), one))
    if not wanted:
        wanted = [(s, "") for s in table.SUITES if s.by_default]
    return [(s, one) for s, one in wanted if s.name not in without]


def suite_named(name: str) -> Suite:
    suite = table.by_name(name)
    if not suite:
        raise UsageError(f'there is no suite "{name}"; there are: {" ".join(s.name for s in table.SUITES)}')
    return suite


def judge_skips(program: Program, result: tap.Result, allowed: set[str]) -> int:
    """Turns skips that nobody allowed into failures; returns how many stay skips."""
    kept = 0
    suite = program.suite.name
    for name, reason in result.skips:
        names = {suite, program.full_name, f"{program.full_name}/{name}"}
        if names & allowed:
            kept += 1
        else:
            result.fail(f"skipped, and not in tests/skips: {name or program.name}: {reason}")
    for name, reason in result.suite_skips:
        print(f"SKIP {name}: {reason}")
        if name in allowed and name.split("/")[0] == suite:
            kept += 1
        else:
            result.fail(f"skipped, and not in tests/skips: {name}: {reason}")
    return kept


def show_failure(program: Program, result: tap.Result, log: Path) -> None:
    for failure in result.failures:
        print(f"FAILED {program.full_name}: {failure}")
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    shown = [line for line in lines if not line.startswith("ok ")]
    if len(shown) > TAIL_LINES:
        print(f"    ... ({log.relative_to(log.parents[3])} has all of it)")
    for line in shown[-TAIL_LINES:]:
        print(f"    {line}")


def can_sudo() -> bool:
    return os.geteuid() != 0 and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0


def run_rest_as_root(top: Path, program: Program, log: Path, result: tap.Result) -> float:
    """What was skipped because only root can do it is run once more by root. Returns how long that took."""
    as_root = replace(program, command=("sudo", "-n", "-E", *program.command))
    again, took = runner.run(top, as_root, log.with_suffix(".root.log"))
    result.failures += again.failures
    result.passed += len(set(result.skips) - set(again.skips))
    result.skips = again.skips
    return took


def run_program(top: Path, program: Program, alone: bool) -> tuple[Program, tap.Result, float, Path]:
    log = top / "build/test-logs" / program.suite.name / f"{program.name}.log"
    result, took = runner.run(top, program, log)
    if any("root" in reason for _, reason in result.skips) and can_sudo():
        took += run_rest_as_root(top, program, log, result)
    if alone:
        for left in runner.reap_left_over():
            result.fail(f"left running: {left}")
    return program, result, took, log


def run_programs(top: Path, programs: list[Program], workers: int, allowed: set[str], total: Sum) -> list[tuple[float, str]]:
    """So many at a time. Returns how long each took."""
    times = []
    with ThreadPoolExecutor(workers) as pool:
        for program, result, took, log in pool.map(lambda p: run_program(top, p, workers == 1), programs):
            total.skipped += judge_skips(program, result, allowed)
            total.passed += result.passed
            total.failed += len(result.failures)
            times.append((took, program.name))
            if result.failures:
                show_failure(program, result, log)
            sys.stdout.flush()
    if workers > 1:
        for left in runner.reap_left_over():
            print(f"FAILED {programs[0].suite.name}: left running: {left}")
            total.failed += 1
    return times


def run_suite(top: Path, suite: Suite, one: str, allowed: set[str]) -> Sum:
    programs = [p for p in table.programs_of(top, suite) if one in ("", p.name)]
    total = Sum()
    if not programs:
        print(f"FAILED {suite.name}: there is no program{' ' + one if one else ''} in it")
        total.failed = 1
        return total
    began = time.monotonic()
    beside = sorted((p for p in programs if suite.together and p.name not in suite.alone), key=lambda p: p.name not in suite.long)
    width = (os.cpu_count() or 1) * suite.each
    times = run_programs(top, beside, width, allowed, total) if beside else []
    times += run_programs(top, [p for p in programs if p not in beside], 1, allowed, total)
    slowest = ", ".join(f"{name} {took:.0f} s" for took, name in sorted(times, reverse=True)[:SLOWEST])
    print(f"{suite.name}: {total} ({len(programs)} programs in {time.monotonic() - began:.0f} s; slowest {slowest})", flush=True)
    return total


def run(top: Path, arguments: list[str]) -> int:
    runner.become_reaper()
    allowed = read_skips(top)
    total = Sum()
    for suite, one in choose(arguments):
        print(f"== {suite.name}: {suite.about}", flush=True)
        part = run_suite(top, suite, one, allowed)
        total.passed += part.passed
        total.failed += part.failed
        total.skipped += part.skipped
    print(total, flush=True)
    return 1 if total.failed or not total.passed else 0


def show_list(top: Path) -> int:
    for suite in table.SUITES:
        names = " ".join(p.name for p in table.programs_of(top, suite))
        print(f"{suite.name:15} {suite.about}{'' if suite.by_default else ' (only when named)'}\n{'':15} {names}")
    return 0


def show_needs(arguments: list[str]) -> int:
    needs = set()
    for suite, _ in choose(arguments):
        needs.update(f"packages:{p}" for p in suite.packages)
        needs.update(f"build:{b}" for b in suite.builds)
    if any(n.startswith("build:") for n in needs):
        needs.add("packages:build")
    print(" ".join(sorted(needs)))
    return 0


def main(top: Path, arguments: list[str]) -> int:
    try:
        if arguments[:1] == ["--list"]:
            return show_list(top)
        if arguments[:1] == ["--needs"]:
            return show_needs(arguments[1:])
        return run(top, arguments)
    except UsageError as mistake:
        print(f"tests/run: {mistake}", file=sys.stderr)
        return 64
