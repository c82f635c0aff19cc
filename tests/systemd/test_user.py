#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A daemon of one's own: the units of systemd --user."""

from __future__ import annotations

import os
from pathlib import Path

import machine
from harness import SECRET
from machine import Machine
from standin import Standin
from tap import main, same, wait_for

USER = "alice"


def log_in(m: Machine) -> Path:
    """alice with a manager of her own and a configuration in her home; her runtime directory."""
    m.run("useradd", "-m", USER)
    uid, gid = m.ids(USER)
    m.ctl("start", f"user@{uid}.service")
    assert m.salesforce is not None
    folder = f"/home/{USER}/.config/sftokend"
    m.write(f"{folder}/ca.pem", Path(m.salesforce.ca).read_text())
    m.write(f"{folder}/sftokend.conf", f"[Network]\nCaFile={folder}/ca.pem\n")
    m.write(f"{folder}/crm.secret", SECRET + "\n", 0o600)
    m.add_client_credentials("crm", reference=f"file:{folder}/crm.secret", folder=folder)
    m.run("chown", "-R", f"{USER}:{USER}", f"/home/{USER}")
    return m.path(f"/run/user/{uid}")


def test_service() -> None:
    """systemctl --user start: sockets that only she can open, state in her home, tokens kept over a restart of the unit"""
    with Standin() as salesforce, Machine(salesforce) as m:
        runtime = log_in(m)
        m.ctl("start", "sftokend", user=USER)
        assert m.sftoken("get", "crm", user=USER).stdout.strip()
        # the groups of the system's daemon are there, and mean nothing for hers
        for name in ("io.sftoken.Broker", "io.sftoken.Manager"):
            seen = (runtime / "sftokend" / name).stat()
            same((seen.st_mode & 0o777, seen.st_gid), (0o600, m.ids(USER)[1]), name)
        assert "cannot be given" not in m.sftoken("status", user=USER).stdout
        assert m.path(f"/home/{USER}/.local/state/sftokend/store").exists()
        shown = m.show("NFileDescriptorStore", "StatusText", user=USER)
        same(shown["NFileDescriptorStore"], "2")
        assert shown["StatusText"].startswith("1 credential,"), shown
        before = os.lstat(runtime / "sftokend/io.sftoken.Broker").st_ino
        m.ctl("restart", "sftokend", user=USER)
        same(os.lstat(runtime / "sftokend/io.sftoken.Broker").st_ino, before)
        assert m.sftoken("get", "crm", user=USER).stdout.strip()
        same(len(salesforce.token_requests()), 1)
        m.ctl("reload", "sftokend", user=USER)
        m.ctl("stop", "sftokend", user=USER)
        same(m.show("Result", user=USER)["Result"], "success")


def test_activation() -> None:
    """her first caller starts it"""
    with Standin() as salesforce, Machine(salesforce) as m:
        log_in(m)
        m.ctl("start", "sftokend.socket", "sftokend-manager.socket", user=USER)
        assert m.sftoken("get", "crm", user=USER).stdout.strip()
        assert m.sftoken("status", user=USER).stdout.strip()
        wait_for(lambda: m.value("ActiveState", user=USER) == "active", "a running daemon")
        same(m.value("NFileDescriptorStore", user=USER), "0")


if __name__ == "__main__":
    machine.enter()
    main()
