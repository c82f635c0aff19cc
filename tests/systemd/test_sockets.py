#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sockets of units, and sockets that systemd keeps for us."""

from __future__ import annotations

import os
import signal

import machine
from machine import Machine
from standin import Standin
from tap import main, same, wait_for
from varlink import Connection

BROKER = "/run/sftokend/io.sftoken.Broker"
SOCKETS = ("sftokend.socket", "sftokend-manager.socket")
JOBS = """[Socket]
ListenStream=/run/sftokend/jobs
FileDescriptorName=jobs
Service=sftokend.service
SocketMode=0666
"""


def inode(m: Machine, path: str) -> int:
    return m.path(path).lstat().st_ino


def test_activation() -> None:
    """with socket units the first caller starts the daemon; the sockets are systemd's before, while and after it runs"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.ctl("start", *SOCKETS)
        same(m.value("ActiveState"), "inactive")
        before = inode(m, BROKER)
        st = m.path(BROKER).stat()
        same((st.st_mode & 0o777, st.st_gid), (0o660, m.group_id("sftoken")))
        assert m.sftoken("get", "crm").stdout.strip()
        shown = m.show("ActiveState", "NFileDescriptorStore")
        same((shown["ActiveState"], shown["NFileDescriptorStore"]), ("active", "0"))
        assert m.sftoken("status").returncode == 0  # the second one, too
        m.ctl("restart", "sftokend")
        m.ctl("stop", "sftokend")
        same(inode(m, BROKER), before)
        assert m.sftoken("get", "crm").stdout.strip()  # starts it again
        same(m.value("ActiveState"), "active")
        same(m.journal().count("parent.warning"), 0)
        asked = len(salesforce.token_requests())
        same(asked, 1)


def test_activation_at_boot() -> None:
    """enabled, the sockets are there when the boot is over, and belong to who they should"""
    with Standin() as salesforce, Machine(salesforce, enable=SOCKETS) as m:
        m.add_client_credentials("crm")
        assert m.sftoken("get", "crm").stdout.strip()
        same(m.path("/run/sftokend").stat().st_uid, m.ids("sftokend")[0])


def test_named_listener() -> None:
    """[Listener jobs] FileDescriptorName=jobs takes that socket; without it the start fails with what to do"""
    with Standin() as salesforce, Machine(salesforce, files={"/etc/systemd/system/jobs.socket": JOBS}) as m:
        m.add_client_credentials("crm")
        m.add_settings("[Listener jobs]\nFileDescriptorName=jobs\nCredential=c*\n")
        assert m.ctl("start", "sftokend", check=None).returncode != 0
        wait_for(lambda: "FileDescriptorName=jobs" in m.journal(), "the reason")
        m.ctl("stop", "sftokend")
        m.ctl("start", "jobs.socket")
        m.ctl("start", "sftokend")
        same(m.value("NFileDescriptorStore"), "2")
        assert m.sftoken("--socket", "/run/sftokend/jobs", "get", "crm").stdout.strip()
        assert "systemd:jobs" in m.sftoken("status", "--json").stdout
        m.ctl("stop", "sftokend")
        assert m.path("/run/sftokend/jobs").exists()


def test_store_of_descriptors() -> None:
    """without socket units systemd keeps our sockets over restarts and kills: a caller in between waits and is served; a stop gives them up"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.ctl("start", "sftokend")
        m.sftoken("get", "crm")
        before = inode(m, BROKER)
        m.drop_in("[Service]\nExecStartPre=/bin/sleep 1\n")
        m.ctl("daemon-reload")
        m.ctl("--no-block", "restart", "sftokend")
        wait_for(lambda: not m.pids(), "the moment without a daemon")
        with Connection(str(m.path(BROKER))) as c:  # is in the queue: nobody reads
            assert c.get("crm")["accessToken"]
        wait_for(lambda: m.value("ActiveState") == "active", "the next daemon")
        same(inode(m, BROKER), before)
        same(m.value("NFileDescriptorStore"), "2")
        same(len(salesforce.token_requests()), 1)
        dying = m.pids()
        os.kill(dying["sftokend"], signal.SIGKILL)
        # what the old front accepts in its last moment ends with it; callers of libsftoken try again by themselves
        wait_for(lambda: dying["front"] not in m.pids().values(), "the end of the old front")
        with Connection(str(m.path(BROKER))) as c:
            assert c.get("crm")["accessToken"]
        same(inode(m, BROKER), before)
        wait_for(lambda: m.value("ActiveState") == "active", "the one after it")
        m.ctl("stop", "sftokend")
        same(m.value("NFileDescriptorStore"), "0")
        m.ctl("start", "sftokend")
        assert m.sftoken("get", "crm").stdout.strip()
        same(len(salesforce.token_requests()), 1)


def test_configuration_changes() -> None:
    """a listener that was removed or has moved is given back; one that was added is kept from then on; mode and group follow the configuration"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.add_settings("[Listener jobs]\nPath=/run/sftokend/jobs\nGroup=sftokend\n")
        m.ctl("start", "sftokend")
        same(m.value("NFileDescriptorStore"), "3")
        before = inode(m, BROKER)
        m.add_settings("[Listener jobs]\nPath=/run/sftokend/other\nGroup=sftokend\n[Listener broker]\nMode=0666\n")
        m.ctl("restart", "sftokend")
        same(m.value("NFileDescriptorStore"), "3")
        assert not m.path("/run/sftokend/jobs").exists()
        same((inode(m, BROKER), m.path(BROKER).stat().st_mode & 0o777), (before, 0o666))
        assert m.sftoken("--socket", "/run/sftokend/other", "get", "crm").stdout.strip()
        m.add_settings("")
        m.ctl("restart", "sftokend")
        same(m.value("NFileDescriptorStore"), "2")
        same((inode(m, BROKER), m.path(BROKER).stat().st_mode & 0o777), (before, 0o660))
        assert not m.path("/run/sftokend/other").exists()


def test_group_of_a_listener() -> None:
    """a listener with a group of its own gets it from a directory of that group; without one it is closed to others, and status says what to do"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.run("groupadd", "--system", "jobs")
        m.run("usermod", "-aG", "jobs", "sftokend")
        m.add_settings("[Listener jobs]\nPath=/run/sftokend/jobs\nGroup=jobs\n")
        m.ctl("start", "sftokend")
        same(m.path("/run/sftokend/jobs").stat().st_mode & 0o777, 0o600)
        assert "SYSTEMD in sftokend(8)" in m.sftoken("status").stdout
        m.write("/etc/tmpfiles.d/jobs.conf", "d /run/sftokend/.group.jobs 2700 sftokend jobs -\n")
        m.run("systemd-tmpfiles", "--create", "jobs.conf")
        m.ctl("stop", "sftokend")
        m.ctl("start", "sftokend")
        st = m.path("/run/sftokend/jobs").stat()
        same((st.st_mode & 0o777, st.st_gid), (0o660, m.group_id("jobs")))
        same(list(m.path("/run/sftokend/.group.jobs").iterdir()), [])


def test_from_store_to_units() -> None:
    """socket units that are started later replace what was kept; nothing of ours removes their names"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.ctl("start", "sftokend")
        m.ctl("stop", "sftokend")
        m.ctl("start", *SOCKETS)
        m.ctl("start", "sftokend")
        same(m.value("NFileDescriptorStore"), "0")
        assert m.sftoken("get", "crm").stdout.strip()
        m.ctl("stop", "sftokend.service", *SOCKETS)
        assert not m.path(BROKER).exists()  # RemoveOnStop=
        m.ctl("start", "sftokend")
        same(m.value("NFileDescriptorStore"), "2")
        assert m.sftoken("get", "crm").stdout.strip()


if __name__ == "__main__":
    machine.enter()
    main()
