# SPDX-License-Identifier: Apache-2.0
"""A terminal in which a person sits at a machine: a real tmux outside, a login shell inside; and whether a document shows what was on it.

    with Screen(machine) as screen:
        screen.command("systemctl start sftokend")
        assert_shown(blocks, screen.text())"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import subprocess
from typing import Optional, Sequence

from machine import Machine
from tap import wait_for

COLUMNS, LINES = 100, 50        # the width that the documents name
HISTORY = 20000
TMUX_SECONDS = 10.0
COMMAND_SECONDS = 90.0
# Debian's own: root@sftoken:~#
PROMPT = re.compile(r"^\w+@[\w-]+:\S*([#$])(?= |$)", re.MULTILINE)
LEFT_OUT = "[...]"
# What differs from run to run, and cannot be kept from it.
VARIES = (r"(?<=BEGIN CERTIFICATE-----\n).*?(?=\n-----END)", r"(?<=SHA256:)\S+", r"\d+ (min|h)\b", r"(?<=valid until )[-\d]+ [:\d]+", r"(?<=ends on )[-\d]+",
          r"\b00D\w{12}![^\s]+", r"(?<=00D)\w{15}(?=\s|$)", r"(?<=active \(running\) since )[^\n]+", r"\d+ s ago",
          # of a login
          r"(?<=&state=)[^&\s]+", r"(?<=code_challenge=)[^&\s]+", r"(?<=good for )[\d:]+", r"(?<=\n  )[A-Z0-9]{8}(?=\n)", r"(?<=user_code=)\w+",
          r"(?<=\n)([ █▀▄]*[█▀▄][ █▀▄]*\n)+")


class Screen:
    """All that it needs is in the machine's folder, and goes with it."""

    def __init__(self, machine: Machine, user: str = "root") -> None:
        self.user, self.machine, self.socket = user, machine, f"sftoken-{os.getpid()}"
        self.typed_at = 0       # how much was on the screen when something was typed last
        self.log = machine.place / "screen.log"
        self.seen = (0, "")     # how long the log was, and what was shown then

    def tmux(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-u", "-L", self.socket, "-f", "/dev/null", *words], capture_output=True, text=True, timeout=TMUX_SECONDS, check=False,
                              stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "TMUX_TMPDIR": str(self.machine.place), "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0, f"tmux {' '.join(words)}: {done.stderr}"
        return done.stdout

    def __enter__(self) -> Screen:
        shell = self.machine.words("TERM=screen", "su", "--login", self.user)
        self.tmux("set-option", "-g", "history-limit", str(HISTORY), ";", "new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), *shell)
        self.tmux("pipe-pane", f"exec cat >{shlex.quote(str(self.log))}")
        self.wait_prompt(1)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is not None:
                print("".join(f"# | {line}\n" for line in self.text().splitlines()), end="")
        finally:
            self.tmux("kill-server")

    def text(self) -> str:
        """Everything that was shown, with lines as they were printed and not as they were wrapped."""
        # nothing has come since: it need not be asked for. The log is written after the screen.
        size = self.log.stat().st_size if self.log.exists() else 0
        if size == 0 or size != self.seen[0]:
            lines = self.tmux("capture-pane", "-p", "-J", "-S", "-").splitlines()
            self.seen = size, "\n".join(line.rstrip() for line in lines).rstrip("\n")
        return self.seen[1]

    def prompts(self) -> int:
        return len(PROMPT.findall(self.text()))

    def wait_prompt(self, count: int) -> None:
        def ready() -> bool:
            text = self.text()
            return len(PROMPT.findall(text)) == count and bool(PROMPT.fullmatch(text.rpartition("\n")[2]))
        wait_for(ready, f"prompt {count}", COMMAND_SECONDS)

    def type(self, text: str) -> None:
        """With Enter."""
        self.typed_at = len(self.text())
        self.tmux("send-keys", "-l", "--", text + "\r")

    def wait_text(self, pattern: str) -> re.Match[str]:
        """Until the screen ends so, by what has come since something was typed last."""
        def there() -> Optional[re.Match[str]]:
            text = self.text()
            if len(text) <= self.typed_at:
                return None
            assert not PROMPT.fullmatch(text.rpartition("\n")[2]), f"it ended, without {pattern!r}"
            return re.search(pattern + r"\Z", text)
        found = wait_for(there, f"{pattern!r} at the end of the screen", COMMAND_SECONDS)
        assert isinstance(found, re.Match)
        return found

    def wait_question(self, question: str) -> None:
        self.wait_text(re.escape(question))

    def command(self, text: str, answers: Sequence[tuple[str, str]] = ()) -> None:
        """To its end. answers: questions that end the screen, and what is typed then."""
        count = self.prompts()
        self.type(text)
        for question, answer in answers:
            self.answer(question, answer)
        self.wait_prompt(count + 1)

    def answer(self, question: str, answer: str) -> None:
        self.wait_question(question)
        self.type(answer)


# --- what a document shows ---

def told(text: str) -> list[str]:
    """The lines without what varies; prompts as documents write them."""
    text = PROMPT.sub(r"\1", text)
    for what in VARIES:
        text = re.sub(what, "...", text, flags=re.DOTALL)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def commands(text: str) -> list[str]:
    """What is typed at a prompt in it."""
    return re.findall(r"^[#$] (.+)$", text, re.MULTILINE)


def assert_shown(document: str, text: str, where: str) -> None:
    """The document shows the lines of the screen, from the first prompt to before the last: all of them but where a line of it is [...]."""
    screen, parts, at = told(text)[:-1], parted(told(document)), 0
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        places = [at] if number == 0 else range(at, len(screen) + 1)
        found = next((p for p in places if screen[p:p + len(part)] == part and (not last or p + len(part) == len(screen))), None)
        if found is None:
            near = next((p for p in range(at, len(screen)) if part and screen[p] == part[0]), at)
            differ = difflib.unified_diff(screen[near:None if last else near + len(part)], part, "the screen", where, lineterm="")
            raise AssertionError("\n".join([f"{where} does not show what was on the screen:", *differ]))
        at = found + len(part)


def parted(lines: Sequence[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in lines:
        if line == LEFT_OUT:
            parts.append([])
        else:
            parts[-1].append(line)
    return parts
