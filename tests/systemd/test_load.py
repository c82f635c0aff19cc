#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A token without a client: LoadCredential= of other units, by way of the credential socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import machine
from harness import SECRET
from machine import NEWER, Machine
from standin import Standin
from tap import main, same, wait_for

SOCKET = "/run/sftokend/credential.sock"
USER = "alice"
STATUS_CREDENTIALS = "243"  # EXIT_CREDENTIALS of systemd.exec(5)
SHOW = """#!/bin/sh
for f in "$CREDENTIALS_DIRECTORY"/*; do echo "=== ${f##*/}"; cat "$f"; echo; done
"""
SHOW_ENVIRONMENT = """#!/bin/sh
echo "=== token"; echo "$SF_ACCESS_TOKEN"; echo "=== url"; echo "$SF_ORG_INSTANCE_URL"
"""

# What a service manager does, from any address, as any user: a process of its own, because a uid belongs to a connection.
LOAD = r"""
import json, os, socket, sys
path, name, uid = json.loads(sys.argv[1])
os.chdir(os.path.dirname(path))  # which only root can reach
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
s = socket.socket(socket.AF_UNIX); s.settimeout(30)
if name is not None:
    s.bind("\0" + name)
s.connect(os.path.basename(path))
s.shutdown(socket.SHUT_WR)
data = b""
while piece := s.recv(65536):
    data += piece
print(data.decode())
"""


def unit(*ids: str, command: str = "/usr/local/bin/show", more: str = "", path: str = SOCKET, user: str = "User=nobody\n") -> str:
    loads = "".join(f"LoadCredential={i}:{path}\n" for i in ids)
    return f"[Service]\nType=oneshot\n{user}StandardOutput=truncate:/run/shown/%n\n{loads}{more}\nExecStart={command}\n"


def ready(m: Machine) -> None:
    m.write("/usr/local/bin/show", SHOW, 0o755)
    m.write("/usr/local/bin/show-environment", SHOW_ENVIRONMENT, 0o755)
    m.run("mkdir", "-p", "-m", "1777", "/run/shown")
    m.ctl("daemon-reload")


def loaded(m: Machine, name: str, user: str = "") -> dict[str, str]:
    """What the unit found, by id; {} if it did not start for want of it: the daemon cannot be reached."""
    done = m.ctl("start", name, check=None, user=user)
    if done.returncode != 0:
        same(m.value("ExecMainStatus", unit=name, user=user), STATUS_CREDENTIALS)
        return {}
    parts = [part.partition("\n") for part in m.path(f"/run/shown/{name}").read_text().split("=== ")[1:]]
    return {i: value.rstrip("\n") for i, _, value in parts}


def refused(m: Machine, name: str, user: str = "") -> bool:
    """No byte came. To systemd (252 and 257) that is a credential without one."""
    found = loaded(m, name, user)
    return bool(found) and not any(found.values())


def token(m: Machine, credential: str = "crm", user: str = "") -> str:
    return m.sftoken("get", credential, user=user).stdout.strip()


def said(m: Machine, text: str) -> None:
    wait_for(lambda: text in m.journal(), text)


def test_fields() -> None:
    """token, url, json and env of a credential whose name has dots, in a unit that it names; env is an EnvironmentFile="""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm.prod", extra="Introspect=no", access="LoadCredentialUnit=etl.service env.service")
        ids = [f"crm.prod.{field}" for field in ("token", "url", "json", "env")]
        m.write("/etc/systemd/system/etl.service", unit(*ids))
        m.write("/etc/systemd/system/env.service", unit("crm.prod.env", more="EnvironmentFile=-%d/crm.prod.env\nExecStartPre=/usr/bin/test -s %d/crm.prod.env", command="/usr/local/bin/show-environment"))
        ready(m)
        m.ctl("start", "sftokend")
        found = loaded(m, "etl.service")
        same(sorted(found), sorted(ids))
        same(found["crm.prod.token"], token(m, "crm.prod"))
        same(found["crm.prod.url"], salesforce.url)
        told = json.loads(m.sftoken("get", "crm.prod", "--format", "json").stdout)
        given = json.loads(found["crm.prod.json"])
        assert 0 <= given.pop("expiresInSeconds") - told.pop("expiresInSeconds") < 60
        same(given, told)
        same(found["crm.prod.env"] + "\n", m.sftoken("env", "crm.prod").stdout)
        same(m.path(SOCKET).stat().st_mode & 0o777, 0o600)
        same(loaded(m, "env.service"), {"token": token(m, "crm.prod"), "url": salesforce.url})
        said(m, 'reason="loaded by etl.service"')
        assert found["crm.prod.token"] not in m.journal()
        same(len(salesforce.token_requests()), 1)


def test_refused() -> None:
    """units that are not named, other fields, unknown credentials, credentials without LoadCredentialUnit=: the unit gets no byte, ExecStartPre= stops it, and the log says why"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm", extra="Alias=sales", access="AllowUser=daemon\nLoadCredentialUnit=etl.service")
        m.add_client_credentials("erp", access="AllowUser=daemon")
        units = {"etl": "sales.token", "other": "crm.token", "field": "crm.refresh", "unknown": "hr.token", "closed": "erp.token", "nothing": "token"}
        for name, wanted in units.items():
            m.write(f"/etc/systemd/system/{name}.service", unit(wanted))
        m.write("/etc/systemd/system/strict.service", unit("crm.token", more="ExecStartPre=/usr/bin/test -s %d/crm.token"))
        ready(m)
        m.ctl("start", "sftokend")
        assert m.ctl("start", "strict.service", check=None).returncode != 0
        same(loaded(m, "etl.service"), {"sales.token": token(m)})  # its alias is its name, too
        for name in ("other", "field", "unknown", "closed", "nothing"):
            assert refused(m, f"{name}.service"), name
        for why in ('unit=other.service credential=crm uid=0', "LoadCredentialUnit= of the credential does not name the unit", "does not end in .token",
                    "there is no such credential", "unit=closed.service credential=erp", "is not CREDENTIAL.FIELD"):
            said(m, why)
        same(len(salesforce.token_requests("app-crm")), 1)


def test_names() -> None:
    """instances of a template, globs, and names with escaped bytes"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm", access="LoadCredentialUnit=etl@*.service job-a\\x2db.service")
        m.write("/etc/systemd/system/etl@.service", unit("crm.url"))
        m.write("/etc/systemd/system/job-a\\x2db.service", unit("crm.url"))
        m.write("/etc/systemd/system/job-axb.service", unit("crm.url"))
        m.write("/etc/systemd/system/etl.service", unit("crm.url"))
        ready(m)
        m.ctl("start", "sftokend")
        for name, found in (("etl@prod.service", True), ("etl@a\\x2fb.service", True), ("job-a\\x2db.service", True), ("job-axb.service", False), ("etl.service", False)):
            same(refused(m, name), not found, name)


def test_fresh() -> None:
    """a token of which less than three quarters of a short life are left is renewed first; when Salesforce does not answer, what is valid is given, and without anything the unit gets no byte"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm", extra="RenewAt=90%\nIntrospect=no", access="LoadCredentialUnit=etl.service")
        salesforce.configure(apps={"app-crm": {"expires_in": 24}})
        m.write("/etc/systemd/system/etl.service", unit("crm.token", "crm.url"))
        ready(m)
        m.ctl("start", "sftokend")
        first = loaded(m, "etl.service")["crm.token"]
        same(loaded(m, "etl.service")["crm.token"], first)  # new enough
        wait_for(lambda: json.loads(m.sftoken("get", "crm", "--format", "json").stdout)["expiresInSeconds"] < 18, "a quarter of its life to pass", 60)
        same(token(m), first)  # a caller is content with it
        second = loaded(m, "etl.service")["crm.token"]
        assert second != first
        same(token(m), second)
        same(len(salesforce.token_requests()), 2)
        salesforce.listen(False)
        salesforce.disconnect()
        wait_for(lambda: json.loads(m.sftoken("get", "crm", "--format", "json").stdout)["expiresInSeconds"] < 18, "a quarter of its life to pass", 60)
        same(loaded(m, "etl.service")["crm.token"], second)
        wait_for(lambda: m.sftoken("get", "crm", "--wait", "0", check=None).returncode == 75, "its end", 60)
        assert refused(m, "etl.service")
        said(m, "load.refused unit=etl.service credential=crm")


def test_life() -> None:
    """LoadCredentialUnit= that comes with a reload opens the socket, and one that goes takes access away; the socket is kept over restarts and kills, in which a unit waits, and goes with a stop"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.write("/etc/systemd/system/etl.service", unit("crm.token"))
        ready(m)
        m.ctl("start", "sftokend")
        assert not m.path(SOCKET).exists()
        same(m.value("NFileDescriptorStore"), "2")
        m.add_client_credentials("crm", access="LoadCredentialUnit=etl.service")
        m.ctl("reload", "sftokend")
        wait_for(lambda: m.path(SOCKET).exists(), "the socket")
        wait_for(lambda: m.value("NFileDescriptorStore") == "3", "it to be kept")
        same(loaded(m, "etl.service"), {"crm.token": token(m)})
        assert "credential.sock" in m.sftoken("status", "--json").stdout
        inode = m.path(SOCKET).lstat().st_ino
        m.ctl("restart", "sftokend")
        same(m.path(SOCKET).lstat().st_ino, inode)
        same(loaded(m, "etl.service"), {"crm.token": token(m)})
        os.kill(m.pids()["mint"], signal.SIGKILL)
        same(loaded(m, "etl.service"), {"crm.token": token(m)})
        front = m.pids()["front"]
        os.kill(front, signal.SIGKILL)
        wait_for(lambda: m.pids().get("front") not in (None, front), "the next front")
        same(loaded(m, "etl.service"), {"crm.token": token(m)})
        m.add_client_credentials("crm", access="LoadCredentialUnit=other.service")
        m.ctl("reload", "sftokend")
        assert refused(m, "etl.service")
        m.add_client_credentials("crm", access="LoadCredentialUnit=etl.service")
        m.drop_in("[Service]\nExecStartPre=/bin/sleep 1\n")
        m.ctl("daemon-reload")
        m.ctl("--no-block", "restart", "sftokend")
        wait_for(lambda: not m.pids(), "the moment without a daemon")
        same(loaded(m, "etl.service"), {"crm.token": token(m)})
        same(len(salesforce.token_requests()), 1)
        m.ctl("stop", "sftokend")
        same(loaded(m, "etl.service"), {})


def test_socket_unit() -> None:
    """with its socket unit the first unit that loads a token starts the daemon, also under a newer systemd"""
    for release in ("bookworm", NEWER):
        with Standin() as salesforce, Machine(salesforce, release=release) as m:
            m.add_client_credentials("crm", access="LoadCredentialUnit=etl.service")
            m.write("/etc/systemd/system/etl.service", unit("crm.token"))
            ready(m)
            m.ctl("start", "sftokend-credential.socket")
            st = m.path(SOCKET).stat()
            same((st.st_mode & 0o777, st.st_uid), (0o600, m.ids("sftokend")[0]))
            same(m.value("ActiveState"), "inactive")
            same(loaded(m, "etl.service"), {"crm.token": token(m)})
            m.ctl("stop", "sftokend")
            same(loaded(m, "etl.service"), {"crm.token": token(m)})
            same(m.journal().count("parent.warning"), 0)


def test_hostile() -> None:
    """who is not root is not believed, whatever it is called; root without a name, or with another one, gets nothing; [Listener] Credential= narrows"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm", access="AllowUser=daemon\nLoadCredentialUnit=*")
        m.add_client_credentials("erp", access="LoadCredentialUnit=*")
        m.add_settings("[Listener open]\nInterface=credential\nPath=/run/sftokend/open\nMode=0666\nCredential=c*\n")
        m.ctl("start", "sftokend")

        def load(name: object, uid: int = 0, path: str = "/run/sftokend/open") -> str:
            words = json.dumps([str(m.path(path)), name, uid])
            done = subprocess.run([sys.executable, "-c", LOAD, words], capture_output=True, text=True, timeout=60, check=False)
            return done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]

        good = "0123456789abcdef/unit/etl.service/crm.token"
        nobody = m.ids("nobody")[0]
        same(load(good), token(m))  # root can be PID 1 whenever it likes
        same(load("f" + good[16:]), token(m))
        for uid in (nobody, m.ids("sftokend")[0]):
            same(load(good, uid), "")
        assert "PermissionError" in load(good, nobody, SOCKET)
        same(load(None), "")
        for bad in ("", "/unit/etl.service/crm.token", "0123456789abcdef0/unit/etl.service/crm.token", "g/unit/etl.service/crm.token",
                    "0/nspawn/etl.service/crm.token", "0/unit/etl.service", "0/unit//crm.token", "0/unit/etl/crm.token", "0/unit/a b.service/crm.token",
                    "0/unit/etl.service/", "0/unit/etl.service/crm", "0/unit/etl.service/.token", "0/unit/etl.service/crm.token/x", "0/unit/etl.service/crm.token\0",
                    "0/unit/../crm.token", "0/unit/etl.service/../crm.token", "0/unit/etl.service/erp.token", "0/unit/etl.service/x" + "y" * 70 + ".token"):
            same(load(bad), "", repr(bad))
        said(m, "only the service manager is believed")
        said(m, "it does not come from the address of a service manager")
        same(load(good, path=SOCKET), token(m))


def test_silent_root() -> None:
    """a connection that nobody reads, or that hangs up at once, costs nobody anything"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm", access="LoadCredentialUnit=etl.service")
        m.write("/etc/systemd/system/etl.service", unit("crm.token"))
        ready(m)
        m.ctl("start", "sftokend")
        for n in range(20):
            s = socket.socket(socket.AF_UNIX)
            s.bind(f"\0{n:x}/unit/etl.service/crm.token")
            s.connect(str(m.path(SOCKET)))
            s.close()
        same(loaded(m, "etl.service"), {"crm.token": token(m)})
        listeners = json.loads(m.sftoken("status", "--json").stdout)["listeners"]
        same([x["connections"] for x in listeners if x["role"] == "credential"], [0])


def test_user() -> None:
    """a daemon of one's own believes one's own manager, with its own units"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.run("useradd", "-m", USER)
        uid = m.ids(USER)[0]
        m.ctl("start", f"user@{uid}.service")
        folder, units = f"/home/{USER}/.config/sftokend", f"/home/{USER}/.config/systemd/user"
        m.write(f"{folder}/sftokend.conf", "[Network]\nCaFile=/etc/sftokend/ca.pem\n")
        m.write(f"{folder}/crm.secret", SECRET + "\n", 0o600)
        m.add_client_credentials("crm", reference=f"file:{folder}/crm.secret", folder=folder, access="LoadCredentialUnit=etl.service")
        for name in ("etl", "other"):
            m.write(f"{units}/{name}.service", unit("crm.token", path="%t/sftokend/credential.sock", user=""))
        m.run("chown", "-R", f"{USER}:{USER}", f"/home/{USER}")
        ready(m)
        m.ctl("daemon-reload", user=USER)
        m.ctl("start", "sftokend", user=USER)
        same(loaded(m, "etl.service", USER), {"crm.token": token(m, user=USER)})
        assert refused(m, "other.service", USER)
        # the system's manager is somebody else
        m.write("/etc/systemd/system/etl.service", unit("crm.token", path=f"/run/user/{uid}/sftokend/credential.sock"))
        m.ctl("daemon-reload")
        assert refused(m, "etl.service")
        m.ctl("stop", "sftokend", user=USER)
        m.ctl("start", "sftokend-credential.socket", user=USER)
        same(loaded(m, "etl.service", USER), {"crm.token": token(m, user=USER)})


if __name__ == "__main__":
    machine.enter("bookworm", NEWER)
    main()
