# SPDX-License-Identifier: Apache-2.0
"""promtool of Debian's package prometheus, alone and below build/; and what it cannot say about a text: a reader of the exposition format."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
from pathlib import Path
from typing import Optional

import debs
from harness import TOP

PLACE = TOP / "build/promtool"
PROGRAM = PLACE / "root/usr/bin/promtool"
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)*)\})? (-?[0-9.]+)$')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')
Labels = frozenset[tuple[str, str]]


def fetch() -> None:
    """Once a checkout; the rest of the package, the server, would be 90 MB."""
    if PROGRAM.exists():
        return
    PLACE.parent.mkdir(exist_ok=True)
    with open(PLACE.parent / "promtool.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if PROGRAM.exists():
            return
        debs.fetch(PLACE, "bookworm", ["prometheus"])
        keep = PLACE / "promtool"
        PROGRAM.rename(keep)
        shutil.rmtree(PLACE / "root")
        PROGRAM.parent.mkdir(parents=True)
        keep.rename(PROGRAM)


def promtool(*words: str, stdin: Optional[str] = None, folder: Optional[Path] = None) -> str:
    """What it says; AssertionError where it finds fault."""
    fetch()
    done = subprocess.run([str(PROGRAM), *words], input=stdin, capture_output=True, text=True, cwd=folder, timeout=120, check=False)
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0:
        raise AssertionError(f"promtool {' '.join(words)}: status {done.returncode}\n{said}")
    return said


class Exposition:
    """A text of metrics: each family once with HELP, then TYPE, then all of its samples, none twice."""

    def __init__(self, text: str) -> None:
        self.types: dict[str, str] = {}
        self.samples: dict[str, dict[Labels, float]] = {}
        family = help_of = ""
        assert text.endswith("\n"), text[-100:]
        for line in text.splitlines():
            word = line.split(" ", 3)
            if line.startswith("# HELP "):
                help_of = word[2]
                assert help_of not in self.types, f"{help_of} comes twice"
            elif line.startswith("# TYPE "):
                assert word[2] == help_of, line
                family = word[2]
                self.types[family] = word[3]
            else:
                self.add(family, line)

    def add(self, family: str, line: str) -> None:
        match = SAMPLE.match(line)
        assert match, f"no sample: {line!r}"
        suffixes = ("_bucket", "_sum", "_count") if self.types[family] == "histogram" else ("",)
        assert match[1] in [family + s for s in suffixes], f"{line!r} below {family}"
        labels = frozenset(LABEL.findall(match[2] or ""))
        known = self.samples.setdefault(match[1], {})
        assert labels not in known, f"twice: {line!r}"
        known[labels] = float(match[3])

    def value(self, name: str, **labels: str) -> Optional[float]:
        return self.samples.get(name, {}).get(frozenset(labels.items()))

    def names(self) -> set[str]:
        """Of all series that there may be."""
        return {f + s for f, t in self.types.items() for s in (("_bucket", "_sum", "_count") if t == "histogram" else ("",))}
