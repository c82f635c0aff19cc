#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sftokend.service under the real systemd: start, readiness, reload, watchdog, restarts by itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import machine
from machine import Machine
from standin import Standin
from tap import main, same, wait_for

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
