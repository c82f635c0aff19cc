# SPDX-License-Identifier: Apache-2.0
"""--until-idle S: ends by itself, in order, S seconds after the last caller has gone; never before."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from harness import BROKER, MANAGER, Closed, Connection, Daemon, Standin, VarlinkError, expect, main, same, wait_for
from rotating import in_flight, no_alarms, token, wait_first, warnings

DEBUG = ("--log-level", "debug")


def ends(daemon: Daemon) -> int:
    """Waits for the end that nobody has asked for; the exit status."""
    process = daemon.process
    assert process is not None
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it does not end by itself:\n{daemon.log()}") from None
    return daemon.stop()


def lives_until(daemon: Daemon, end: float) -> None:
    """It is there all the time until then; a machine that is slow makes this easier, never harder."""
    assert daemon.process is not None
    while time.monotonic() < end:
        assert daemon.process.poll() is None, daemon.log()
        time.sleep(0.02)


def test_nobody_comes() -> None:
    """Nobody comes: exit 0, not before the time is over since it was ready; the log says why; sockets are gone"""
    with Daemon(options=[*DEBUG, "--until-idle", "2"]) as daemon:
        begun = time.monotonic()
        daemon.start()
        same(ends(daemon), 0)
        assert time.monotonic() - begun >= 2
        log = daemon.log()
        assert "parent.idle seconds=2" in log and log.index("parent.idle") < log.index("parent.stopped"), log
        assert not list(daemon.runtime.glob("io.sftoken.*"))


def start_held(daemon: Daemon) -> Connection:
    """Ready, with a caller who was in the queue before: on a slow machine the time might be over before a later one comes."""
    daemon.spawn()
    wait_for(lambda: Path(daemon.broker_path).exists(), "the socket")
    first = daemon.broker()
    first.send(f"{BROKER}.ListCredentials")
    daemon.wait_ready()
    first.receive()
    return first


def test_callers() -> None:
    """A connection that has called keeps it, a watch too; the time begins when the last one is closed; who came between begins it anew"""
    with Standin() as salesforce, Daemon(salesforce, options=[*DEBUG, "--until-idle", "1"]) as daemon:
        daemon.add_client_credentials("crm")
        first = start_held(daemon)
        second = daemon.broker()
        second.send(f"{BROKER}.WatchToken", {"credential": "crm"}, more=True)
        second.receive()
        lives_until(daemon, time.monotonic() + 1.5)
        first.close()
        lives_until(daemon, time.monotonic() + 1.5)
        with daemon.broker() as third:
            third.get("crm")
            second.close()
            left = time.monotonic()
        same(ends(daemon), 0)
        assert time.monotonic() - left >= 1, "too early"


def test_probes() -> None:
    """Probes and administrators are no callers: pinged for ever, it ends all the same; a front that was killed keeps it from nothing"""
    with Daemon(options=[*DEBUG, "--until-idle", "2"]) as daemon:
        daemon.start()
        daemon.kill("front")
        wait_for(lambda: daemon.log().count("child.started name=sftokend-front") == 2, "a new front")
        process = daemon.process
        assert process is not None
        with daemon.manager() as administrator:
            administrator.call(f"{MANAGER}.Status")
            until = time.monotonic() + 20
            while process.poll() is None and time.monotonic() < until:
                subprocess.run([str(daemon.cli_program), "ping"], env={"SFTOKEN_SOCKET": daemon.broker_path}, capture_output=True, check=False)
            assert process.poll() is not None, "pings keep it"
        same(ends(daemon), 0)


def test_spend() -> None:
    """The last caller goes while the answer to a refresh token is on its way: it is waited for and kept"""
    with Standin() as salesforce, Daemon(salesforce, options=[*DEBUG, "--until-idle", "1"]) as daemon:
        daemon.add_refresh_token("crm")
        held = start_held(daemon)
        daemon.import_all()
        first = wait_first(daemon, "crm")
        in_flight(salesforce, daemon, 3)
        held.close()
        same(ends(daemon), 0)
        assert "parent.idle" in daemon.log()
        same(salesforce.wait_replies()["lost_replies"], 0)
        daemon.options = list(DEBUG)
        daemon.start()
        assert "is lost" not in warnings(daemon), warnings(daemon)
        assert token(daemon, "crm")["generation"] > first["generation"]
        no_alarms(salesforce)


def serves(daemon: Daemon) -> bool:
    """Whether a connection is accepted now."""
    with daemon.broker(timeout=1) as c:
        try:
            c.call("org.varlink.service.GetInfo")
        except (OSError, TimeoutError):
            return False
        return True


def test_late() -> None:
    """Who comes when the time is over, and the parent has not stopped anything yet, is not let in to be told that it ends: he waits in the queue of the socket"""
    with Standin() as salesforce, Daemon(salesforce, options=[*DEBUG, "--until-idle", "1"]) as daemon:
        daemon.add_client_credentials("crm")
        daemon.start()
        process = daemon.process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        try:
            wait_for(lambda: not serves(daemon), "the end of the time")
            late = daemon.broker()
            late.send(f"{BROKER}.WatchToken", {"credential": "crm"}, more=True)
        finally:
            process.send_signal(signal.SIGCONT)
        same(ends(daemon), 0)
        expect(Closed, late.receive)  # it ends, and nothing was said before
        late.close()


def test_term() -> None:
    """TERM is heard as ever; a caller who comes too late is told so, not left waiting"""
    with Standin() as salesforce, Daemon(salesforce, options=[*DEBUG, "--until-idle", "3600"]) as daemon:
        daemon.add_client_credentials("crm")
        # before the start, after which a token comes by itself
        salesforce.fault("hang", client_id="app-crm")
        daemon.start()
        with daemon.broker() as c:
            c.send(f"{BROKER}.GetToken", {"credential": "crm", "waitSeconds": 60})
            salesforce.wait_requests(1, client_id="app-crm")
            assert daemon.process is not None
            daemon.process.send_signal(signal.SIGTERM)
            error = expect(VarlinkError, c.receive)
            assert isinstance(error, VarlinkError)
            same(error.name, f"{BROKER}.ShuttingDown")
        same(daemon.stop(), 0)


if __name__ == "__main__":
    main()
