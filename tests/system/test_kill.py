# SPDX-License-Identifier: Apache-2.0
"""Processes are killed, stopped and started twice; callers do not notice."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from harness import BROKER, Daemon, Standin, children, expect, main, runs, same, wait_for, Closed, VarlinkError
from load import Load

KILLS = 5


def pair(salesforce: Standin, daemon: Daemon) -> Daemon:
    for name in ("crm", "prod"):
        daemon.add_client_credentials(name, extra="Required=yes")
    return daemon.start()


def kill_and_wait(daemon: Daemon, name: str) -> int:
    old = daemon.kill(name)
    new = wait_for(lambda: (p := daemon.child(name)) and p != old and p, f"a new {name}")
    assert isinstance(new, int)
    return new


def more_calls(load: Load, number: int) -> None:
    """Wait until the load has made so many more calls."""
    before = load.calls
    wait_for(lambda: load.calls >= before + number, f"{number} more calls")


def test_kill_front() -> None:
    """kill -9 of the front under load: no caller of libsftoken sees an error, the mint stays, no request is sent"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        pair(salesforce, daemon)
        mint, posts = daemon.child("mint"), len(salesforce.token_requests())
        with Load(daemon.broker_path, ["crm", "prod"]) as load:
            for _ in range(KILLS):
                more_calls(load, 200)
                kill_and_wait(daemon, "front")
            more_calls(load, 200)
        same(load.errors[:3], [])
        same(daemon.child("mint"), mint, "pid of the mint")
        same(len(salesforce.token_requests()), posts, "requests to the token endpoint")
        assert all(len(c.generations) == 1 for c in load.callers), "a generation changed"


def test_kill_mint() -> None:
    """kill -9 of the mint under load: warm gets go on, the front stays, no token is requested that is not due"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        pair(salesforce, daemon)
        front, posts = daemon.child("front"), len(salesforce.token_requests())
        with Load(daemon.broker_path, ["crm", "prod"]) as load:
            for _ in range(KILLS):
                more_calls(load, 200)
                kill_and_wait(daemon, "mint")
            more_calls(load, 200)
        same(load.errors[:3], [])
        same(daemon.child("front"), front, "pid of the front")
        wait_for(lambda: daemon_answers(daemon), "the mint answers")
        same(len(salesforce.token_requests()), posts, "requests to the token endpoint")
        assert all(len(c.generations) == 1 for c in load.callers), "a generation changed"


def daemon_answers(daemon: Daemon) -> bool:
    with daemon.manager() as c:
        return bool(c.call("io.sftoken.Manager.Status"))


def test_generations_never_repeat() -> None:
    """Generations grow over a killed mint, a killed front, both, and a refresh in between"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        pair(salesforce, daemon)
        seen: list[int] = []
        for victims in (["front"], ["mint"], ["front", "mint"], []):
            for victim in victims:
                kill_and_wait(daemon, victim)
            # Without a store a generation is the second of its token: what was lost with both children was older than a second.
            wait_for(lambda: not seen or time.time() >= seen[-1] + 1, "the second of the last generation is over")
            with daemon.manager() as c:
                seen.append(wait_for(lambda: refreshed(daemon), "a refresh"))  # type: ignore[arg-type]
            del c
        same(seen, sorted(set(seen)), "generations")


def refreshed(daemon: Daemon) -> int:
    try:
        with daemon.manager() as c:
            return int(c.call("io.sftoken.Manager.Refresh", {"credential": "crm"})["generation"])
    except (Closed, VarlinkError, OSError):
        return 0


def test_mint_gone_front_serves() -> None:
    """While the mint is stopped (SIGSTOP) warm gets are answered and misses wait"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        pair(salesforce, daemon)
        mint = daemon.child("mint")
        assert mint
        os.kill(mint, signal.SIGSTOP)
        try:
            with daemon.broker() as c:
                for _ in range(100):
                    assert c.get("crm")["accessToken"]
                error = expect(VarlinkError, lambda: c.get("crm", rejectedGeneration=c.get("crm")["generation"], waitSeconds=1))
                same(getattr(error, "short", None), "TimedOut")
        finally:
            os.kill(mint, signal.SIGCONT)


def test_kill_parent() -> None:
    """kill -9 of the parent: nothing is left running, and a new start works at once"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        pair(salesforce, daemon)
        pids = list(children(daemon.pid).values())
        same(len(pids), 2, "children")
        assert daemon.process
        daemon.process.kill()
        daemon.process.wait()
        wait_for(lambda: not any(runs(pid) for pid in pids), "the children are gone")
        daemon.start()
        with daemon.broker() as c:
            assert c.get("crm")["accessToken"]


def test_second_daemon() -> None:
    """A second daemon on the same directories exits 73 and names the first; the first goes on"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        pair(salesforce, daemon)
        result = subprocess.run(daemon.arguments(), env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=30,
                                check=False)
        same(result.returncode, 73)
        assert str(daemon.pid) in result.stderr, result.stderr
        with daemon.broker() as c:
            assert c.get("crm")["accessToken"]
        arguments = [a if a != str(daemon.runtime) else str(daemon.directory / "run2") for a in daemon.arguments()]
        result = subprocess.run(arguments, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=30, check=False)
        same(result.returncode, 73, "the same state directory with another runtime directory")


def test_term_answers_waiters() -> None:
    """TERM: callers that wait get ShuttingDown, the daemon ends with 0 and removes nothing but itself"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        salesforce.fault("hang", forever=True)
        daemon.add_client_credentials("crm")
        daemon.start()
        with daemon.broker() as waiting, daemon.broker() as watching:
            waiting.send(BROKER + ".GetToken", {"credential": "crm"})
            watching.send(BROKER + ".WatchToken", {"credential": "crm"}, more=True)
            wait_for(lambda: salesforce.token_requests(), "the request")
            time.sleep(0)
            assert daemon.process
            daemon.process.send_signal(signal.SIGTERM)
            for connection in (waiting, watching):
                error = expect(VarlinkError, connection.receive)
                same(getattr(error, "short", None), "ShuttingDown")
            started = time.monotonic()
            same(daemon.stop(), 0)
            assert time.monotonic() - started < 10


def test_children_that_die_at_once() -> None:
    """A child that is killed again and again is restarted with growing pauses, not in a busy loop"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        pair(salesforce, daemon)
        pids = set()
        end = time.monotonic() + 3
        while time.monotonic() < end:
            pid = daemon.child("front")
            if pid and pid not in pids:
                pids.add(pid)
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        assert 3 <= len(pids) <= 12, f"{len(pids)} starts in 3 s"
        with daemon.broker(timeout=20) as c:
            assert c.get("crm")["accessToken"]


def test_usr1_and_hup() -> None:
    """USR1 writes the status to the log; HUP reloads and says so"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        pair(salesforce, daemon)
        assert daemon.process
        size = len(daemon.log())
        daemon.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: "crm" in daemon.log()[size:], "a status in the log")
        daemon.add_client_credentials("new")
        daemon.process.send_signal(signal.SIGHUP)
        with daemon.broker() as c:
            wait_for(lambda: "new" in [i["name"] for i in c.call(BROKER + ".ListCredentials")["credentials"]], "the new credential")


if __name__ == "__main__":
    main()
