#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Inside a machine, as root: starts daemons for the system ring as units with the sandbox of sftokend.service.

    starter.py SOCKET SYSTEM_TEST...    answers at SOCKET while the test runs as the service user; ends with its exit status

Each unit is the shipped file, line for line, but for what says who lives how long (REPLACED); and a refused system call kills instead of being an error that nobody may notice."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

SHIPPED = Path("/usr/lib/systemd/system/sftokend.service")
UNITS = Path("/run/systemd/system")
# Life and places, which a test decides; everything else of the section stays.
REPLACED = ("Type", "NotifyAccess", "ExecStartPre", "ExecStart", "ExecReload", "Restart", "RestartSec", "RestartPreventExitStatus", "TimeoutStartSec", "WatchdogSec",
            "FileDescriptorStoreMax", "Environment", "User", "Group", "StateDirectory", "StateDirectoryMode", "RuntimeDirectory", "RuntimeDirectoryMode",
            "RuntimeDirectoryPreserve", "LoadCredentialEncrypted", "SystemCallErrorNumber")
ENDED = ("inactive", "failed")
SIGSYS = 31

started, refused = [], []


def systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)


def quoted(word: str) -> str:
    """For ExecStart= and Environment=."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n") + '"'


def user_of(uid: int) -> str:
    """systemd wants a user that is in the table."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        with open("/etc/group", "a", encoding="ascii") as groups, open("/etc/passwd", "a", encoding="ascii") as users:
            groups.write(f"test{uid}:x:{uid}:\n")
            users.write(f"test{uid}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n")
        return f"test{uid}"


def make_group_folders(runtime: Path, uid: int) -> None:
    """What ExecStartPre=systemd-tmpfiles makes for the shipped unit in the runtime directory."""
    gid = pwd.getpwuid(uid).pw_gid
    for group in ("sftoken", "sftokend-admin", grp.getgrgid(gid).gr_name):
        folder = runtime / f".group.{group}"
        if runtime.is_dir() and not folder.exists():
            folder.mkdir(mode=0o700)
            os.chown(folder, uid, grp.getgrnam(group).gr_gid)
            folder.chmod(0o2700)


def unit_text(question: dict[str, Any], uid: int) -> str:
    user = user_of(uid)
    kept, section = [], ""
    for line in SHIPPED.read_text().splitlines():
        section = line if line.startswith("[") else section
        if section == "[Service]" and line.partition("=")[0] not in REPLACED and not line.startswith("#"):
            kept.append(line)
    lines = ["[Unit]", "CollectMode=inactive", *kept, "Type=exec", "Restart=no", f"User={user}", f"Group={grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name}",
             "ExecStart=" + " ".join(quoted(word).replace("$", "$$") for word in question["arguments"]), "StandardInput=null",
             f"StandardOutput=append:{question['log']}", f"StandardError=append:{question['log']}", "SystemCallErrorNumber=",
             *(f"Environment={quoted(f'{name}={value}')}" for name, value in question["environment"].items()), *(f"ReadWritePaths={path}" for path in question["writable"])]
    return "\n".join(lines) + "\n"


def shown(unit: str) -> dict[str, str]:
    out = systemctl("show", unit, "-p", "ActiveState,MainPID,ExecMainPID,ExecMainCode,ExecMainStatus").stdout
    return dict(line.split("=", 1) for line in out.splitlines())


def status_of(unit: str) -> int:
    """Once it has ended, with all of its processes: as Popen says it."""
    while (seen := shown(unit))["ActiveState"] not in ENDED:
        time.sleep(0.01)
    status = int(seen["ExecMainStatus"])
    if seen["ExecMainCode"] in ("2", "3"):
        status = -status
    if status == -SIGSYS:
        refused.append(unit)
    return status


def start(question: dict[str, Any], peer: int) -> dict[str, Any]:
    uid = peer if question["user"] is None else int(question["user"])
    if peer not in (0, uid):
        raise ValueError("only root may start somebody else's")
    unit = f"sftokend-{len(started)}.service"
    started.append(unit)
    (UNITS / unit).write_text(unit_text(question, uid))
    for option, value in zip(question["arguments"], question["arguments"][1:]):
        if option == "--runtime":
            make_group_folders(Path(value), uid)
    done = systemctl("start", unit)
    seen = shown(unit)
    pid, status = int(seen["MainPID"]), None
    if not pid:
        status, pid = status_of(unit), int(seen["ExecMainPID"])
        if done.returncode:
            with open(question["log"], "a", encoding="utf-8") as log:
                log.write(done.stderr + subprocess.run(["journalctl", "-u", unit, "-o", "cat", "--no-pager"], capture_output=True, text=True, check=False).stdout)
    return {"unit": unit, "pid": pid, "status": status}


def answer(connection: socket.socket) -> None:
    peer = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    with connection, connection.makefile("rb") as lines:
        question = json.loads(lines.readline())
        told = start(question, peer) if question["do"] == "start" else {"status": status_of(question["unit"])}
        connection.sendall(json.dumps(told).encode() + b"\n")


def serve(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def end_what_is_left() -> None:
    for unit in started:
        if shown(unit)["ActiveState"] not in ENDED:
            systemctl("kill", "-s", "KILL", unit)
        status_of(unit)


def main() -> int:
    UNITS.mkdir(exist_ok=True)
    path, *test = sys.argv[1:]
    os.chmod(Path(path).parent, 0o1777)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen(64)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    ended = subprocess.run(test, stdin=subprocess.DEVNULL, check=False).returncode
    end_what_is_left()
    print(f"# {len(started)} daemons in the sandbox, {len(refused)} ended by a refused system call", flush=True)
    shutil.rmtree(UNITS, ignore_errors=True)
    return ended or (1 if refused else 0)


if __name__ == "__main__":
    sys.exit(main())
