#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks the daemon on purpose, one line at a time, and asks that the simulated year notices each.

The objects of the build are linked again with one source file that was changed in a scratch directory; the tree is not touched."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
ROOT = Path(os.environ.get("SFTOKEN_BUILD", TOP / "build/release"))
SEEDS, RUNS, DAYS = 1, 8, 150


@dataclass(frozen=True)
class Break:
    name: str
    file: str  # below daemon/mint
    old: str
    new: str


BREAKS = (
    Break("an unknown outcome is replayed at once", "schedule.c",
          "if (!s->unknown || !step_held(s) || x->now.boot_ms >= s->deadline_ms)", "if (s)"),
    Break("the budget does not outlive a restart", "keeper_spend.c", "s->n_requests = e->n_requests;", "s->n_requests = 0;"),
    Break("an idle refresh token is not kept alive", "schedule.c",
          "return x->s->spent ? x->s->spent_ms + x->rules->limits->keep_alive_ms : 0;", "return 0 * (x->s->spent + x->rules->limits->keep_alive_ms);"),
    Break("a deadline is counted by the wall clock", "schedule_life.c",
          "s->deadline_ms = s->issued_ms + s->life_ms;", "s->deadline_ms = s->issued_ms + s->life_ms + (now.real_ms - now.boot_ms) % 7200000;"),
    Break("the same token again extends its deadline", "schedule_answers.c",
          "schedule_vouch(s, x->e->granted.sent_ms);", "schedule_vouch(s, x->e->granted.sent_ms);\n\ts->deadline_ms = x->e->granted.sent_ms + s->life_ms;"),
    Break("INTENT is not synced", "store_spend.c", "STORE_KIND_CREDENTIAL, STORE_SYNC, result, err", "STORE_KIND_CREDENTIAL, result ? STORE_SYNC : STORE_SOON, result, err"),
    Break("the front hears of a token before RESULT is written", "keeper.c",
          "keeper_save(k, STORE_SOON);\n\tif (out.confirmed_dead)",
          "act(k, &out);\n\tkeeper_save(k, STORE_SOON);\n\tout = (struct schedule_actions){ .wake_ms = out.wake_ms };\n\tif (out.confirmed_dead)"),
    Break("the next refresh token is forgotten", "store_spend.c", "e->refresh.token = secret_ref(next);", "e->refresh.token = secret_new(\"R.0.0.0.x\", 9);"),
    Break("a request leaves although INTENT cannot be written", "store_spend.c",
          "r = put(s, e, false, err);\n\tif (r < 0)\n\t\ttake_back(s, e, &before);\n\treturn r;\n}\n\n/* The state before",
          "r = 0 * put(s, e, false, err);\n\tif (r < 0)\n\t\ttake_back(s, e, &before);\n\treturn r;\n}\n\n/* The state before"),
    Break("a refused refresh token is sent again", "schedule_answers.c", "s->next_attempt_ms = 0;\n}", "step_plan(x, x->now.boot_ms + 900000);\n}"),
)


def compile_command(source: str) -> tuple[list[str], str]:
    """How the build compiles that file, without its output."""
    for entry in json.loads((ROOT / "compile_commands.json").read_text()):
        path = (Path(entry["directory"]) / entry["file"]).resolve()
        if path == TOP / "daemon/mint" / source:
            words = shlex.split(entry["command"])
            at = words.index("-o")
            return words[:at] + words[at + 2:], entry["directory"]
    raise LookupError(f"the build does not know {source}")


def without_dependencies(words: list[str]) -> list[str]:
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-MF", "-MQ"):
            skip = True
        elif word != "-MD":
            kept.append(word)
    return kept


def compile_broken(b: Break, scratch: Path) -> Path:
    source = TOP / "daemon/mint" / b.file
    text = source.read_text()
    assert text.count(b.old) == 1, f"{b.file} has {b.old!r} {text.count(b.old)} times"
    broken = scratch / b.file
    broken.write_text(text.replace(b.old, b.new))
    words, directory = compile_command(b.file)
    words = [str(broken) if (Path(directory) / w).resolve() == source else w for w in without_dependencies(words)]
    out = scratch / "broken.o"
    subprocess.run([*words, "-Wno-error", "-w", "-o", str(out)], cwd=directory, check=True)
    return out


def link_command(target: str) -> list[str]:
    out = subprocess.run(["ninja", "-C", str(ROOT), "-t", "commands", "-s", target], check=True, capture_output=True, text=True).stdout
    return shlex.split(out.strip().splitlines()[-1])


def link(broken: Path, scratch: Path, target: str = "tests/sim/sim") -> Path:
    """The broken object stands before the libraries, so that its double in there is not taken."""
    words = link_command(target)
    at = words.index("-o")
    program = scratch / "broken"
    words[at + 1] = str(program)
    words.insert(at + 2, str(broken))
    subprocess.run(words, cwd=ROOT, check=True)
    return program


def verdict(program: Path) -> tuple[bool, str]:
    run = subprocess.run([str(program), "--seed", str(SEEDS), "--runs", str(RUNS), "--days", str(DAYS)], capture_output=True, text=True, check=False)
    said = [line for line in run.stdout.splitlines() if line.startswith(("# broken:", "# seed"))]
    if run.returncode == 0:
        return False, "nothing was noticed"
    return True, "; ".join(line[2:] for line in said) or f"it died ({run.returncode}): {run.stderr.strip()[-100:]}"


def try_break(b: Break) -> tuple[bool, str]:
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        return verdict(link(compile_broken(b, scratch), scratch))


def run(all_breaks: tuple[Break, ...], attempt: Callable[[Break], tuple[bool, str]]) -> int:
    failed = 0
    wanted = sys.argv[1:]
    breaks = [b for b in all_breaks if not wanted or any(w in b.name for w in wanted)]
    for n, b in enumerate(breaks, 1):
        try:
            ok, why = attempt(b)
        except (AssertionError, LookupError, subprocess.CalledProcessError) as e:
            ok, why = False, str(e)
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {n} - {b.name}")
        print(f"# {why}", flush=True)
    print(f"1..{len(breaks)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run(BREAKS, try_break))
