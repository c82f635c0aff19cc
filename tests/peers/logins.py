# SPDX-License-Identifier: Apache-2.0
"""`sftoken login` under way, and who plays the browser that it opens.

    with Login(daemon, "crm", plays="ann") as login:        # somebody who fills in the forms
        login.ends(0)
    with Login(daemon, "crm") as login:                     # nobody: the test opens login.url() itself
        browser.open(login.url())

Run as a program it is $BROWSER.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

from person import Person       # noqa: E402

BROWSER = f"/usr/bin/python3 {Path(__file__).resolve()} %s"
SECONDS = 60.0


class Login:
    """One `sftoken login CREDENTIAL ARGUMENTS...`; its $BROWSER notes the address, and with `plays` logs in as that user and allows or
    denies."""

    def __init__(self, daemon: Any, credential: str, *arguments: str, plays: str = "", allow: bool = True, ca: str = "") -> None:
        self.credential = credential
        self.notes = daemon.directory / f"browser-{time.monotonic_ns()}"
        self.notes.mkdir()
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "SFTOKEN_SOCKET": daemon.broker_path, "BROWSER": BROWSER,
                       "PLAY_NOTES": str(self.notes), "PLAY_USER": plays, "PLAY_ALLOW": "yes" if allow else "", "PLAY_CA": ca,
                       "PYTHONDONTWRITEBYTECODE": "1"}
        with (self.notes / "out").open("wb") as out, (self.notes / "err").open("wb") as err:
            self.process = subprocess.Popen([str(daemon.cli_program), "login", credential, *arguments], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=err, env=environment)

    @property
    def output(self) -> str:
        return (self.notes / "out").read_text(errors="replace")

    @property
    def errors(self) -> str:
        return (self.notes / "err").read_text(errors="replace")

    def wait(self, condition: Any, what: str) -> Any:
        deadline = time.monotonic() + SECONDS
        while not (value := condition()):
            if self.process.poll() is not None and not (value := condition()):
                raise AssertionError(f"sftoken login {self.credential} ended with {self.process.returncode}, but: {what}\n"
                                     f"{self.output}{self.errors}")
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain: {what}\n{self.output}{self.errors}")
            time.sleep(0.02)
        return value

    def url(self) -> str:
        """What the browser was to open; it must have been printed, too."""
        note = self.notes / "url"
        self.wait(note.exists, "it opens a browser")
        url = note.read_text()
        self.wait(lambda: url in self.output, "it prints the address, too")
        return url

    def first(self) -> dict[str, Any]:
        """With --json: the first reply."""
        self.wait(lambda: "\n" in self.output, "it prints the first reply")
        return dict(json.loads(self.output.splitlines()[0]))

    def ends(self, status: int) -> str:
        """Waits for its end; all that it printed."""
        try:
            got = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"sftoken login does not end\n{self.output}{self.errors}{self.played()}") from None
        if got != status:
            raise AssertionError(f"sftoken login: status {got}, wanted {status}\n{self.output}{self.errors}{self.played()}")
        return self.output + self.errors

    def played(self) -> str:
        """What whoever played the browser has to say: the page that it ended at."""
        note = self.notes / "page"
        return note.read_text() if note.exists() else ""

    def page(self) -> str:
        """The same, waiting for it."""
        deadline = time.monotonic() + SECONDS
        while not self.played() and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.played()

    def __enter__(self) -> Login:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def note(name: str, text: str) -> None:
    """Whole or not at all."""
    path = Path(os.environ["PLAY_NOTES"]) / name
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").rename(path)


def play(url: str) -> None:
    """As a browser: to the server, back to the listener, and note the page at which it ends."""
    note("url", url)
    if not os.environ["PLAY_USER"]:
        return
    person = Person(os.environ["PLAY_USER"], ca=os.environ["PLAY_CA"] or None)
    try:
        where: Optional[str] = person.visit(url, "http://localhost:", allow=bool(os.environ["PLAY_ALLOW"]))
        while where:
            where = person.load(where)
        note("page", f"{person.status}\n{person.text}")
    except Exception as error:  # noqa: BLE001 - nobody sees our standard error
        note("page", f"0\nthe browser failed: {error}")


if __name__ == "__main__":
    play(sys.argv[1])
