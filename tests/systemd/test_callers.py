#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""AllowUnit= and AllowExecutable=: callers of the Broker socket, by what the kernel proves of them."""

from __future__ import annotations

import os
import signal

import machine
from harness import SECRET
from machine import Machine
from standin import Standin
from tap import main, same, wait_for

USER = "etl"
SEES_OTHERS = "[Service]\nAmbientCapabilities=CAP_SYS_PTRACE\nCapabilityBoundingSet=CAP_SYS_PTRACE\nSystemCallFilter=capset\n"
# A unit that may make cgroups of its own makes one with the name of the unit that is allowed.
IN_DISGUISE = """#!/bin/sh
set -e
own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir -p "$own/system.slice/allowed.service"
echo $$ > "$own/system.slice/allowed.service/cgroup.procs"
exec sftoken get crm
"""
# A file that has the name of the program, for whoever is in this mount namespace.
UNDER_ITS_NAME = """#!/bin/sh
set -e
cp /usr/bin/sftoken /tmp/other
mount --bind /tmp/other /usr/bin/sftoken
exec /usr/bin/sftoken get crm
"""


def get(m: Machine, unit: str, command: str = "sftoken get crm", user: str = USER, more: str = "") -> str:
    """What the command prints in a unit of this name, or the exit status that it ends with."""
    where = "[Service]\nType=oneshot\n" + (f"User={user}\n" if user else "") + f"StandardOutput=truncate:/run/shown\nExecStart={command}\n{more}\n"
    m.write(f"/etc/systemd/system/{unit}", where)
    m.ctl("daemon-reload")
    if m.ctl("start", unit, check=None).returncode != 0:
        return m.value("ExecMainStatus", unit=unit)
    return m.path("/run/shown").read_text().strip()


def prepare(m: Machine) -> None:
    m.run("useradd", "-m", "-G", "sftoken", USER)
    m.write("/usr/local/bin/in-disguise", IN_DISGUISE, 0o755)
    m.write("/usr/local/bin/under-its-name", UNDER_ITS_NAME, 0o755)


def test_units() -> None:
    """the user in the unit, and root in it; not the user elsewhere, nor another user in it, nor a cgroup in disguise; to them it does not exist"""
    with Standin() as salesforce, Machine(salesforce) as m:
        prepare(m)
        m.add_client_credentials("crm", access=f"AllowUser={USER}\nAllowUnit=allowed.service allowed@*.service")
        m.add_client_credentials("erp", access=f"AllowUser={USER}")
        m.ctl("start", "sftokend")
        token = get(m, "allowed.service")
        assert token.startswith("00D"), token
        for unit, who in (("allowed@a.service", USER), ("allowed.service", "root")):
            same(get(m, unit, user=who), token, unit)
        for unit, command, who in (("other.service", "sftoken get crm", USER), ("other.service", "sftoken get crm", "root"), ("allowed.service", "sftoken get crm", "sftokend-other"),
                                   ("disguise.service", "/usr/local/bin/in-disguise", "root")):
            if who == "sftokend-other":
                m.run("useradd", "-G", "sftoken", who)
            same(get(m, unit, command, who, "Delegate=yes" if unit == "disguise.service" else ""), "66", f"{unit} {who}")
        wait_for(lambda: "unit other.service is not in AllowUnit=" in m.journal("-u", "sftokend"), "the reason in the log")
        same(m.sftoken("get", "crm", check=66).stdout, "")  # in no unit
        assert get(m, "other.service", "sftoken get erp").startswith("00D")
        assert "crm" in get(m, "allowed.service", "sftoken list") and "crm" not in get(m, "other.service", "sftoken list")
        assert m.sftoken("get", "erp").stdout.strip()
        same(len(salesforce.token_requests("app-crm")), 1)


def test_changes() -> None:
    """access is judged when an answer is written: a reload gives and takes it, also from a watch that waits, and a new mint or front finds it out again"""
    with Standin() as salesforce, Machine(salesforce) as m:
        prepare(m)
        m.add_client_credentials("crm", access=f"AllowUser={USER}")
        m.ctl("start", "sftokend")
        for name in ("allowed", "other"):
            m.write(f"/etc/systemd/system/{name}.service", f"[Service]\nUser={USER}\nExecStart=sftoken watch crm\n")
        m.ctl("daemon-reload")
        m.ctl("start", "allowed.service", "other.service")
        wait_for(lambda: all("00D" in m.journal("-u", f"{n}.service") for n in ("allowed", "other")), "both watches")
        m.add_client_credentials("crm", access=f"AllowUser={USER}\nAllowUnit=allowed.service get-allowed.service")
        m.ctl("reload", "sftokend")
        wait_for(lambda: m.value("ActiveState", unit="other.service") == "failed", "the end of the one")
        same(m.value("ExecMainStatus", unit="other.service"), "66")
        before = m.journal("-u", "allowed.service").count("00D")
        m.sftoken("refresh", "crm")
        wait_for(lambda: m.journal("-u", "allowed.service").count("00D") > before, "a new token for the other")
        for name in ("mint", "front"):
            os.kill(m.pids()[name], signal.SIGKILL)
            # what cannot be found out within IdentifyWait= is Unavailable: the next one must be there
            wait_for(lambda: m.sftoken("status", check=None).returncode == 0, f"the next {name}")
            same(get(m, "get-other.service"), "66", name)
            same(get(m, "get-allowed.service")[:3], "00D", name)


def test_programs() -> None:
    """without the capability the configuration is refused; with it the program itself, and no copy, no other file under its name, nor one that was replaced"""
    with Standin() as salesforce, Machine(salesforce) as m:
        prepare(m)
        m.add_client_credentials("crm", access=f"AllowUser={USER}\nAllowExecutable=/usr/bin/sftoken")
        assert m.ctl("start", "sftokend", check=None).returncode != 0
        same(m.value("ExecMainStatus"), "78")
        wait_for(lambda: "CAP_SYS_PTRACE" in m.journal(), "the reason")
        m.drop_in(SEES_OTHERS)
        m.ctl("daemon-reload")
        m.ctl("start", "sftokend")
        token = get(m, "one.service")
        assert token.startswith("00D"), token
        # a command that is in another file of sftoken is the same program all the same
        shown = get(m, "show.service", "/usr/bin/sftoken show crm")
        assert shown.startswith("credential\tcrm"), shown
        m.run("cp", "/usr/bin/sftoken", "/usr/local/bin/copy")
        same(get(m, "two.service", "/usr/local/bin/copy get crm"), "66")
        same(get(m, "three.service", "/usr/local/bin/under-its-name", "root", "PrivateMounts=yes"), "66")
        m.add_client_credentials("crm", access=f"AllowUser={USER}\nAllowExecutable=/usr/local/bin/c*\nAllowUnit=two.service")
        m.ctl("reload", "sftokend")
        same(get(m, "two.service", "/usr/local/bin/copy get crm"), token)
        same(get(m, "one.service", "/usr/local/bin/copy get crm"), "66")
        same(get(m, "two.service"), "66")
        # a watch that began when nobody asked for its program
        m.add_client_credentials("crm", access=f"AllowUser={USER}\nAllowUnit=watch.service")
        m.ctl("reload", "sftokend")
        m.write("/etc/systemd/system/watch.service", f"[Service]\nUser={USER}\nExecStart=sftoken watch crm\n")
        m.ctl("daemon-reload")
        m.ctl("start", "watch.service")
        wait_for(lambda: "00D" in m.journal("-u", "watch.service"), "the watch")
        m.add_client_credentials("crm", access=f"AllowUser={USER}\nAllowUnit=watch.service\nAllowExecutable=/usr/bin/sftoken")
        m.ctl("reload", "sftokend")
        before = m.journal("-u", "watch.service").count("00D")
        m.sftoken("refresh", "crm")
        wait_for(lambda: m.journal("-u", "watch.service").count("00D") > before, "a new token for it")
        same(m.value("ActiveState", unit="watch.service"), "active")


def test_user() -> None:
    """a daemon of one's own knows the units of one's own manager; one of the system names them with the manager's"""
    with Standin() as salesforce, Machine(salesforce) as m:
        prepare(m)
        uid = m.ids(USER)[0]
        m.ctl("start", f"user@{uid}.service")
        folder, units = f"/home/{USER}/.config/sftokend", f"/home/{USER}/.config/systemd/user"
        m.write(f"{folder}/sftokend.conf", "[Network]\nCaFile=/etc/sftokend/ca.pem\n")
        m.write(f"{folder}/own.secret", SECRET + "\n", 0o600)
        m.add_client_credentials("own", reference=f"file:{folder}/own.secret", folder=folder, access="AllowUnit=job.service\nAllowExecutable=/usr/bin/sftoken")
        m.add_client_credentials("crm", access=f"AllowUser={USER}\nAllowUnit=user@*.service/job.service")
        for name, words in (("job", "--user get own"), ("other", "--user get own"), ("system", "--system get crm")):
            m.write(f"{units}/{name}.service", f"[Service]\nType=oneshot\nExecStart=sftoken {words}\n")
        m.run("chown", "-R", f"{USER}:{USER}", f"/home/{USER}")
        m.ctl("daemon-reload", user=USER)
        m.ctl("start", "sftokend", user=USER)
        m.ctl("start", "sftokend")
        m.ctl("start", "job.service", user=USER)
        for name in ("other", "system"):
            assert m.ctl("start", f"{name}.service", check=None, user=USER).returncode != 0
            same(m.value("ExecMainStatus", unit=f"{name}.service", user=USER), "66")
        m.write(f"{units}/job.service", "[Service]\nType=oneshot\nExecStart=sftoken --system get crm\n")
        m.ctl("daemon-reload", user=USER)
        m.ctl("start", "job.service", user=USER)
        same(get(m, "job.service"), "66")  # the system's unit of this name is another one


if __name__ == "__main__":
    machine.enter()
    main()
