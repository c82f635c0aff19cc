#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The sandbox of sftokend.service: as tight as promised, and nothing that the daemon does needs more."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import machine
from machine import Machine
from standin import Standin
from tap import main, same, wait_for

EXPOSURE = 14  # tenths
SYSTEM_UNITS = ("sftokend.service", "sftokend.socket", "sftokend-manager.socket", "sftokend-credential.socket")
KILL = {"/etc/systemd/system/sftokend.service.d/test.conf": "[Service]\nSystemCallErrorNumber=\nLimitCORE=0\n"}


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_verify() -> None:
    """systemd-analyze verify finds nothing to say about any unit; the exposure is at most 1.4"""
    with Machine() as m:
        for place, mode in (("/usr/lib/systemd/system", "--system"), ("/usr/lib/systemd/user", "--user")):
            done = m.run("env", "XDG_RUNTIME_DIR=/tmp", "systemd-analyze", "verify", mode, "--man=no", "--recursive-errors=no", *(f"{place}/{unit}" for unit in SYSTEM_UNITS), check=None)
            said = [line for line in (done.stdout + done.stderr).splitlines() if "sftoken" in line]
            same((done.returncode, said), (0, []), place)
        done = m.run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "/usr/lib/systemd/system/sftokend.service", check=None)
        same(done.returncode, 0, done.stdout[-200:])


def test_confined() -> None:
    """no process has a capability or can get one; each has the filter; nothing but its own directories can be written"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.ctl("start", "sftokend")
        m.sftoken("get", "crm")
        uid = str(m.ids("sftokend")[0])
        for name, pid in m.pids().items():
            seen = status(pid)
            same({k: int(seen[k], 16) for k in ("CapEff", "CapPrm", "CapBnd", "CapAmb")}, {"CapEff": 0, "CapPrm": 0, "CapBnd": 0, "CapAmb": 0}, name)
            same((seen["NoNewPrivs"], seen["Seccomp"], set(seen["Uid"].split())), ("1", "2", {uid}), name)
        probe = "for d in / /etc /etc/sftokend /run /run/sftokend /run/lock /usr /var /var/lib /var/lib/sftokend /var/log /home /root /tmp; do touch $d/.probe 2>/dev/null && rm $d/.probe && echo $d; done"
        # as root: what no mount forbids; ProtectSystem=strict leaves out /run, where root's permissions stand before it
        inside = ["nsenter", "-t", str(m.pids()["mint"]), "-m", "-r", "-w", "sh", "-c", probe]
        same(machine.command(*inside).stdout.split(), ["/run", "/run/sftokend", "/run/lock", "/var/lib/sftokend", "/tmp"])


def test_no_refused_call() -> None:
    """with a filter that kills instead of refusing, everything still works: not one system call is refused"""
    with Standin() as salesforce, Machine(salesforce, files=KILL) as m:
        m.add_client_credentials("crm", access="AllowUser=www-data")
        m.write("/etc/sftokend/credentials/anna.conf", f"[Credential]\nGrantType=refresh_token\nLoginUrl={salesforce.url}\nClientId=app-crm\nClientSecret=stored:\n")
        m.add_settings("[Limits]\nRestartFirst=0s\n")
        m.ctl("start", "sftokend")
        m.sftoken("get", "crm")
        m.sftoken("import", "anna", "--kind", "client_secret", stdin="planted-client-secret-7f3a9c")
        grant = salesforce.new_grant("crm@example.com", "app-crm", True)
        m.sftoken("import", "anna", "--kind", "refresh_token", stdin=str(grant["refresh_token"]))
        m.sftoken("get", "anna", "--wait", "20")
        for verb in ("refresh", "show", "disable", "enable"):
            m.sftoken(verb, "crm")
        m.sftoken("report", "crm", "--generation", "1", check=None)
        for verb in ("status", "list", "ping"):
            m.sftoken(verb)
        m.ctl("reload", "sftokend")
        m.ctl("kill", "--kill-who=main", "-s", "USR1", "sftokend")
        for name in ("mint", "front"):
            pid = int(str(wait_for(lambda n=name: m.pids().get(n), name)))
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda n=name, p=pid: m.pids().get(n, p) != p, f"another {name}")
            m.sftoken("get", "crm", "--wait", "20")
        m.sftoken("revoke", "crm")
        m.ctl("restart", "sftokend")
        m.sftoken("get", "anna", "--wait", "20")
        m.ctl("stop", "sftokend")
        same(m.value("Result"), "success")
        log = m.journal()
        same([line for line in log.splitlines() if "SIGSYS" in line or "SYS" in line.split("status=")[-1:]], [])
        same(salesforce.problems(), [])


def test_callers_are_known() -> None:
    """users are told from one another: who is named gets a token, who is not gets none (PrivateUsers=no is there for this)"""
    with Standin() as salesforce, Machine(salesforce) as m:
        for user in ("etl", "eve"):
            m.run("useradd", "-m", "-G", "sftoken", user)
        m.run("useradd", "-m", "mallory")
        m.add_client_credentials("crm", access="AllowUser=etl")
        m.ctl("start", "sftokend")
        assert m.sftoken("get", "crm", user="etl").stdout.strip()
        m.sftoken("get", "crm", user="eve", check=66)
        m.sftoken("get", "crm", user="mallory", check=77)  # not even a socket
        m.sftoken("status", user="etl", check=77)


if __name__ == "__main__":
    machine.enter()
    main()
