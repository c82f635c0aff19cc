# SPDX-License-Identifier: Apache-2.0
"""Runs one program: its environment, its time, its end, and whatever it left running."""
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from . import tap
from .suites import Program

PR_SET_CHILD_SUBREAPER = 36
TERM_GRACE_S = 10


programs: set[int] = set()  # pids that somebody waits for; the lock also keeps the reaper off one that is being started
programs_lock = threading.Lock()


def become_reaper() -> None:
    """What a program starts and forgets becomes our child, where it can be found and ended. One that has ended goes at once, as under
    init: tests wait for pids to disappear."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    threading.Thread(target=reap_orphans, daemon=True).start()


def reap_orphans() -> None:
    while True:
        time.sleep(0.02)
        with programs_lock:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
                while ended and ended.si_pid not in programs:
                    os.waitpid(ended.si_pid, os.WNOHANG)
                    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            except ChildProcessError:
                pass


def start(command: tuple[str, ...], **how) -> subprocess.Popen:
    with programs_lock:
        child = subprocess.Popen(command, start_new_session=True, **how)
        programs.add(child.pid)
    return child


def environment(top: Path, program: Program, scratch: str) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SFTOKEN", "XDG_", "NOTIFY_", "LISTEN_"))}
    env["TMPDIR"] = scratch
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env["LC_ALL"] = "C.UTF-8"
    env["SFTOKEN_TOP"] = str(top)
    if program.build:
        root = {"asan": "asan-root", "release": "root"}.get(program.build, "")
        env["SFTOKEN_VARIANT"] = program.build
        env["SFTOKEN_BUILD"] = str(top / "build" / program.build)
        if root:
            env["SFTOKEN_ROOT"] = str(top / "build" / root)
    if program.build in ("asan", "fuzz"):
        env["ASAN_OPTIONS"] = (
            "abort_on_error=1:halt_on_error=1:detect_leaks=1:check_initialization_order=1:strict_string_checks=1:"
            "detect_stack_use_after_return=1:handle_abort=0"
        )
        env["UBSAN_OPTIONS"] = "halt_on_error=1:abort_on_error=1:print_stacktrace=1"
    env.update(program.env)
    return env


def kill(pid: int, number: signal.Signals) -> None:
    """pid as for kill(2): below 0 a group. ProcessLookupError: nobody is left."""
    try:
        os.kill(pid, number)
    except PermissionError:  # of a program that ran through sudo
        if subprocess.run(["sudo", "-n", "kill", f"-{number}", "--", str(pid)], capture_output=True, check=False).returncode:
            raise ProcessLookupError from None


def end_group(child: subprocess.Popen) -> None:
    """First so that it can clean up, then for good."""
    for number, wait_s in ((signal.SIGTERM, TERM_GRACE_S), (signal.SIGKILL, TERM_GRACE_S)):
        try:
            kill(-child.pid, number)
            child.wait(wait_s)
            break
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    try:
        kill(-child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def how_it_ended(code: int) -> str | None:
    if code == 0:
        return None
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"


def children() -> dict[int, str]:
    """pid -> command of our children that still run."""
    mine = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            after = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(after[1]) == os.getpid() and after[0] != "Z":
                mine[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (OSError, IndexError):
            continue
    return mine


def reap_left_over(grace_s: float = 2.0) -> list[str]:
    """Ends what programs have left behind; returns their command lines. Only when none of our programs runs."""
    deadline = time.monotonic() + grace_s
    while (left := children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        try:
            kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return sorted(f"{pid} {command}" for pid, command in left.items())


def sanitizer_files(scratch: str) -> list[str]:
    """Logs left in the scratch folder in which a sanitizer spoke."""
    found = []
    for path in Path(scratch).rglob("*.log"):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        if tap.SANITIZER.search(text):
            found.append(text)
    return found


def run(top: Path, program: Program, log: Path) -> tuple[tap.Result, float]:
    """Returns what it said and how long it took; everything it printed is in log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix="sft.", dir="/tmp")  # short: socket paths have 107 bytes
    os.chmod(scratch, 0o755)  # some tests run daemons as other users
    started = time.monotonic()
    try:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            child = start(program.command, cwd=program.workdir or top, env=environment(top, program, scratch),
                          stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
            try:
                ended = how_it_ended(child.wait(program.timeout))
            except subprocess.TimeoutExpired:
                ended = f"not done after {program.timeout} s; ended"
            finally:
                end_group(child)
                with programs_lock:
                    programs.discard(child.pid)
            texts = []
            for stream in (out, errors):
                stream.seek(0)
                texts.append(stream.read().decode(errors="replace"))
        reports = sanitizer_files(scratch)
        result = tap.parse(texts[0], "\n".join([texts[1], *reports]), ended)
        log.write_text("\n".join([f"$ {' '.join(program.command)}", texts[0], "--- standard error", texts[1], *reports]))
        return result, time.monotonic() - started
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if os.path.exists(scratch):  # of a program that ran through sudo
            subprocess.run(["sudo", "-n", "rm", "-rf", scratch], capture_output=True, check=False)
