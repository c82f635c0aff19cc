# SPDX-License-Identifier: Apache-2.0
"""systemd's own Varlink tool talks to both sockets: info, introspect, call, call --more, errors, validate-idl."""

from __future__ import annotations

import json
import subprocess
import sys

from harness import BROKER, MANAGER, TOP, Daemon, Standin, run_tests, same
from trixie import ENVIRONMENT, command, varlinkctl


class Shared:
    daemon: Daemon


def test_version() -> None:
    """It is varlinkctl of systemd 257"""
    assert "systemd 257" in varlinkctl("--version").stdout


def test_info() -> None:
    """info names vendor, product, version and the interfaces of both sockets"""
    for path, interface in ((Shared.daemon.broker_path, BROKER), (Shared.daemon.manager_path, MANAGER)):
        text = varlinkctl("info", path).stdout
        assert "sftokend" in text and interface in text and "org.varlink.service" in text, text


def test_introspect() -> None:
    """introspect shows every interface; what it shows is valid"""
    for path, interfaces in ((Shared.daemon.broker_path, [BROKER, "org.varlink.service"]),
                             (Shared.daemon.manager_path, [MANAGER, "io.systemd.service", "org.varlink.service"])):
        for interface in interfaces:
            text = varlinkctl("introspect", path, interface).stdout
            assert f"interface {interface}" in text and "method " in text, text


def test_call() -> None:
    """call gets a token and the status"""
    token = json.loads(varlinkctl("-j", "call", Shared.daemon.broker_path, BROKER + ".GetToken", '{"credential":"crm"}').stdout)["token"]
    same(token["credential"], "crm")
    status = json.loads(varlinkctl("-j", "call", Shared.daemon.manager_path, MANAGER + ".Status", "{}").stdout)
    same(status["parentPid"], Shared.daemon.pid)


def test_call_more() -> None:
    """call --more goes on until the daemon ends it"""
    result = varlinkctl("-j", "call", "--more", Shared.daemon.broker_path, BROKER + ".GetToken", '{"credential":"crm"}')
    same(len(result.stdout.strip().splitlines()), 1, "replies of a plain method")
    result = varlinkctl("-j", "call", "--more", Shared.daemon.broker_path, BROKER + ".WatchToken", '{"credential":"nobody"}', check=False)
    assert result.returncode != 0 and "NoSuchCredential" in result.stderr, result.stderr


def test_watch() -> None:
    """call --more of WatchToken prints the token, and the next one after a refresh"""
    with subprocess.Popen(command("-j", "call", "--more", Shared.daemon.broker_path, BROKER + ".WatchToken", '{"credential":"crm"}'),
                          stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as watch:
        assert watch.stdout
        first = json.loads(watch.stdout.readline().lstrip("\x1e"))["token"]
        with Shared.daemon.manager() as c:
            generation = c.call(MANAGER + ".Refresh", {"credential": "crm"})["generation"]
        second = json.loads(watch.stdout.readline().lstrip("\x1e"))["token"]
        same(second["generation"], generation)
        assert first["generation"] < generation
        watch.terminate()


def test_errors() -> None:
    """Errors arrive by name"""
    for method, parameters, error in ((".GetToken", '{"credential":"nobody"}', "NoSuchCredential"), (".WatchToken", "{}", "ExpectedMore"),
                                      (".GetToken", '{"x":1}', "InvalidParameter")):
        result = varlinkctl("call", Shared.daemon.broker_path, BROKER + method, parameters, check=False)
        assert result.returncode != 0 and error in result.stderr + result.stdout, (method, result)


def test_descriptions_are_valid() -> None:
    """varlinkctl validate-idl accepts every .varlink file"""
    for path in sorted((TOP / "proto").glob("*.varlink")):
        varlinkctl("validate-idl", str(path))


def run() -> int:
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        Shared.daemon = daemon
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
