#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Secrets that systemd hands over: LoadCredentialEncrypted=, sealed with the host's key."""

from __future__ import annotations

import machine
from harness import SECRET
from machine import Machine
from standin import Standin
from tap import main, same

UNIT = "[Service]\nLoadCredentialEncrypted=crm.secret:/etc/sftokend/crm.cred\nLoadCredentialEncrypted=etl.key:/etc/sftokend/etl.cred\n"
STORE_KEY = "/etc/credstore.encrypted/sftokend.store.key"


def seal(m: Machine, name: str, value: str, path: str) -> None:
    m.run("mkdir", "-p", path.rpartition("/")[0])
    m.run("systemd-creds", "encrypt", "--with-key=host", f"--name={name}", "-", path, stdin=value)


def files_with(m: Machine, text: str) -> list[str]:
    """Files of /etc, /var and /run/sftokend inside that hold it."""
    out = m.run("grep", "-rlF", "--", text, "/etc", "/var", "/run/sftokend", check=None).stdout
    return out.split()


def test_encrypted_secrets() -> None:
    """a client secret and a private key that lie on the disk sealed only; after a reload they are still there"""
    with Standin() as salesforce, Machine(salesforce) as m:
        key = m.add_jwt("etl", reference="credential:etl.key")
        m.add_client_credentials("crm", reference="credential:crm.secret")
        seal(m, "crm.secret", SECRET + "\n", "/etc/sftokend/crm.cred")
        seal(m, "etl.key", key, "/etc/sftokend/etl.cred")
        m.drop_in(UNIT)
        m.ctl("daemon-reload")
        m.ctl("start", "sftokend")
        assert m.sftoken("get", "crm").stdout.strip() and m.sftoken("get", "etl").stdout.strip()
        m.ctl("reload", "sftokend")
        assert m.sftoken("refresh", "crm").returncode == 0
        same(files_with(m, SECRET), [])
        same(files_with(m, key.splitlines()[3]), [])


def test_key_of_the_store() -> None:
    """[Store] Key=credential:sftokend.store.key with nothing but a file in /etc/credstore.encrypted; without it the store is not opened, and left as it is"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.add_settings("[Store]\nKey=credential:sftokend.store.key\n")
        seal(m, "sftokend.store.key", "0123456789abcdef0123456789abcdef", STORE_KEY)
        m.ctl("start", "sftokend")
        m.sftoken("get", "crm")
        assert not m.path("/var/lib/sftokend/store.key").exists()
        m.ctl("restart", "sftokend")
        assert m.sftoken("get", "crm").stdout.strip()
        same(len(salesforce.token_requests()), 1)
        m.ctl("stop", "sftokend")
        before = m.path("/var/lib/sftokend/store").read_bytes()
        m.run("mv", STORE_KEY, "/root/away")
        assert m.ctl("start", "sftokend", check=None).returncode != 0
        same(m.value("ExecMainStatus"), "78")
        same(m.path("/var/lib/sftokend/store").read_bytes(), before)
        m.run("mv", "/root/away", STORE_KEY)
        m.ctl("start", "sftokend")
        assert m.sftoken("get", "crm").stdout.strip()
        same(len(salesforce.token_requests()), 1)


if __name__ == "__main__":
    machine.enter()
    main()
