#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/run itself: what must count as failed counts as failed, and nothing is left running."""
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

from harness import suites, tap  # noqa: E402

RUNNER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from harness import main, suites
suites.SUITES = (suites.Suite("mine", "planted", files="mine/*.py", timeout={timeout}),)
sys.exit(main.main(Path({top!r}), sys.argv[1:]))
"""


class Checkout:
    """A checkout with one suite of planted programs."""

    def __init__(self, skips: str = "", timeout: int = 20, **programs: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.top = Path(self.folder.name)
        (self.top / "tests/mine").mkdir(parents=True)
        (self.top / "tests/skips").write_text(skips)
        for name, text in programs.items():
            (self.top / f"tests/mine/{name}.py").write_text(textwrap.dedent(text))
        self.runner = RUNNER.format(tests=str(TOP / "tests"), top=str(self.top), timeout=timeout)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """(exit status, last line, all of it)"""
        done = subprocess.run([sys.executable, "-c", self.runner, *arguments], capture_output=True, text=True)
        out = done.stdout + done.stderr
        return done.returncode, done.stdout.splitlines()[-1] if done.stdout else "", out


def expect(want_status: int, want_sum: str, want_text: str, **kinds) -> str | None:
    status, last, out = Checkout(**kinds).run()
    if (status, last) != (want_status, want_sum) or want_text not in out:
        return f'exit {status} and "{last}", not exit {want_status} and "{want_sum}" with "{want_text}":\n{out}'
    return None


def good():
    return expect(0, "2 passed, 0 failed, 0 skipped", "", a='print("ok 1 - x\\nok 2 - y\\n1..2")')


def failed_test():
    return expect(1, "1 passed, 1 failed, 0 skipped", "FAILED mine/a: not ok - y\n# why",
                  a='print("ok 1 - x\\n# why\\nnot ok 2 - y\\n1..2"); raise SystemExit(1)')


def no_plan():
    return expect(1, "1 passed, 1 failed, 0 skipped", "no plan line", a='print("ok 1 - x")')


def too_few():
    return expect(1, "1 passed, 1 failed, 0 skipped", "3 tests planned, 1 run", a='print("1..3\\nok 1 - x")')


def nothing_tested():
    return expect(1, "0 passed, 1 failed, 0 skipped", "it tests nothing", a='print("1..0")')


def bad_exit():
    return expect(1, "1 passed, 1 failed, 0 skipped", "exit status 3", a='print("ok 1 - x\\n1..1"); raise SystemExit(3)')


def killed():
    return expect(1, "1 passed, 1 failed, 0 skipped", "killed by SIGABRT",
                  a='import os; print("ok 1 - x\\n1..1", flush=True); os.abort()')


def sanitizer_spoke():
    return expect(1, "1 passed, 1 failed, 0 skipped", "a sanitizer spoke",
                  a='import sys; print("ok 1 - x\\n1..1"); print("==1==ERROR: AddressSanitizer: boom", file=sys.stderr)')


def sanitizer_spoke_in_a_log():
    return expect(1, "1 passed, 1 failed, 0 skipped", "a sanitizer spoke", a="""
        import os
        open(os.environ["TMPDIR"] + "/daemon.log", "w").write("x.c:1:2: runtime error: signed integer overflow")
        print("ok 1 - x\\n1..1")""")


def skip_refused():
    return expect(1, "1 passed, 1 failed, 0 skipped", "not in tests/skips", a='print("ok 1 - x\\nok 2 - y # SKIP no KVM\\n1..2")')


def skip_allowed():
    return expect(0, "1 passed, 0 failed, 1 skipped", "", skips="# comment\nmine/a/y  needs KVM\n",
                  a='print("ok 1 - x\\nok 2 - y # SKIP no KVM\\n1..2")')


def suite_skip_refused():
    return expect(1, "1 passed, 1 failed, 0 skipped", "SKIP mine/a: no KVM", b='print("ok 1 - x\\n1..1")',
                  a='print("SKIP mine/a: no KVM")')


def suite_skip_allowed():
    return expect(0, "1 passed, 0 failed, 1 skipped", "SKIP mine/a: no KVM", b='print("ok 1 - x\\n1..1")',
                  a='print("SKIP mine/a: no KVM")', skips="mine/a\n")


def foreign_suite_skip_refused():
    return expect(1, "0 passed, 1 failed, 0 skipped", "not in tests/skips", a='print("SKIP other: no KVM")', skips="other\n")


def no_program():
    return expect(1, "0 passed, 1 failed, 0 skipped", "there is no program")


def running(mark: str) -> bool:
    return subprocess.run(["pgrep", "-f", mark], capture_output=True).returncode == 0


def left_running():
    mark = f"sleep 4711.{time.monotonic_ns()}"
    complaint = expect(1, "1 passed, 1 failed, 0 skipped", "left running",
                       a=f'import subprocess; subprocess.Popen("{mark}".split(), start_new_session=True); print("ok 1 - x\\n1..1")')
    return complaint or (f"{mark} still runs" if running(mark) else None)


def orphans_go_when_they_end():
    """A grandchild that has lost its parent and ended is no zombie that a test would wait for in vain."""
    return expect(0, "1 passed, 0 failed, 0 skipped", "", a="""
        import os, subprocess, time
        pid = int(subprocess.run(["sh", "-c", "sleep 0.1 >/dev/null & echo $!"], capture_output=True, text=True).stdout)
        end = time.monotonic() + 10
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
            time.sleep(0.01)
        print("not ok 1 - x" if os.path.exists(f"/proc/{pid}") else "ok 1 - x", "1..1", sep="\\n")""")


def time_is_up():
    mark = f"sleep 4712.{time.monotonic_ns()}"
    complaint = expect(1, "0 passed, 2 failed, 0 skipped", "not done after 1 s", timeout=1,
                       a=f'import subprocess; subprocess.run("{mark}".split())')
    return complaint or (f"{mark} still runs" if running(mark) else None)


def unknown_suite():
    status, _, out = Checkout().run("yours")
    return None if status == 64 and 'no suite "yours"' in out else out


def one_program():
    status, last, out = Checkout(a='print("ok 1 - x\\n1..1")', b="raise SystemExit(1)").run("mine/a")
    return None if (status, last) == (0, "1 passed, 0 failed, 0 skipped") else out


def out_of_order():
    result = tap.parse("ok 2 - x\n1..1\n", "", None)
    return None if result.failures == ["test 2 stands where number 1 should"] else str(result)


def todo_refused():
    result = tap.parse("ok 1 - x # TODO later\n1..1\n", "", None)
    return None if len(result.failures) == 1 and not result.passed else str(result)


def suites_are_described():
    """CONTRIBUTING.md names every suite of "./dev test --list"."""
    listed = subprocess.run([sys.executable, str(TOP / "tests/run"), "--list"], capture_output=True, text=True).stdout
    names = re.findall(r"^(\w[\w-]*) ", listed, re.MULTILINE)
    text = (TOP / "CONTRIBUTING.md").read_text()
    missing = [n for n in names if not re.search(rf"\b{n}\b", text)]
    return f"CONTRIBUTING.md does not name: {' '.join(missing)}" if missing or not names else None


def every_program_is_in_a_suite():
    """A tests/FOLDER/test_*.py that no suite names would never run."""
    run = {Path(p.command[1]) for s in suites.SUITES if s.files for p in suites.file_programs(TOP, s)}
    meant = {p.relative_to(TOP) for p in (TOP / "tests").glob("*/test_*.py")}
    alone = {p for p in meant - run if str(p.relative_to("tests")) not in suites.NOT_PROGRAMS and p.parts[1] != "unit"}
    return f"in no suite: {' '.join(map(str, sorted(alone)))}" if alone else None


TESTS = (good, failed_test, no_plan, too_few, nothing_tested, bad_exit, killed, sanitizer_spoke, sanitizer_spoke_in_a_log, skip_refused,
         skip_allowed, suite_skip_refused, suite_skip_allowed, foreign_suite_skip_refused, no_program, left_running, orphans_go_when_they_end, time_is_up,
         unknown_suite, one_program, out_of_order, todo_refused, suites_are_described, every_program_is_in_a_suite)


def main() -> int:
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        complaint = test()
        for line in (complaint or "").splitlines():
            print(f"# {line.replace('SKIP', 'S-KIP')}")
        print(f"{'not ok' if complaint else 'ok'} {number} - {test.__name__.replace('_', ' ')}", flush=True)
        failed += bool(complaint)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
