#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the fuzz targets, each for some seconds: run.py [BUILD [SECONDS [TARGET]]]; prints TAP.

A target starts from its seeds in tests/fuzz/corpus/TARGET, which stay as they are, and from what earlier runs found, which is in
build/fuzz-corpus/TARGET, where new finds go, too. What made it fail is kept in build/fuzz-failures/TARGET and named in the output.
"""
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SHOWN_LINES = 40
# the same as tests/harness/program.py sets: what fails in "./dev test" fails in "./dev fuzz"
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


def command(binary: Path, target: str, seconds: int) -> list[str]:
    seeds = TOP / "tests/fuzz/corpus" / target
    finds, failures = TOP / "build/fuzz-corpus" / target, TOP / "build/fuzz-failures" / target
    finds.mkdir(parents=True, exist_ok=True)
    failures.mkdir(parents=True, exist_ok=True)
    dictionary = TOP / f"tests/fuzz/{target}.dict"
    return [str(binary), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=131072", "-print_final_stats=1",
            f"-artifact_prefix={failures}/", *([f"-dict={dictionary}"] if dictionary.exists() else []), str(finds), str(seeds)]


def runs(output: str) -> int:
    for line in output.splitlines():
        if line.startswith("stat::number_of_executed_units:"):
            return int(line.split()[1])
    return 0


def told(output: str) -> list[str]:
    """What went wrong and where, which stands before a long dump of memory, and the end, which names the input."""
    lines = output.splitlines()
    end = lines[-SHOWN_LINES:]
    first = next((n for n, line in enumerate(lines) if "ERROR: " in line or "runtime error: " in line), len(lines))
    return [*lines[first:first + SHOWN_LINES], *(end if first >= len(lines) else [line for line in end if not line.startswith(("  0x", "=>0x"))])]


def fuzz(binary: Path, seconds: int) -> tuple[bool, str, list[str]]:
    """(passed, name of the test, diagnosis)"""
    target = binary.name.removeprefix("fuzz_")
    if not any((TOP / "tests/fuzz/corpus" / target).glob("*")):
        return False, f"{target}: has no seeds in tests/fuzz/corpus/{target}", []
    env = {**SANITIZERS, **os.environ}
    try:
        done = subprocess.run(command(binary, target, seconds), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=seconds + 120, env=env)
    except subprocess.TimeoutExpired as late:
        return False, f"{target}: does not end", (late.stdout or b"").decode(errors="replace").splitlines()[-SHOWN_LINES:]
    count = runs(done.stdout)
    passed = done.returncode == 0 and count > 0
    notes = [] if passed else told(done.stdout)
    return passed, f"{target}: {seconds} s of nonsense", notes or [f"{count} inputs"]


def main(arguments: list[str]) -> int:
    build = Path(arguments[0] if arguments else TOP / "build/fuzz")
    seconds = int(arguments[1] if len(arguments) > 1 else os.environ.get("FUZZ_SECONDS", "30"))
    wanted = arguments[2] if len(arguments) > 2 else ""
    binaries = [b for b in sorted((build / "tests/fuzz").glob("fuzz_*")) if b.is_file() and wanted in ("", b.name[5:])]
    if not binaries:
        print(f"Bail out! there is no target{' ' + wanted if wanted else ''} in {build}/tests/fuzz")
        return 1
    failed = 0
    print(f"1..{len(binaries)}", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, (passed, name, notes) in enumerate(pool.map(lambda b: fuzz(b, seconds), binaries), 1):
            for note in notes:
                print(f"# {note}")
            print(f"{'ok' if passed else 'not ok'} {number} - {name}", flush=True)
            failed += not passed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
