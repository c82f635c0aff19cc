# SPDX-License-Identifier: Apache-2.0
"""AllowLogin=: named users and members of named groups may log in one credential, and nothing else. Needs root to be other users."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Sequence

from harness import MANAGER, Daemon, Standin, run_tests, same
from people import USER, CliLogin, add_login, log_in
from privileged import become_root
from rotating import CALM, info

SERVICE_UID, GROUP = 64001, 64002
LOGS_IN, MEMBER, STRANGER = 64021, 64022, 64023

ASK = r'''
import json, os, socket, sys
path, method, parameters, uid, groups, more = json.loads(sys.argv[1])
os.setgroups(groups); os.setresgid(64999, 64999, 64999); os.setresuid(uid, uid, uid)
s = socket.socket(socket.AF_UNIX); s.settimeout(30)
s.connect(path)
s.sendall(json.dumps({"method": method, "parameters": parameters, **({"more": True} if more else {})}).encode() + b"\0")
data = b""
while b"\0" not in data:
    piece = s.recv(65536)
    if not piece:
        print('"closed"'); sys.exit()
    data += piece
print(data.partition(b"\0")[0].decode(), flush=True)
if len(sys.argv) > 2:
    sys.stdin.read()
'''


class Shared:
    salesforce: Standin
    daemon: Daemon
    socket = ""


def ask(uid: int, method: str, parameters: dict[str, Any], groups: Sequence[int] = (), more: bool = False) -> dict[str, Any]:
    """The first reply to a call by that user at the socket that everybody reaches."""
    arguments = json.dumps([Shared.socket, f"{MANAGER}.{method}", parameters, uid, list(groups), more])
    return dict(json.loads(subprocess.run([sys.executable, "-c", ASK, arguments], capture_output=True, text=True, check=True, timeout=60).stdout))


def test_may_log_in() -> None:
    """The user of AllowLogin= logs in with sftoken; who may use the token gets it, he does not"""
    daemon = Shared.daemon
    with CliLogin(daemon, "mine", user=LOGS_IN, manager=Shared.socket) as login:
        assert "You are logged in" in login.finish()
        assert f"logged in as {USER}" in login.end(0)[0]
    same(info(daemon, "mine")["state"], "valid")
    said = daemon.cli("get", "mine", check=66, user=LOGS_IN)
    same(said.stdout, "")
    assert f"uid={LOGS_IN}" in daemon.log()


def test_group() -> None:
    """@group counts by supplementary groups; without it one is a stranger"""
    first = ask(MEMBER, "Login", {"credential": "mine"}, [GROUP], more=True)
    same(first["parameters"]["state"], "pending")
    same(ask(MEMBER, "Login", {"credential": "mine"}, more=True)["error"], "org.varlink.service.PermissionDenied")


def test_other_credentials() -> None:
    """A credential that he may not log in is as one that does not exist; CompleteLogin of a login of somebody else, too"""
    for name in ("others", "absent", "mine2"):
        same(ask(LOGS_IN, "Login", {"credential": name}, more=True), {"error": MANAGER + ".NoSuchCredential", "parameters": {"credential": name}})
    with CliLogin(Shared.daemon, "mine", "--json") as login:  # root's
        login.wait_text('"pending"')
        first = json.loads(login.text.splitlines()[-1])
        url = Shared.salesforce.browse(first["authorizationUrl"], USER)
        answer = ask(LOGS_IN, "CompleteLogin", {"loginId": first["loginId"], "redirectUrl": url})
        same(answer, {"error": MANAGER + ".NoSuchLogin", "parameters": {"loginId": first["loginId"]}})
        same(ask(LOGS_IN, "CompleteLogin", {"loginId": "A" * 22, "redirectUrl": url})["error"], MANAGER + ".NoSuchLogin")
        same(Shared.salesforce.visit(url).status, 200)
        login.end(0)


def test_nothing_else() -> None:
    """Every other method of the Manager: PermissionDenied, for him as for a stranger; a stranger hears that of Login, too"""
    calls = {"Status": {}, "History": {"credential": "mine"}, "Refresh": {"credential": "mine"}, "Revoke": {"credential": "mine", "forgetSecrets": True},
             "Enable": {"credential": "mine"}, "Disable": {"credential": "mine"}, "Reload": {}, "Import": {"credential": "mine", "kind": "refresh_token", "value": "x"},
             "Adopt": {}, "Diagnose": {"credential": "mine"}}
    for method, parameters in calls.items():
        for uid in (LOGS_IN, STRANGER):
            same(ask(uid, method, parameters, more=method == "Diagnose").get("error"), "org.varlink.service.PermissionDenied", f"{method} by {uid}")
    for method, parameters in (("Login", {"credential": "mine"}), ("CompleteLogin", {"loginId": "x", "redirectUrl": "y"})):
        same(ask(STRANGER, method, parameters, more=method == "Login").get("error"), "org.varlink.service.PermissionDenied", method)
    assert Shared.daemon.cli("status", check=0).returncode == 0


def test_withdrawn() -> None:
    """Who is taken out of AllowLogin= cannot finish what he began"""
    daemon = Shared.daemon
    path = daemon.credentials / "mine.conf"
    text = path.read_text()
    with CliLogin(daemon, "mine", user=LOGS_IN, manager=Shared.socket) as login:
        target, url = login.target(), login.browse()
        path.write_text(text.replace(f"AllowLogin={LOGS_IN} @{GROUP}", f"AllowLogin=@{GROUP}"))
        daemon.cli("reload")
        before = len(Shared.salesforce.token_requests("app-mine"))
        try:
            target.get(url.partition("?")[2])
        except OSError:
            pass  # it has ended already
        status = login.process.wait(20)
        assert status != 0
        login.end(status)
    same(len(Shared.salesforce.token_requests("app-mine")), before)
    path.write_text(text)
    daemon.cli("reload")


def test_administrator() -> None:
    """Root and the service user log in whatever they like"""
    log_in(Shared.daemon, "others")
    with CliLogin(Shared.daemon, "others", user=SERVICE_UID, manager=Shared.socket) as login:
        login.finish()
        login.end(0)


def run() -> int:
    become_root()
    with Standin(max_grants=0, rotation=True) as salesforce, Daemon(salesforce, user=SERVICE_UID) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        Shared.socket = f"{daemon.runtime}/everybody-manager"
        for path in (daemon.directory, daemon.config, daemon.credentials):
            os.chown(path, SERVICE_UID, SERVICE_UID)
        daemon.add_settings(f"[Limits]\n{CALM}[Listener broker]\nMode=0666\n[Listener everybody]\nInterface=manager\nPath={Shared.socket}\nMode=0666\n")
        add_login(daemon, salesforce, "mine", access=f"AllowLogin={LOGS_IN} @{GROUP}")
        add_login(daemon, salesforce, "mine2", access=f"AllowLogin={STRANGER + 1}\nAllowUser={LOGS_IN}")
        add_login(daemon, salesforce, "others")
        os.chown(daemon.directory / "secret", SERVICE_UID, -1)
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
