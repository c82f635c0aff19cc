# SPDX-License-Identifier: Apache-2.0
"""TAP for the system ring: functions named test_* of a program, in their order; the docstring is the name."""

from __future__ import annotations

import inspect
import sys
import time
import traceback
from typing import Callable


class Skip(Exception):
    """Raised by a test that cannot run here, with the reason."""


def wait_for(condition: Callable[[], object], what: str, timeout: float = 20.0) -> object:
    """Wait until condition() is true; its value. AssertionError naming `what` after timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain: {what}")
        time.sleep(0.01)


def expect(error: type[Exception], call: Callable[[], object]) -> Exception:
    """The exception of that type which call() must raise."""
    try:
        value = call()
    except error as raised:
        return raised
    raise AssertionError(f"{error.__name__} expected, got {value!r}")


def same(got: object, wanted: object, what: str = "") -> None:
    """An assertion that shows both values."""
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def main() -> None:
    """Run the test_* functions of the program (or those named as arguments); print TAP; exit."""
    sys.exit(1 if run_tests() else 0)


def run_tests(module_name: str = "__main__") -> int:
    """Run and print them; how many failed."""
    module = sys.modules[module_name]
    tests = [(n, f) for n, f in inspect.getmembers(module, inspect.isfunction) if n.startswith("test_")]
    tests.sort(key=lambda t: t[1].__code__.co_firstlineno)
    chosen = sys.argv[1:]
    tests = [t for t in tests if not chosen or t[0] in chosen]
    failed = 0
    for number, (name, function) in enumerate(tests, 1):
        title = " ".join((function.__doc__ or name).split()).replace("#", "no.")
        started = time.monotonic()
        try:
            function()
        except Skip as reason:
            print(f"ok {number} - {title} # SKIP {reason}", flush=True)
        except BaseException:  # noqa: BLE001 - a failing test must not end the others
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            print(f"not ok {number} - {title}", flush=True)
        else:
            print(f"ok {number} - {title} ({time.monotonic() - started:.1f} s)", flush=True)
    print(f"1..{len(tests)}", flush=True)
    return failed
