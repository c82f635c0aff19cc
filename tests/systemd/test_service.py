#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sftokend.service under the real systemd: start, readiness, reload, watchdog, restarts by itself."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import machine
from machine import Machine
from standin import Standin
from tap import main, same, wait_for
from test_events import add_person, give

BROKER = "/run/sftokend/io.sftoken.Broker"
MANAGER = "/run/sftokend/io.sftoken.Manager"


def test_start() -> None:
    """systemctl start returns when tokens can be had; STATUS= is in words; sockets, directories and groups are as documented"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm", extra="Required=yes")
        m.ctl("start", "sftokend")
        assert m.sftoken("get", "crm").stdout.strip()
        shown = m.show("ActiveState", "StatusText", "NRestarts", "NFileDescriptorStore")
        same(shown["ActiveState"], "active")
        assert shown["StatusText"].startswith("1 credential, 1 with a token"), shown
        same(shown["NFileDescriptorStore"], "2")
        uid = m.ids("sftokend")[0]
        for path, mode, group in ((BROKER, 0o660, "sftoken"), (MANAGER, 0o660, "sftokend-admin"), ("/run/sftokend", 0o755, "sftokend"),
                                  ("/var/lib/sftokend", 0o700, "sftokend")):
            st = m.path(path).stat()
            same((st.st_mode & 0o777, st.st_uid, st.st_gid), (mode, uid, m.group_id(group)), path)
        same(m.journal().count("parent.warning"), 0)


def test_reload() -> None:
    """systemctl reload waits for the outcome: a good configuration is used, a bad one fails with its mistake and changes nothing; SIGHUP reloads as well"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.ctl("start", "sftokend")
        m.add_client_credentials("erp")
        m.ctl("reload", "sftokend")
        assert m.sftoken("get", "erp").stdout.strip()
        before = m.value("MainPID")
        m.add_settings("[Limits]\nBacklog=many\n")
        assert m.ctl("reload", "sftokend", check=None).returncode != 0
        assert "Backlog=" in m.journal(), m.journal()
        assert m.sftoken("get", "crm").stdout.strip()
        m.add_settings("")
        m.add_client_credentials("hr")
        m.ctl("kill", "--kill-who=main", "-s", "HUP", "sftokend")
        wait_for(lambda: m.sftoken("get", "hr", check=None).returncode == 0, "the third credential")
        wait_for(lambda: m.value("ActiveState") == "active", "the end of the reload")
        same(m.value("MainPID"), before)


def test_others_may_write() -> None:
    """The unit sees /etc read-only, others need not: a file that others may write, or that belongs to somebody else, is refused at reload and at start; such a directory at reload, and the start mends it"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        file = m.path("/etc/sftokend/credentials/crm.conf")
        m.ctl("start", "sftokend")
        for path, mode, uid in ((file, 0o666, 0), (file, 0o664, 0), (file.parent, 0o777, 0), (file, 0o644, 1234)):
            before = path.stat()
            os.chown(path, uid, -1)
            path.chmod(mode)
            assert m.ctl("reload", "sftokend", check=None).returncode != 0, (path, mode, uid)
            assert m.sftoken("get", "crm").stdout.strip()
            m.ctl("stop", "sftokend")
            if path == file:
                assert m.ctl("start", "sftokend", check=None).returncode != 0, (path, mode, uid)
                same(m.value("ExecMainStatus"), "78")
            else:  # by tmpfiles.d, before the start
                m.ctl("start", "sftokend")
                same(path.stat().st_mode & 0o777, 0o755)
            os.chown(path, before.st_uid, -1)
            path.chmod(before.st_mode & 0o7777)
            m.run("systemctl", "reset-failed", "sftokend", check=None)
            m.ctl("start", "sftokend")
        assert "others may write it (mode 0666)" in m.journal() and "belongs to uid 1234" in m.journal(), m.journal()


def test_bad_configuration() -> None:
    """a mistake stops the start with 78 and its place, once: it is not tried for ever"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.add_settings("[Limits]\nBacklog=many\n")
        assert m.ctl("start", "sftokend", check=None).returncode != 0
        same(m.show("ActiveState", "ExecMainStatus", "NRestarts"), {"ActiveState": "failed", "ExecMainStatus": "78", "NRestarts": "0"})
        same(m.journal().count("config.mistake file=/etc/sftokend/sftokend.conf.d/test.conf line=2 "), 1)
        m.add_settings("")
        m.ctl("start", "sftokend")
        assert m.sftoken("get", "crm").stdout.strip()


def test_killed() -> None:
    """whichever process is killed, callers have a token again; without the mint STATUS= says what is missing, and nothing is restarted"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.add_settings("[Limits]\nRestartFirst=1min\nRestartMax=1min\n")
        m.ctl("start", "sftokend")
        m.sftoken("get", "crm")
        asked = len(salesforce.token_requests())
        for _ in range(2):  # at once, then after a pause
            os.kill(int(str(wait_for(lambda: m.pids().get("mint"), "a mint"))), signal.SIGKILL)
            wait_for(lambda: m.journal().count("child.died") > _, "its death")
        wait_for(lambda: m.value("StatusText").startswith("degraded: the mint"), "the words for it")
        assert m.sftoken("get", "crm").stdout.strip()
        same(m.value("NRestarts"), "0")
        os.kill(m.pids()["sftokend"], signal.SIGKILL)
        wait_for(lambda: m.value("NRestarts") == "1" and m.value("ActiveState") == "active", "another daemon")
        assert m.sftoken("get", "crm").stdout.strip()
        same(len(salesforce.token_requests()), asked)


def test_watchdog() -> None:
    """a front that hangs is no sign of life: systemd ends the daemon and starts it again; so does a parent that hangs"""
    drop_in = "[Service]\nWatchdogSec=2500ms\n"  # the mint is asked every 2 s: its answers must not count
    with Standin() as salesforce, Machine(salesforce, files={"/etc/systemd/system/sftokend.service.d/test.conf": drop_in}) as m:
        m.add_client_credentials("crm")
        m.add_settings("[Limits]\nFrontWatchdog=1h\n")
        m.ctl("start", "sftokend")
        m.sftoken("get", "crm")
        asked = len(salesforce.token_requests())
        same(m.value("WatchdogUSec"), "2.500000s")
        for restarts, name in ((1, "front"), (2, "sftokend")):
            before = m.pids()
            os.kill(before[name], signal.SIGSTOP)
            wait_for(lambda: int(m.value("NRestarts")) >= restarts and m.value("ActiveState") == "active", f"a restart after the {name} was stopped")
            assert m.sftoken("get", "crm").stdout.strip()
            assert not any(Path(f"/proc/{pid}").exists() for pid in before.values())
        assert "Watchdog timeout" in m.journal(), m.journal()
        same(len(salesforce.token_requests()), asked)


def spend(m: Machine, seconds: float) -> None:
    """A refresh token that the server has processed, and whose answer comes so much later."""
    assert m.salesforce is not None
    before = m.salesforce.counters()["refreshes"]
    m.salesforce.fault("delay", client_id="app-anna", seconds=seconds, after=True)
    threading.Thread(target=m.sftoken, args=("refresh", "anna"), kwargs={"check": None}, daemon=True).start()
    refreshes = m.salesforce.counters
    wait_for(lambda: refreshes()["refreshes"] == before + 1, "a token that is spent")


def generation(m: Machine) -> int:
    return int(json.loads(m.sftoken("get", "anna", "--wait", "20", "--format", "json").stdout)["generation"])


def test_spent_token() -> None:
    """while the answer to a refresh token is on its way: a restart, the death of the parent, and a parent that hangs; the mint stores it before it ends, and the next daemon goes on with it"""
    drop_in = "[Service]\nWatchdogSec=2500ms\n"

    def restart(m: Machine) -> None:
        spend(m, 1.5)
        m.ctl("restart", "sftokend")

    def kill(m: Machine) -> None:
        spend(m, 1.5)
        os.kill(m.pids()["sftokend"], signal.SIGKILL)

    def hang(m: Machine) -> None:
        os.kill(m.pids()["sftokend"], signal.SIGSTOP)
        spend(m, 4)

    with Standin() as salesforce, Machine(salesforce, files={"/etc/systemd/system/sftokend.service.d/test.conf": drop_in}) as m:
        add_person(m, "anna")
        m.add_settings("[Limits]\nMinRenewDelay=0\nDemandGap=0\n")
        m.ctl("start", "sftokend")
        give(m, "anna")
        for way in (restart, kill, hang):
            first, pid = generation(m), m.pids()["sftokend"]
            way(m)
            wait_for(lambda: m.pids().get("sftokend", pid) != pid and m.value("ActiveState") == "active", f"another daemon after {way.__name__}")
            same(salesforce.wait_replies()["lost_replies"], 0, way.__name__)
            assert generation(m) > first, way.__name__
            m.sftoken("refresh", "anna")
        same([line for line in m.journal().splitlines() if "spend.unknown" in line or "SIGKILL" in line], [])
        same((salesforce.alarms(), salesforce.problems()), ([], []))


def test_signals() -> None:
    """what "systemctl kill" sends to all of the unit is for the parent: the children stay, the configuration is read again"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.ctl("start", "sftokend")
        before = m.pids()
        m.add_client_credentials("hr")
        m.ctl("kill", "-s", "USR1", "sftokend")
        m.ctl("kill", "-s", "HUP", "sftokend")
        wait_for(lambda: m.sftoken("get", "hr", check=None).returncode == 0, "the second credential")
        same(m.pids(), before)
        m.ctl("kill", "-s", "INT", "sftokend")
        wait_for(lambda: m.value("NRestarts") == "1" and m.value("ActiveState") == "active", "another daemon")
        same(m.journal().count("child.died"), 0)


def test_stop() -> None:
    """systemctl stop ends all three at once, with 0; nothing runs afterwards"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.ctl("start", "sftokend")
        same(set(m.pids()), {"sftokend", "mint", "front"})
        m.ctl("stop", "sftokend")
        same(m.show("ActiveState", "Result", "ExecMainStatus"), {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})
        same(m.pids(), {})


if __name__ == "__main__":
    machine.enter()
    main()
