# SPDX-License-Identifier: Apache-2.0
"""Somebody else's client, varlinkctl of systemd 257, talks to both sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from harness import BROKER, MANAGER, SERVICE, TOP, Daemon, Standin, run_tests, same
from varlinkctl import command, varlinkctl


class Shared:
    salesforce: Standin
    daemon: Daemon


def good(*arguments: str, stdin: str = "") -> str:
    result = varlinkctl(*arguments, stdin=stdin)
    same((result.returncode, result.stderr), (0, ""), " ".join(arguments))
    return result.stdout


def call(path: str, method: str, parameters: Any) -> Any:
    return json.loads(good("call", "--json=short", path, method, json.dumps(parameters)))


def test_version() -> None:
    """It is version 257 or later"""
    version = int(good("--version").split()[1])
    assert version >= 257, version


def test_info() -> None:
    """info: vendor, product, version and the interfaces of both sockets"""
    daemon = Shared.daemon
    for path, interfaces in ((daemon.broker_path, {BROKER, SERVICE}), (daemon.manager_path, {MANAGER, SERVICE, "io.systemd.service"})):
        reply = json.loads(good("info", "--json=short", path))
        same(set(reply["interfaces"]), interfaces, path)
        assert "sftokend" in reply["product"] and reply["version"] in subprocess.run(
            [str(daemon.program), "--version"], capture_output=True, text=True, check=True).stdout
        for name in interfaces:
            assert name in good("info", path)
        same(set(good("list-interfaces", path).split()), interfaces)


def test_introspect() -> None:
    """introspect: it can read the interface that is served, which is the file of the source; list-methods names them all"""
    for path, name in ((Shared.daemon.broker_path, BROKER), (Shared.daemon.manager_path, MANAGER)):
        text = good("introspect", path, name)
        served = call(path, SERVICE + ".GetInterfaceDescription", {"interface": name})["description"]
        same(served.strip(), (TOP / f"proto/{name}.varlink").read_text().strip())
        methods = {line.split()[1].split("(")[0] for line in served.splitlines() if line.startswith("method ")}
        assert methods and all(f"method {m}" in text for m in methods), text
        same({m.rpartition(".")[2] for m in good("list-methods", path, name).split()}, methods)


def test_validate() -> None:
    """validate-idl: both interface files are sound; a type that is not there is found (so that it can fail)"""
    for name in (BROKER, MANAGER):
        good("validate-idl", str(TOP / f"proto/{name}.varlink"))
    broken = (TOP / f"proto/{BROKER}.varlink").read_text().replace("type Token (", "type Taken (")
    assert varlinkctl("validate-idl", stdin=broken).returncode != 0


def test_call() -> None:
    """call: a token, a credential, the status; without and with parameters"""
    daemon = Shared.daemon
    token = call(daemon.broker_path, BROKER + ".GetToken", {"credential": "crm"})["token"]
    assert Shared.salesforce.is_live(token["accessToken"])
    same(call(daemon.broker_path, BROKER + ".GetToken", {})["token"]["generation"], token["generation"])
    same(call(daemon.broker_path, BROKER + ".GetCredential", {"credential": "crm"})["credential"]["state"], "valid")
    same(call(daemon.broker_path, BROKER + ".ReportRejected", {"credential": "crm", "generation": 1})["accepted"], False)
    assert call(daemon.manager_path, MANAGER + ".Status", {})["ready"] is True
    assert call(daemon.manager_path, MANAGER + ".Refresh", {"credential": "crm"})["generation"] > token["generation"]
    newest = call(daemon.manager_path, MANAGER + ".History", {"credential": "crm"})["attempts"][0]
    same((newest["kind"], newest["httpStatus"]), ("demanded", 200))
    same(call(daemon.manager_path, MANAGER + ".Adopt", {}), {})
    same(call(daemon.manager_path, "io.systemd.service.Ping", {}), {})
    same(call(daemon.manager_path, "io.systemd.service.SetLogLevel", {"level": 7}), {})


def test_errors() -> None:
    """call: errors have their names and parameters"""
    broker, manager = Shared.daemon.broker_path, Shared.daemon.manager_path
    wrong = {"credential": "crm", "kind": "client_secret", "value": "canary"}
    for method, parameters, words in ((BROKER + ".GetToken", {"credential": "nobody"}, (BROKER + ".NoSuchCredential", "nobody")),
                                      (BROKER + ".GetToken", {"credential": 7}, (SERVICE + ".InvalidParameter", "credential")),
                                      (BROKER + ".NoSuchMethod", {}, (SERVICE + ".MethodNotFound",)),
                                      (BROKER + ".WatchToken", {}, (SERVICE + ".ExpectedMore",)),
                                      (MANAGER + ".ImportSecret", wrong, (SERVICE + ".InvalidParameter", "kind")),
                                      (MANAGER + ".ImportSecret", {**wrong, "kind": "x"}, (SERVICE + ".InvalidParameter", "kind")),
                                      (MANAGER + ".Revoke", {"credential": "nobody", "forgetSecrets": True}, (MANAGER + ".NoSuchCredential",)),
                                      (MANAGER + ".Metrics", {"after": "nowhere"}, (SERVICE + ".InvalidParameter", "after"))):
        path = broker if method.startswith(BROKER) else manager
        result = varlinkctl("call", "--json=short", path, method, json.dumps(parameters))
        assert result.returncode != 0, method
        for word in words:
            assert word in result.stderr + result.stdout, f"{method}: {result}"


def test_more() -> None:
    """call --more: a watch gives the token, and the next one when there is one; events of the Manager, too"""
    daemon = Shared.daemon
    for path, method, parameters in ((daemon.broker_path, BROKER + ".WatchToken", {"credential": "crm"}),
                                     (daemon.manager_path, MANAGER + ".WatchEvents", {})):
        full = command(["call", "--more", "--json=short", path, method, json.dumps(parameters)])
        with subprocess.Popen(full, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1) as process:
            assert process.stdout
            if method.endswith("WatchToken"):
                first = json.loads(read_object(process))["token"]
                generation = call(daemon.manager_path, MANAGER + ".Refresh", {"credential": "crm"})["generation"]
                second = json.loads(read_object(process))["token"]
                assert first["generation"] < generation == second["generation"]
            else:
                wait_for_watcher(daemon)
                event = json.loads(read_object(process))
                assert event["event"] and event["time"], event
            process.kill()
            process.communicate()


def read_object(process: subprocess.Popen[str]) -> str:
    """The next JSON object of its output, without the RFC 7464 separator that systemd puts before each."""
    assert process.stdout
    line = ""
    while not line.strip("\x1e\n "):
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"varlinkctl ended: {process.communicate()}")
    return line.strip("\x1e\n ")


def wait_for_watcher(daemon: Daemon) -> None:
    """Makes events until the watcher has had the time to connect: its first line ends the wait of the reader."""
    for _ in range(20):
        call(daemon.manager_path, MANAGER + ".Refresh", {"credential": "crm"})


def run() -> int:
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings("[Limits]\nMaxRequestsPerHour=100000\n")
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
