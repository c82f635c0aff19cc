# SPDX-License-Identifier: Apache-2.0
"""The credential socket without systemd: what its manager does (connects from an abstract address, reads to the end), done by ourselves. And AllowUnit= and AllowExecutable=, of which this process is in no unit."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Optional

from harness import MANAGER, Daemon, Standin, mode, run_tests, same, wait_for
from tap import expect
from varlink import VarlinkError

ASK = r"""
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
call = b'{"method":"io.sftoken.Broker.GetToken","parameters":{"credential":"crm"}}\0'
if len(sys.argv) > 2 and os.fork() == 0:
    s.send(call)  # the connection is its parent's
    print(s.recv(65536)[:-1].decode()); sys.stdout.flush(); os._exit(0)
if len(sys.argv) > 2:
    os.wait(); sys.exit()
s.send(call)
print(s.recv(65536)[:-1].decode())
"""


class Shared:
    salesforce: Standin


def proves() -> bool:
    """This kernel has SO_PEERPIDFD."""
    a, b = socket.socketpair()
    with a, b:
        try:
            os.close(int.from_bytes(a.getsockopt(socket.SOL_SOCKET, 77, 4), sys.byteorder))
        except OSError:
            return False
    return True


def load(daemon: Daemon, name: Optional[str]) -> str:
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        if name is not None:
            s.bind("\0" + name)
        s.connect(str(daemon.runtime / "credential.sock"))
        s.shutdown(socket.SHUT_WR)
        data = b""
        while piece := s.recv(65536):
            data += piece
        return data.decode()


def test_fields() -> None:
    """Each field of the unit that is named; nothing for others, from other addresses, and for what is not there; counted, and in the log with the reason"""
    with Daemon(Shared.salesforce) as daemon:
        daemon.add_client_credentials("crm", access="LoadCredentialUnit=etl@*.service")
        daemon.add_client_credentials("erp")
        daemon.start()
        same(mode(daemon.runtime / "credential.sock"), 0o600)
        head = "1f/unit/etl@a.service/"
        token = daemon.cli("get", "crm").stdout.strip()
        same(load(daemon, head + "crm.token"), token)
        same(load(daemon, head + "crm.url"), Shared.salesforce.url)
        same(load(daemon, head + "crm.env"), daemon.cli("env", "crm").stdout)
        same(json.loads(load(daemon, head + "crm.json"))["accessToken"], token)
        bad = [head + "crm", head + "crm.id", head + "erp.token", head + "no.token", "1f/unit/etl.service/crm.token", "crm.token", None]
        for name in bad:
            same(load(daemon, name), "", str(name))
        with daemon.manager() as c:
            status = c.call(MANAGER + ".Status")
        same([x["role"] for x in status["listeners"]], ["broker", "manager", "credential"])
        log = str(wait_for(lambda: daemon.log() if daemon.log().count("load.refused") == len(bad) else "", "the reasons"))
        assert token not in log and 'why="LoadCredentialUnit= of the credential does not name the unit"' in log


def test_waiting() -> None:
    """It waits for the first token; one that Salesforce does not give ends without a byte; a mint that dies meanwhile is waited for"""
    with Daemon(Shared.salesforce) as daemon:
        daemon.add_client_credentials("crm", access="LoadCredentialUnit=etl.service")
        daemon.add_client_credentials("bad", access="LoadCredentialUnit=etl.service", app={"secret": "another"})
        Shared.salesforce.fault("delay", client_id="app-crm", seconds=1)
        daemon.start()
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(load(daemon, "1/unit/etl.service/crm.token")))
        thread.start()
        wait_for(lambda: "to=minting" in daemon.log(), "the request")
        daemon.kill("mint")
        thread.join(60)
        same(found, [daemon.cli("get", "crm").stdout.strip()])
        same(load(daemon, "1/unit/etl.service/bad.token"), "")
        wait_for(lambda: "load.refused unit=etl.service credential=bad" in daemon.log(), "the reason")


def test_reload() -> None:
    """The socket comes with the first LoadCredentialUnit=, by a reload; without the key, or with Disabled=, there is none"""
    with Daemon(Shared.salesforce) as daemon:
        daemon.add_client_credentials("crm")
        daemon.start()
        path = daemon.runtime / "credential.sock"
        assert not path.exists()
        daemon.add_client_credentials("crm", access="LoadCredentialUnit=etl.service")
        daemon.cli("reload", environment={"SFTOKEN_MANAGER": daemon.manager_path})
        wait_for(path.exists, "the socket")
        assert load(daemon, "1/unit/etl.service/crm.token").startswith("00D")
        daemon.kill("front")
        wait_for(lambda: daemon.child("front"), "the next front")
        assert load(daemon, "1/unit/etl.service/crm.token").startswith("00D")
    with Daemon(Shared.salesforce) as daemon:
        daemon.add_client_credentials("crm", access="LoadCredentialUnit=etl.service")
        daemon.add_settings("[Listener credential]\nDisabled=yes\n")
        daemon.start()
        assert daemon.cli("get", "crm").stdout.startswith("00D")
        assert not (daemon.runtime / "credential.sock").exists()
        wait_for(lambda: "reach no socket" in daemon.log(), "the warning")


def ask(daemon: Daemon, program: str = sys.executable, *words: str) -> str:
    done = subprocess.run([program, "-c", ASK, daemon.broker_path, *words], capture_output=True, text=True, timeout=60, check=True)
    return "token" if "accessToken" in done.stdout else json.loads(done.stdout)["error"].rpartition(".")[2]


def test_programs() -> None:
    """The program that is named, and no copy of it, no child on its connection, and no one in a unit that it is not in; a kernel that proves nothing refuses the configuration"""
    python = os.path.realpath(sys.executable)
    with Daemon(Shared.salesforce) as daemon:
        daemon.add_client_credentials("crm", access=f"AllowExecutable={python}")
        if not proves():
            process = daemon.spawn()
            same(process.wait(60), 78)
            assert "SO_PEERPIDFD" in daemon.log()
            return
        daemon.start()
        same(ask(daemon, python), "token")
        same(ask(daemon, python, "by-a-child"), "NoSuchCredential")
        copy = Path(daemon.directory) / "copy"
        shutil.copy(python, copy)
        same(ask(daemon, str(copy)), "NoSuchCredential")
        wait_for(lambda: 'why="its program is not in AllowExecutable=, or cannot be proved to be"' in daemon.log(), "the reason")
        same(daemon.cli("get", "crm", check=66).stdout, "")
        with daemon.broker() as c:
            assert c.get("crm")["accessToken"] and c.get("crm")["accessToken"]
            daemon.add_client_credentials("crm", access=f"AllowExecutable={python}\nAllowUnit=no-such.service")
            daemon.cli("reload", environment={"SFTOKEN_MANAGER": daemon.manager_path})
            refused = expect(VarlinkError, lambda: c.get("crm"))
            assert "NoSuchCredential" in str(refused), refused
        same(ask(daemon, python), "NoSuchCredential")
        wait_for(lambda: re.search(r'call\.refused credential=crm .*why="[^"]* AllowUnit=', daemon.log()), "the other reason")


if __name__ == "__main__":
    with Standin() as standin:
        Shared.salesforce = standin
        sys.exit(1 if run_tests() else 0)
