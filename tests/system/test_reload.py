# SPDX-License-Identifier: Apache-2.0
"""Reload: what changes, what stays, and what a running daemon reads again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from harness import BROKER, MANAGER, SANITIZERS, Connection, Daemon, Standin, VarlinkError, expect, main, same, wait_for

GET = BROKER + ".GetToken"


def reload(daemon: Daemon) -> dict[str, Any]:
    with daemon.manager() as c:
        return c.call(MANAGER + ".Reload")


def names(daemon: Daemon) -> list[str]:
    with daemon.broker() as c:
        return [i["name"] for i in c.call(BROKER + ".ListCredentials")["credentials"]]


def test_added_and_removed() -> None:
    """Credentials come, change and go at a reload; the reply counts and names them; the others keep their tokens"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        for name in ("stays", "changes", "goes"):
            daemon.add_client_credentials(name, extra="Required=yes")
        daemon.start()
        with daemon.broker() as c:
            before = {n: c.get(n)["generation"] for n in ("stays", "changes", "goes")}
        posts = len(salesforce.token_requests())
        daemon.add_client_credentials("comes")
        path = daemon.credentials / "changes.conf"
        path.write_text(path.read_text().replace("[Credential]", "[Credential]\nSessionTimeout=1h"))
        (daemon.credentials / "goes.conf").unlink()
        reply = reload(daemon)
        same({k: reply[k] for k in ("added", "changed", "removed", "addedNames", "changedNames", "removedNames")},
             {"added": 1, "changed": 1, "removed": 1, "addedNames": ["comes"], "changedNames": ["changes"], "removedNames": ["goes"]})
        same(names(daemon), ["changes", "comes", "stays"])
        with daemon.broker() as c:
            for name in ("stays", "changes"):
                same(c.get(name)["generation"], before[name], name)
            same(getattr(expect(VarlinkError, lambda: c.get("goes")), "short", None), "NoSuchCredential")
            assert c.get("comes")["accessToken"]
        same(len(salesforce.token_requests()), posts + 1, "only the new credential asked for a token")
        same({k: reload(daemon)[k] for k in ("added", "changed", "removed")}, {"added": 0, "changed": 0, "removed": 0})


def test_inherits() -> None:
    """A changed credential keeps its token when grant, login URL, client and user are the same, and asks anew when not"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        with daemon.broker() as c:
            first = c.get("crm")
            path = daemon.credentials / "crm.conf"
            salesforce.add_app("app-other", secret="planted-client-secret-7f3a9c", run_as="crm@example.com")
            path.write_text(path.read_text().replace("ClientId=app-crm", "ClientId=app-other"))
            same(reload(daemon)["changed"], 1)
            second = c.get("crm")
            assert second["accessToken"] != first["accessToken"], "the token of another client was kept"
            assert second["generation"] > first["generation"], f"{first['generation']} is followed by {second['generation']}"
            same(len(salesforce.token_requests("app-other")), 1)


def test_rotated_secret() -> None:
    """A secret is read again at a reload, not before: the new one is sent from then on; the token stays"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm", secret="first-secret", extra="Required=yes\nIntrospect=no")
        daemon.start()
        with daemon.broker() as c, daemon.manager() as m:
            generation = c.get("crm")["generation"]
            salesforce.add_app("app-crm", secret="second-secret")
            daemon.write_secret("crm.secret", "second-secret\n")
            error = expect(VarlinkError, lambda: m.call(MANAGER + ".Refresh", {"credential": "crm"}))
            same(getattr(error, "short", None), "Rejected", "the old secret was refused")
            same(c.info("crm")["state"], "suspended")
            same(c.get("crm")["generation"], generation)
            same(reload(daemon)["changed"], 1)
            same(c.get("crm")["generation"], generation)
            new = m.call(MANAGER + ".Refresh", {"credential": "crm"})["generation"]
            same((c.get("crm")["generation"], c.info("crm")["state"]), (new, "valid"))


def test_credentials_directory() -> None:
    """credential:ID is read from $CREDENTIALS_DIRECTORY, through links that stay inside it, and again at a reload"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        folder = daemon.directory / "secrets"
        old, new = folder / "..v1", folder / "..v2"
        for place, value in ((old, "first-secret"), (new, "second-secret")):
            place.mkdir(parents=True)
            (place / "crm.secret").write_text(value + "\n")
            (place / "crm.secret").chmod(0o644)
        (folder / "..data").symlink_to("..v1")
        (folder / "crm.secret").symlink_to("..data/crm.secret")
        daemon.environment["CREDENTIALS_DIRECTORY"] = str(folder)
        daemon.add_client_credentials("crm", extra="Required=yes\nIntrospect=no")
        path = daemon.credentials / "crm.conf"
        path.write_text(path.read_text().replace(f"file:{daemon.directory}/crm.secret", "credential:crm.secret"))
        salesforce.add_app("app-crm", secret="first-secret")
        daemon.start()
        with daemon.broker() as c, daemon.manager() as m:
            assert c.get("crm")["accessToken"]
            salesforce.add_app("app-crm", secret="second-secret")
            (folder / "..data.new").symlink_to("..v2")
            (folder / "..data.new").rename(folder / "..data")
            same(reload(daemon)["changed"], 1)
            assert m.call(MANAGER + ".Refresh", {"credential": "crm"})["generation"]
        outside = daemon.write_secret("outside", "second-secret")
        (folder / "crm.secret").unlink()
        (folder / "crm.secret").symlink_to(outside)
        daemon.cli("reload", "--manager", daemon.manager_path, check=78)


def test_configmap() -> None:
    """A configuration directory as Kubernetes mounts it (links to links) is read, and read again after the swap"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm")
        for version in ("..v1", "..v2"):
            shutil.copytree(daemon.config, daemon.directory / "map" / version)
        first = daemon.directory / "map"
        (first / "..v1/credentials/extra.conf").write_text((first / "..v1/credentials/crm.conf").read_text())
        (first / "..data").symlink_to("..v1")
        for entry in ("sftokend.conf", "credentials"):
            (first / entry).symlink_to(f"..data/{entry}")
        daemon.config = first
        daemon.start()
        same(names(daemon), ["crm", "extra"])
        (first / "..new").symlink_to("..v2")
        (first / "..new").rename(first / "..data")
        same(reload(daemon)["removedNames"], ["extra"])


def test_running_attempts() -> None:
    """Removing a credential whose attempt hangs cancels it and answers who waits; a changed one's waiters go on waiting"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        for name in ("goes", "changes"):
            daemon.add_client_credentials(name)
            salesforce.fault("hang", client_id=f"app-{name}", count=1)
        daemon.start()
        with daemon.broker() as going, daemon.broker() as changing:
            for connection, name in ((going, "goes"), (changing, "changes")):
                connection.send(GET, {"credential": name})
                salesforce.wait_requests(1, client_id=f"app-{name}")
            (daemon.credentials / "goes.conf").unlink()
            path = daemon.credentials / "changes.conf"
            path.write_text(path.read_text().replace("[Credential]", "[Credential]\nSessionTimeout=1h"))
            started = time.monotonic()
            reload(daemon)
            error = expect(VarlinkError, going.receive)
            same((getattr(error, "short", None), getattr(error, "parameters", None)), ("NoSuchCredential", {"credential": "goes"}))
            token = changing.receive()["token"]
            same(token["credential"], "changes")
            assert time.monotonic() - started < 10, "the hanging attempt was waited for"
        wait_for(lambda: salesforce.stats(), "the stand-in answers")
        same(len(salesforce.token_requests("app-goes")), 1)


def test_required() -> None:
    """READY=1 waits for the token of a Required= credential, or for its refusal, and not longer than RequiredWait="""
    with Standin() as salesforce:
        with Daemon(salesforce) as daemon:
            daemon.add_client_credentials("crm", extra="Required=yes")
            salesforce.fault("delay", seconds=2, client_id="app-crm")
            daemon.spawn()
            salesforce.wait_requests(1, client_id="app-crm")
            assert "READY=1" not in daemon.notifications()
            daemon.wait_ready()
            same(salesforce.token_requests("app-crm")[0]["status"], 200)
        with Daemon(salesforce) as daemon:
            daemon.add_client_credentials("bad", extra="Required=yes", app={"force_error": "inactive_user"})
            daemon.start()
        with Daemon(salesforce) as daemon:
            daemon.add_settings("[Limits]\nRequiredWait=1s\n")
            daemon.add_client_credentials("slow", extra="Required=yes")
            salesforce.fault("hang", client_id="app-slow")
            daemon.start()
            assert "slow" in daemon.log() or "Required=" in daemon.log()


def test_two_reloads() -> None:
    """Reloads that come while another is asked for are all answered, and the last configuration counts"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("a")
        daemon.start()
        connections = [Connection(daemon.manager_path) for _ in range(10)]
        for i, connection in enumerate(connections):
            daemon.add_client_credentials(f"b{i}")
            connection.send(MANAGER + ".Reload")
            assert daemon.process
            daemon.process.send_signal(signal.SIGHUP)
        same(sum(connection.receive()["added"] for connection in connections) <= 10, True)
        # the notifications are read, as a service manager does: the parent would wait for room otherwise
        wait_for(lambda: daemon.notifications() and len(names(daemon)) == 11, "all credentials")
        for connection in connections:
            connection.close()


def test_restart_only() -> None:
    """What needs a restart is said in the warnings of the reload and of status, and the rest takes effect"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm")
        salesforce.fault("hang", client_id="app-crm", forever=True)
        daemon.start()
        daemon.add_settings(f"[Daemon]\nUser=daemon\n[Listener jobs]\nInterface=broker\nPath={daemon.runtime}/jobs\n[Limits]\nDefaultWait=1s\n")
        warnings = reload(daemon)["warnings"]
        assert any("User=" in w and "restart" in w for w in warnings), warnings
        assert any("sockets" in w and "restart" in w for w in warnings), warnings
        with daemon.manager() as c:
            assert any("User=" in w for w in c.call(MANAGER + ".Status")["warnings"])
        assert not Path(daemon.runtime / "jobs").exists()
        with daemon.broker() as c:
            same(getattr(expect(VarlinkError, lambda: c.get("crm")), "parameters", {}), {"credential": "crm", "waitSeconds": 1})


def test_pending_restart() -> None:
    """What needs a restart is said at every reload until then, and no longer when it has been taken back"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm")
        daemon.add_settings("")
        daemon.start()
        daemon.add_settings(f"[Listener jobs]\nPath={daemon.runtime}/jobs\n")
        for _ in range(2):
            warnings = reload(daemon)["warnings"]
            assert any("sockets have changed" in w for w in warnings), warnings
        daemon.add_settings("")
        same(reload(daemon)["warnings"], [])


def test_whole_file() -> None:
    """A mistake of a file as a whole, or of a section without the key, has no line 0: in the answer of the reload and in the log it is as --check says it"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm")
        daemon.start()
        daemon.add_settings("[Listener x]\nMode=0666\n")
        done = daemon.cli("reload", check=None)
        assert done.returncode != 0 and ":0:" not in done.stderr + daemon.log(), done.stderr
        assert "Path= is missing" in done.stderr and "107 bytes" not in done.stderr, done.stderr


def test_default_credential_at_reload() -> None:
    """DefaultCredential= and Alias= take effect at a reload; an alias that clashes is a mistake"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("one")
        daemon.add_client_credentials("two")
        daemon.start()
        with daemon.broker() as c:
            same(getattr(expect(VarlinkError, c.get), "parameters", None), {"credential": ""})
            daemon.add_settings("[Daemon]\nDefaultCredential=second\n")
            drop_in = daemon.credentials / "two.conf.d/alias.conf"
            drop_in.parent.mkdir()
            drop_in.write_text("[Credential]\nAlias=second\n")
            reload(daemon)
            same((c.get()["credential"], c.get("second")["credential"]), ("two", "two"))
            drop_in.write_text("[Credential]\nAlias=one\n")
            result = daemon.cli("reload", "--manager", daemon.manager_path, check=78)
            assert "alias.conf" in result.stderr or "one" in result.stderr, result.stderr
            same(c.get("second")["credential"], "two")


def test_full_disk() -> None:
    """A log that cannot be written (a full disk, a closed pipe) stops nothing"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm", extra="Required=yes")
        env = {"PATH": "/usr/bin:/bin", **SANITIZERS}
        reader, writer = os.pipe()
        with open("/dev/full", "wb") as full, os.fdopen(writer, "wb") as closed:
            os.close(reader)
            for stderr in (full, closed):
                process = subprocess.Popen(daemon.arguments(), stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, env=env)
                try:
                    wait_for(lambda: Path(daemon.broker_path).exists(), "the socket")
                    assert daemon.cli("get", "crm").stdout.strip()
                    daemon.cli("reload", "--manager", daemon.manager_path)
                    process.send_signal(signal.SIGUSR1)
                    assert daemon.cli("get", "crm").stdout.strip()
                finally:
                    process.send_signal(signal.SIGTERM)
                    same(process.wait(20), 0)


if __name__ == "__main__":
    main()
