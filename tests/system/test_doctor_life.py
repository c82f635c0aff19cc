# SPDX-License-Identifier: Apache-2.0
"""sftoken doctor: several at once, changes in the middle, and what people see of it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from typing import Any

from doctor import ADMINISTRATOR, SETTINGS, STEPS, Shared, client_credentials, doctor, first_failed, no_secret, reload
from harness import MANAGER, Connection, Daemon, Standin, VarlinkError, expect, run_tests, same, wait_for
from rotating import kill_mint, wait_state

# -- many, and in the middle of things ----------------------------------------------------------------


def slow(*names: str) -> None:
    for name in names:
        Shared.salesforce.fault("delay", client_id=f"app-{name}", forever=True, seconds=3)


def refused(caller: Connection, name: str, more: bool = True) -> VarlinkError:
    """The error that Diagnose ends with at once."""
    caller.send(MANAGER + ".Diagnose", {"credential": name}, more=more)
    error = expect(VarlinkError, caller.receive)
    assert isinstance(error, VarlinkError)
    return error


def test_limits() -> None:
    """One at a time for a credential and four in all; a closed connection makes room"""
    daemon, salesforce = Shared.daemon, Shared.salesforce
    names = [f"many{i}" for i in range(5)]
    for name in names:
        daemon.add_client_credentials(name)
    reload()
    for name in names:
        wait_state(daemon, name, "valid")
    slow(*names)
    callers = [daemon.manager() for _ in names]
    try:
        for caller, name in zip(callers[:4], names):
            caller.send(MANAGER + ".Diagnose", {"credential": name}, more=True)
            same(caller.receive()["step"], "configuration")
        for name in (names[0], names[4]):
            same(refused(callers[4], name).short, "RateLimited", name)
        callers[0].close()

        def room() -> bool:
            try:
                callers[4].send(MANAGER + ".Diagnose", {"credential": names[4]}, more=True)
                return bool(callers[4].receive()["step"] == "configuration")
            except VarlinkError as raised:
                same(raised.short, "RateLimited")
                return False

        wait_for(room, "room for another one")
    finally:
        for caller in callers:
            caller.close()
        salesforce.clear_faults()
    with daemon.manager() as caller:
        same(refused(caller, "nobody").short, "NoSuchCredential")
        same(refused(caller, names[0], more=False).short, "ExpectedMore")


def interrupted(name: str, change: Any) -> None:
    """The credential changes while the token endpoint is slow: the rest is told, and nothing is left behind."""
    daemon = Shared.daemon
    slow(name)
    try:
        with daemon.manager() as caller:
            caller.send(MANAGER + ".Diagnose", {"credential": name}, more=True)
            rows = [caller.receive() for _ in range(3)]
            change()
            while len(rows) < len(STEPS):
                rows.append(caller.receive())
        same([r["step"] for r in rows], STEPS)
        same([r["outcome"] for r in rows[3:]], ["failed"] + ["skipped"] * 7)
        assert "changed or removed meanwhile" in rows[3]["message"], rows[3]
    finally:
        Shared.salesforce.clear_faults()


def test_changed_meanwhile() -> None:
    """Changed and removed in the middle"""
    daemon = Shared.daemon
    client_credentials("volatile")
    wait_state(daemon, "volatile", "valid")
    path = daemon.credentials / "volatile.conf"

    def edit() -> None:
        path.write_text(path.read_text().replace("[Access]", "SessionTimeout=1h\n[Access]"))
        reload()

    def remove() -> None:
        path.unlink()
        reload()

    interrupted("volatile", edit)
    wait_state(daemon, "volatile", "valid")
    interrupted("volatile", remove)


def test_stopped_meanwhile() -> None:
    """The mint dies in the middle: the command says so and the next one works"""
    client_credentials("mortal")
    wait_state(Shared.daemon, "mortal", "valid")
    slow("mortal")
    with Shared.daemon.manager() as caller:
        caller.send(MANAGER + ".Diagnose", {"credential": "mortal"}, more=True)
        caller.receive()
        kill_mint(Shared.daemon)
    Shared.salesforce.clear_faults()
    same(first_failed(doctor("mortal")), "")


# -- what people see ---------------------------------------------------------------------------------


def at_terminal(*arguments: str, **environment: str) -> str:
    daemon = Shared.daemon
    master, slave = pty.openpty()
    env = {"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": daemon.broker_path, "TERM": "xterm", **environment}
    pieces: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(master, 65536):
                pieces.append(piece)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    subprocess.run([str(daemon.cli_program), *arguments], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, env=env, timeout=100, check=False)
    os.close(slave)
    reader.join()
    os.close(master)
    return b"".join(pieces).decode()


def test_terminal() -> None:
    """Marks and colours on a UTF-8 terminal, words elsewhere; actions stand below their step; in a pipe a line each; -q says nothing"""
    client_credentials("seen", app={"run_as": None})
    text = at_terminal("doctor", "seen", LC_ALL="C.UTF-8")
    assert "\x1b[31m\u2717\x1b[0m approval      the app has no user to run as" in text, text
    assert re.search(r"\n {16}\u2192 in Salesforce: the app > Policies", text), text
    assert "\u2713" in text and "\u2013" in text
    text = at_terminal("doctor", "seen", LC_ALL="C", NO_COLOR="1")
    assert text.isascii() and "\x1b" not in text and re.search(r"FAILED +approval", text) and "-> in Salesforce" in text, text
    lines = Shared.daemon.cli("doctor", "seen", check=ADMINISTRATOR).stdout.splitlines()
    same([line.split("\t")[0] for line in lines], STEPS)
    assert all(line.count("\t") == 3 for line in lines), lines
    no_secret(text + "\n".join(lines))
    quiet = Shared.daemon.cli("doctor", "seen", "--quiet", check=ADMINISTRATOR)
    same(quiet.stdout + quiet.stderr, "")
    Shared.daemon.cli("doctor", check=64)
    Shared.daemon.cli("doctor", "nobody", check=66)


def test_no_problems() -> None:
    """The stand-in had nothing to complain of, and no token stands in the log of the daemon"""
    same(Shared.salesforce.problems(), [])
    no_secret(Shared.daemon.log())


def run() -> int:
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings(SETTINGS)
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
