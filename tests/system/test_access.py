# SPDX-License-Identifier: Apache-2.0
"""Who may have a token: users, groups, sockets passed on, listeners of their own. Needs root to be other users."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Optional, Sequence

from harness import BROKER, MANAGER, Daemon, Standin, same, run_tests, wait_for
from privileged import become_root

SERVICE_UID, GROUP = 64001, 64002
OWN, OTHER, MEMBER, PRIMARY, STRANGER = 64011, 64012, 64013, 64014, 64015

# Asks as another user: a process of its own, because a uid belongs to a connection.
ASK = r'''
import json, os, socket, sys
path, method, parameters, uid, gid, groups = json.loads(sys.argv[1])
os.setgroups(groups); os.setresgid(gid, gid, gid); os.setresuid(uid, uid, uid)
s = socket.socket(socket.AF_UNIX); s.settimeout(30)
try:
    s.connect(path)
except PermissionError:
    print('"EACCES"'); sys.exit()
s.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
data = b""
while not data.endswith(b"\0"):
    piece = s.recv(65536)
    if not piece:
        print('"closed"'); sys.exit()
    data += piece
print(data[:-1].decode())
'''


SFTOKEN_PY = Path(__file__).resolve().parents[2] / "client/python/sftoken.py"
# Reads sftoken.py, which another user may not be able to, and says how its get fails.
PYTHON = r'''
import sys, types
module = sys.modules["sftoken"] = types.ModuleType("sftoken")
exec(sys.stdin.read(), module.__dict__)
try:
    module.Client(connect_wait=0).get_token("for-user")
except module.Error as error:
    print(type(error).__name__, error)
'''


class Shared:
    salesforce: Standin
    daemon: Daemon


def ask(uid: int, method: str, parameters: dict[str, Any], path: Optional[str] = None, gid: int = 64999, groups: Sequence[int] = ()) -> Any:
    arguments = json.dumps([path or Shared.daemon.broker_path, method, parameters, uid, gid, list(groups)])
    output = subprocess.run([sys.executable, "-c", ASK, arguments], capture_output=True, text=True, check=True, timeout=60).stdout
    return json.loads(output)


def gets(uid: int, credential: str, **who: Any) -> bool:
    """True: got the token; False: got exactly what one gets for a name that does not exist."""
    reply = ask(uid, BROKER + ".GetToken", {"credential": credential}, **who)
    if "error" not in reply:
        return True
    same(reply, {"error": BROKER + ".NoSuchCredential", "parameters": {"credential": credential}})
    return False


def test_matrix() -> None:
    """Own and other uid, primary and supplementary group, the service user, root"""
    rows = [
        (SERVICE_UID, {}, True, True, True), (0, {}, True, True, True), (OWN, {}, True, False, False), (OTHER, {}, False, False, False),
        (MEMBER, {"groups": [GROUP]}, False, True, False), (MEMBER, {}, False, False, False),
        (PRIMARY, {"gid": GROUP}, False, True, False), (MEMBER, {"groups": list(range(70000, 70200)) + [GROUP]}, False, True, False),
        (65534, {}, False, False, False), (65534, {"groups": [65534]}, False, False, False),
    ]
    for uid, who, user, group, nobody in rows:
        same((gets(uid, "for-user", **who), gets(uid, "for-group", **who), gets(uid, "for-nobody", **who)), (user, group, nobody),
             f"uid {uid} {who}")


def test_root_no() -> None:
    """Root=no: uid 0 gets nothing unless it is named"""
    same(gets(0, "not-root"), False)
    same(gets(OWN, "not-root"), True)
    same(gets(SERVICE_UID, "not-root"), True)


def test_same_answer_everywhere() -> None:
    """Forbidden and unknown are the same answer in every method, alias or name as it was sent"""
    for method, extra in ((".GetToken", {}), (".GetCredential", {}), (".ReportRejected", {"generation": 1})):
        answers = [ask(OTHER, BROKER + method, {"credential": name, **extra}) for name in ("for-user", "user-alias", "no-such-name")]
        for name, answer in zip(("for-user", "user-alias", "no-such-name"), answers):
            same(answer, {"error": BROKER + ".NoSuchCredential", "parameters": {"credential": name}})
    same(ask(OTHER, BROKER + ".ListCredentials", {})["parameters"]["credentials"], [])


def refusals(credential: str, uid: int) -> list[str]:
    """The reasons that the log has for a uid."""
    line = re.compile(rf'call\.refused credential={credential} uid={uid} .*why="([^"]*)"')
    return [m[1] for m in map(line.search, Shared.daemon.log().splitlines()) if m]


def test_refusals_are_told() -> None:
    """Who was refused what by which condition stands in the log, by the credential's own name, once a minute; a name that does not exist does not"""
    asked = 64021  # nobody else in this program
    for name in ("user-alias", "for-user", "no-such-name", "for-user"):
        same(gets(asked, name), False)
    wait_for(lambda: refusals("for-user", asked), "the reason")
    same(refusals("for-user", asked), [f"uid {asked} and its groups are not in AllowUser= or AllowGroup="])
    line = next(text for text in Shared.daemon.log().splitlines() if f"call.refused credential=for-user uid={asked}" in text)
    assert " gid=64999 " in line and re.search(r" pid=[1-9]", line) and " listener=broker " in line, line
    same(gets(asked + 1, "for-user", path=str(Shared.daemon.runtime / "jobs")), False)
    same(gets(SERVICE_UID, "for-user", path=str(Shared.daemon.runtime / "jobs")), False)
    wait_for(lambda: refusals("for-user", SERVICE_UID), "the other reason")
    same(refusals("for-user", SERVICE_UID), ["the listener jobs does not give it"])
    assert "no-such-name" not in Shared.daemon.log()


def test_group_is_named() -> None:
    """Who may not use a socket is told which group it takes, or what else is in the way"""
    daemon = Shared.daemon
    folder = Path(daemon.directory) / "closed"
    folder.mkdir(mode=0o755)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(folder / "socket"))
    file = folder / "file"
    file.write_text("")
    os.chown(folder / "socket", SERVICE_UID, grp.getgrnam("daemon").gr_gid)

    def says(path: Path, mode: int, status: int, text: str) -> None:
        os.chmod(path, mode)
        result = daemon.cli("get", "for-user", user=OTHER, environment={"SFTOKEN_SOCKET": str(path)}, check=status)
        assert text in result.stderr, result.stderr
        environment = {"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": str(path)}
        result = subprocess.run([sys.executable, "-c", PYTHON], env=environment, input=SFTOKEN_PY.read_text(), user=OTHER, group=64999, extra_groups=[],
                                capture_output=True, text=True, check=False, timeout=60)
        assert result.stdout.startswith("Refused" if status == 77 else "Unreachable") and text in result.stdout, result

    says(folder / "socket", 0o660, 77, "put you into the group daemon that owns it")
    says(folder / "socket", 0o600, 77, f"for its owner alone (uid {SERVICE_UID})")
    says(file, 0o600, 69, "is no socket")
    says(file, 0o666, 69, "is no socket")
    os.chown(folder / "socket", 0, 64777)
    says(folder / "socket", 0o660, 77, "the group that owns it (gid 64777)")
    os.chmod(folder, 0o700)
    result = daemon.cli("get", "for-user", user=OTHER, environment={"SFTOKEN_SOCKET": str(folder / "socket")}, check=77)
    assert "a directory on the way to it is closed" in result.stderr, result.stderr


def test_default_credential() -> None:
    """null is the only credential that one may use; with none or several there is none"""
    same([c["name"] for c in ask(OWN, BROKER + ".ListCredentials", {})["parameters"]["credentials"]], ["for-user", "not-root"])
    same(ask(OWN, BROKER + ".GetToken", {})["parameters"], {"credential": ""})
    reply = ask(OTHER, BROKER + ".GetToken", {})
    same(reply, {"error": BROKER + ".NoSuchCredential", "parameters": {"credential": ""}})
    reply = ask(MEMBER, BROKER + ".GetToken", {}, groups=[GROUP])
    same(reply["parameters"]["token"]["credential"], "for-group")


def test_passed_socket() -> None:
    """A socket that was connected by one user and is used by another is refused"""
    path = Shared.daemon.broker_path
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(path)  # as root
    code = ("import os,socket,sys\nos.setgroups([]); os.setresgid(64999,64999,64999); os.setresuid(64012,64012,64012)\n"
            "s=socket.socket(fileno=int(sys.argv[1])); s.settimeout(30)\n"
            "s.sendall(b'{\"method\":\"org.varlink.service.GetInfo\"}\\0')\n"
            "try:\n    data = s.recv(65536)\nexcept ConnectionResetError:\n    data = b''\n"
            "sys.exit(0 if data == b'' else 1)")
    same(subprocess.run([sys.executable, "-c", code, str(s.fileno())], pass_fds=[s.fileno()], check=False, timeout=60).returncode, 0,
         "the passed socket was served")
    s.close()


def test_manager() -> None:
    """The Manager socket: root, the service user and the admin group; others are refused by the file or by the daemon"""
    path = Shared.daemon.manager_path
    assert "parameters" in ask(0, MANAGER + ".Status", {}, path=path)
    assert "parameters" in ask(SERVICE_UID, MANAGER + ".Status", {}, path=path)
    same(ask(OTHER, MANAGER + ".Status", {}, path=path), "EACCES")
    extra = str(Shared.daemon.runtime / "everybody-manager")
    same(ask(OTHER, MANAGER + ".Status", {}, path=extra)["error"], "org.varlink.service.PermissionDenied")
    same(ask(OTHER, MANAGER + ".SetEnabled", {"credential": "for-user", "enabled": False}, path=extra)["error"],
         "org.varlink.service.PermissionDenied")


def test_listener_narrows() -> None:
    """[Listener] Credential= narrows what a socket gives, and never widens [Access]"""
    path = str(Shared.daemon.runtime / "jobs")
    same(gets(0, "for-group", path=path), True)
    same(gets(0, "for-user", path=path), False)
    same(gets(OTHER, "for-group", path=path), False)
    names = [c["name"] for c in ask(0, BROKER + ".ListCredentials", {}, path=path)["parameters"]["credentials"]]
    same(names, ["for-group"])


def test_reload_takes_access_away() -> None:
    """A reload ends the watches and the waiting calls of those who lost access, and serves those who got it"""
    daemon = Shared.daemon
    path = daemon.credentials / "for-user.conf"
    good = path.read_text()
    same(gets(OTHER, "for-user"), False)
    watch = subprocess.Popen([sys.executable, "-c", WATCH, daemon.broker_path, str(OWN), "for-user"], stdout=subprocess.PIPE, text=True)
    assert watch.stdout
    assert "accessToken" in watch.stdout.readline()
    path.write_text(good.replace(f"AllowUser={OWN}", f"AllowUser={OTHER}"))
    daemon.cli("reload", "--manager", daemon.manager_path)
    same(json.loads(watch.stdout.readline()), {"error": BROKER + ".NoSuchCredential", "parameters": {"credential": "for-user"}})
    watch.wait(20)
    watch.stdout.close()
    same((gets(OWN, "for-user"), gets(OTHER, "for-user")), (False, True))
    path.write_text(good)
    daemon.cli("reload", "--manager", daemon.manager_path)
    wait_for(lambda: gets(OWN, "for-user"), "access is back")


WATCH = r'''
import os, socket, sys
os.setgroups([]); os.setresgid(64999, 64999, 64999); uid = int(sys.argv[2]); os.setresuid(uid, uid, uid)
s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect(sys.argv[1])
s.sendall(('{"method":"io.sftoken.Broker.WatchToken","parameters":{"credential":"%s"},"more":true}' % sys.argv[3]).encode() + b"\0")
data = b""
for _ in range(2):
    while b"\0" not in data:
        piece = s.recv(65536)
        if not piece:
            print('"closed"', flush=True); sys.exit()
        data += piece
    message, _, data = data.partition(b"\0")
    print(message.decode(), flush=True)
'''


def test_modes() -> None:
    """Directories and sockets have the modes of the contract"""
    daemon = Shared.daemon
    wanted = {daemon.runtime: 0o755, daemon.state: 0o700, Path(daemon.broker_path): 0o666, Path(daemon.manager_path): 0o600}
    for path, mode in wanted.items():
        same(oct(path.stat().st_mode & 0o777), oct(mode), str(path))
        same(path.stat().st_uid, SERVICE_UID, str(path))


def test_root_start() -> None:
    """Started as root without --user: a missing user is refused with the command that makes it; an existing one is switched to"""
    daemon = Daemon(Shared.salesforce)
    with daemon:
        arguments = [a for a in daemon.arguments() if a != "--user"]
        daemon.add_settings("[Daemon]\nUser=no-such-user-of-sftokend\n")
        result = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=30)
        same(result.returncode, 78)
        assert "useradd" in result.stderr and "no-such-user-of-sftokend" in result.stderr, result.stderr
        nobody = pwd.getpwnam("daemon")
        daemon.add_settings(f"[Daemon]\nUser={nobody.pw_name}\n")
        daemon.spawn(arguments)
        daemon.wait_ready()
        for name in ("mint", "front"):
            text = Path(f"/proc/{daemon.child(name)}/status").read_text()
            same({line.split()[1] for line in text.splitlines() if line.startswith("Uid:")}, {str(nobody.pw_uid)})
        assert grp.getgrgid(nobody.pw_gid)
        assert "sftoken" in daemon.log(), "the missing group of the socket is not said"


def run() -> int:
    become_root()
    with tempfile.TemporaryDirectory() as readable, Standin(readable) as salesforce, Daemon(salesforce, user=SERVICE_UID) as daemon:
        os.chmod(readable, 0o755)
        os.chmod(salesforce.ca, 0o644)
        Shared.salesforce, Shared.daemon = salesforce, daemon
        for path in (daemon.directory, daemon.config, daemon.credentials):
            os.chown(path, SERVICE_UID, SERVICE_UID)
        daemon.add_settings(f"[Listener broker]\nMode=0666\n[Listener jobs]\nInterface=broker\nPath={daemon.runtime}/jobs\nMode=0666\n"
                            f"Credential=for-g*\n[Listener everybody]\nInterface=manager\nPath={daemon.runtime}/everybody-manager\n"
                            "Mode=0666\n")
        daemon.add_client_credentials("for-user", access=f"AllowUser={OWN}", extra="Alias=user-alias\nRequired=yes")
        daemon.add_client_credentials("for-group", access=f"AllowGroup={GROUP}", extra="Required=yes")
        daemon.add_client_credentials("for-nobody", extra="Required=yes")
        daemon.add_client_credentials("not-root", access=f"AllowUser={STRANGER} {OWN}\nRoot=no", extra="Required=yes")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
