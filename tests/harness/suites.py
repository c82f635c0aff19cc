# SPDX-License-Identifier: Apache-2.0
"""The suites: one table of what they are made of and what they need."""
import json
from dataclasses import dataclass
from pathlib import Path

PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class Suite:
    name: str
    about: str
    files: str = ""  # Python programs: a glob below tests/
    through: str = ""  # the program below tests/ that runs each of them
    only: frozenset[str] = frozenset()  # these alone; empty: all
    meson: str = ""  # meson tests of that suite
    builds: tuple[str, ...] = ()  # "asan", "release", "fuzz"; the first decides SFTOKEN_ROOT
    packages: tuple[str, ...] = ()  # rows of the table in ./dev
    together: bool = False  # its programs may run side by side
    each: int = 1  # so many at a time for each processor: they wait more than they compute
    alone: frozenset[str] = frozenset()  # but these have the machine for themselves: they measure, or fill it
    long: frozenset[str] = frozenset()  # these are begun first: nothing waits for one of them at the end
    timeout: int = 240  # of one program, in seconds
    by_default: bool = True


@dataclass(frozen=True)
class Program:
    suite: Suite
    name: str
    command: tuple[str, ...]
    build: str
    timeout: int
    env: tuple[tuple[str, str], ...] = ()
    workdir: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.suite.name}/{self.name}"


# Programs of the system ring that need the whole machine: a thousand callers at once.
MEASURE = frozenset({"storm"})

# Programs of the system ring that together do what a daemon can do: each grant, logins, spends, keys in hardware, a full disk, kills.
SANDBOXED = frozenset({"assertions", "confine", "device", "import", "keys", "kill", "login_web", "refresh", "reload", "revoke", "store"})

# Programs of the system ring that take a minute, nearly all of it waiting.
LONG = frozenset({"spend", "renewal", "hold", "lost_answer", "crash"})

SUITES = (
    Suite("lint", "the source itself: layers, sizes, formats, analyzers", files="lint/*.py", builds=("release",),
          packages=("lint",), together=True, timeout=900),
    Suite("unit", "one module, its neighbours replaced", meson="unit", builds=("asan", "release"), together=True, timeout=120),
    Suite("scenario", "callers, server and passing time as text files", meson="scenario", builds=("asan",), together=True),
    Suite("sim", "a simulated year, in short", meson="sim", builds=("asan",)),
    Suite("breaks", "what the simulated year notices when the daemon is broken on purpose", files="sim/test_*.py", builds=("release",), timeout=900),
    Suite("harness", "the programs that run the tests", files="harness/test_*.py", together=True),
    Suite("standin", "the stand-in for Salesforce keeps to what is known of the real one", files="standin/test_*.py",
          together=True),
    Suite("system", "the real programs with sanitizers, against the stand-in over TLS", files="system/test_*.py",
          builds=("asan",), together=True, each=3, alone=MEASURE, long=LONG),
    Suite("system-release", "the same with what is installed", files="system/test_*.py", builds=("release",), together=True, each=3,
          alone=MEASURE, long=LONG),
    Suite("peers", "other people's programs (jsforce, requests, Authlib, Chromium), and the documents' commands and examples", files="peers/test_*.py",
          builds=("release",), packages=("peers",), together=True, each=2),
    Suite("systemd", "the units under Debian's real systemd, booted in a container", files="systemd/test_*.py", builds=("release",),
          packages=("systemd",), together=True, each=2, alone=frozenset({"restart"}), long=frozenset({"load", "events"}), timeout=900),
    Suite("packages", "the Debian packages: built, installed, upgraded, removed and purged in bare Debians; a newcomer's first minutes", files="packages/test_*.py",
          packages=("systemd", "packages"),
          timeout=1200),
    Suite("containers", "the image and the Kubernetes manifests, run by podman", files="containers/test_*.py", packages=("containers",), together=True,
          timeout=900),
    Suite("release", "what a release promises: the library's interface, equal builds, the bill of materials", files="release/test_*.py",
          builds=("release",), packages=("systemd", "release"), timeout=900),
    Suite("sandbox", "system tests with their daemons in the sandbox of the unit, where a refused system call kills", files="system/test_*.py",
          through="systemd/sandboxed.py", only=SANDBOXED, builds=("release",), packages=("systemd",), together=True, timeout=900),
    Suite("sandbox-whole", "all of them", files="system/test_*.py", through="systemd/sandboxed.py", builds=("release",), packages=("systemd",),
          together=True, alone=MEASURE, long=LONG, timeout=1800, by_default=False),
    Suite("vm", "the service on Debian's own kernel, in QEMU: TPM, MemoryMax=, old interfaces, a clock that jumps", files="vm/test_*.py",
          builds=("release",), packages=("systemd", "vm"), timeout=900, by_default=False),
    Suite("gates", "instructions, system calls, libraries, memory: what must never grow or come out", files="gates/test_*.py", builds=("release",)),
    Suite("fuzz", "the parsers, fed with nonsense", files="fuzz/run.py", builds=("fuzz",), packages=("fuzz",), timeout=1200),
    Suite("soak", "the long forms of the system tests", files="soak/test_*.py", builds=("release",), packages=("systemd",),
          timeout=6 * 3600, by_default=False),
)

# Modules that stand beside the programs of a suite and are none themselves.
NOT_PROGRAMS = {"lint/analysis.py", "lint/idl.py", "lint/report.py", "lint/source.py", "standin/test_faults.py"}


def by_name(name: str) -> Suite | None:
    return next((s for s in SUITES if s.name == name), None)


def meson_programs(top: Path, suite: Suite) -> list[Program]:
    programs = []
    for build in suite.builds:
        known = top / "build" / build / "meson-info/intro-tests.json"
        if not known.exists():
            continue
        for test in json.loads(known.read_text()):
            if any(s.split(":")[-1] == suite.meson for s in test["suite"]):
                name = test["name"] if build == suite.builds[0] else f"{build}-{test['name']}"
                programs.append(Program(suite, name, tuple(test["cmd"]), build, max(suite.timeout, test["timeout"]),
                                        tuple(test["env"].items()), test["workdir"] or str(top / "build" / build)))
    return programs


def file_programs(top: Path, suite: Suite) -> list[Program]:
    build = suite.builds[0] if suite.builds else ""
    programs = []
    for path in sorted((top / "tests").glob(suite.files)):
        if str(path.relative_to(top / "tests")) in NOT_PROGRAMS:
            continue
        name = path.stem.removeprefix("test_")
        if suite.only and name not in suite.only:
            continue
        through = (f"tests/{suite.through}",) if suite.through else ()
        programs.append(Program(suite, name, (PYTHON, *through, str(path.relative_to(top))), build, suite.timeout))
    return programs


def programs_of(top: Path, suite: Suite) -> list[Program]:
    programs = meson_programs(top, suite) if suite.meson else []
    return programs + (file_programs(top, suite) if suite.files else [])
