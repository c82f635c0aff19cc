#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same programs and units under a newer systemd: Debian 13's 257."""

from __future__ import annotations

import os
import signal
import time

import machine
from machine import NEWER, Machine
from standin import Standin
from tap import main, same, wait_for

DROP_IN = {"/etc/systemd/system/sftokend.service.d/test.conf": "[Service]\nType=notify-reload\nExecReload=\nFileDescriptorStorePreserve=yes\n"}


def test_as_it_is() -> None:
    """the unit as it is: start, restart with kept sockets, reload, with no token asked for twice"""
    with Standin() as salesforce, Machine(salesforce, release=NEWER) as m:
        m.add_client_credentials("crm")
        m.ctl("start", "sftokend")
        assert m.sftoken("get", "crm").stdout.strip()
        same(m.value("NFileDescriptorStore"), "2")
        m.ctl("reload", "sftokend")
        m.ctl("restart", "sftokend")
        assert m.sftoken("get", "crm").stdout.strip()
        same(m.show("NFileDescriptorStore", "NRestarts"), {"NFileDescriptorStore": "2", "NRestarts": "0"})
        same(len(salesforce.token_requests()), 1)
        same(m.journal().count("parent.warning"), 0)


def test_notify_reload() -> None:
    """Type=notify-reload: systemctl reload returns when the new configuration is used; a bad one leaves the daemon as it was"""
    with Standin() as salesforce, Machine(salesforce, files=DROP_IN, release=NEWER) as m:
        m.add_client_credentials("crm")
        m.ctl("start", "sftokend")
        for name in ("erp", "hr", "ops"):
            m.add_client_credentials(name)
            m.ctl("reload", "sftokend")
            assert name in m.sftoken("list").stdout.split()
        m.add_settings("[Limits]\nBacklog=many\n")
        m.ctl("reload", "sftokend")
        wait_for(lambda: "config.refused" in m.journal(), "what was wrong")
        same(m.value("ActiveState"), "active")
        assert m.sftoken("get", "crm").stdout.strip()


def test_reload_without_a_mint() -> None:
    """a reload while the mint is away does not wait for it: the next one reads everything"""
    files = {**DROP_IN, "/etc/sftokend/sftokend.conf.d/pause.conf": "[Limits]\nRestartFirst=30s\nRestartMax=30s\n"}
    with Standin() as salesforce, Machine(salesforce, files=files, release=NEWER) as m:
        m.add_client_credentials("crm")
        m.ctl("start", "sftokend")
        for deaths in (1, 2):  # at once, then after the pause
            os.kill(int(str(wait_for(lambda: m.pids().get("mint"), "a mint"))), signal.SIGKILL)
            wait_for(lambda n=deaths: m.journal().count("child.died") >= n, "its death")
        started = time.monotonic()
        m.ctl("reload", "sftokend")
        assert time.monotonic() - started < 10
        same(m.value("ActiveState"), "active")


if __name__ == "__main__":
    machine.enter(NEWER)
    main()
