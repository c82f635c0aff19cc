#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sftoken setup for the system's daemon, as root beside the real unit: what it writes belongs to whom it must, and the confined daemon reads it."""

from __future__ import annotations

import machine
from machine import Machine
from standin import Standin
from tap import main, same

USER = "etl@example.com"
SECRET = "planted-client-secret-7f3a9c"
CERTIFICATE = "/etc/sftokend/keys/prod.crt"


def words(salesforce: Standin, grant: str, *more: str) -> tuple[str, ...]:
    return ("--grant", grant, "--login-url", salesforce.url, "--client-id", "app", *more)


def test_setup() -> None:
    """a stored secret; a key of the service user in /etc/sftokend/keys; a user who may use it, and one who may not"""
    with Standin() as salesforce, Machine(salesforce) as m:
        salesforce.configure(users={USER: {}}, apps={"app": {"secret": SECRET, "run_as": USER}})
        m.ctl("start", "sftokend")
        result = m.sftoken("setup", "crm", *words(salesforce, "client_credentials", "--allow-user", "daemon", "--fd", "0"), stdin=SECRET)
        assert "first token" in result.stdout and SECRET not in result.stdout + result.stderr, result
        prod = ("setup", "prod", *words(salesforce, "jwt_bearer", "--username", USER))
        assert "upload the certificate" in m.sftoken(*prod, "--new-key", check=78).stdout
        salesforce.configure(apps={"app": {"cert_pem": m.path(CERTIFICATE).read_text(), "approved": [USER]}})
        assert "first token" in m.sftoken(*prod, "--private-key", "/etc/sftokend/keys/prod.key", "--force").stdout
        service = m.ids("sftokend")
        for path, mode, owner in (("/etc/sftokend/keys/prod.key", 0o600, service), (CERTIFICATE, 0o644, (0, 0)), ("/etc/sftokend/credentials/prod.conf", 0o644, (0, 0)),
                                  ("/etc/sftokend/credentials/crm.conf", 0o644, (0, 0))):
            st = m.path(path).stat()
            same((st.st_mode & 0o777, st.st_uid, st.st_gid), (mode, *owner), path)
        same(m.sftoken("setup", "more", *words(salesforce, "device"), user="nobody", check=77).stdout, "")
        m.ctl("restart", "sftokend")
        assert m.sftoken("get", "crm").stdout.startswith("00D") and m.sftoken("get", "prod").stdout.startswith("00D")


def test_before_the_daemon() -> None:
    """the secret lies in a file of the service user until the unit is started, which then serves it"""
    with Standin() as salesforce, Machine(salesforce) as m:
        salesforce.configure(users={USER: {}}, apps={"app": {"secret": SECRET, "run_as": USER}})
        result = m.sftoken("setup", "crm", *words(salesforce, "client_credentials", "--fd", "0"), stdin=SECRET, check=69)
        assert "systemctl enable --now sftokend" in result.stderr, result
        st = m.path("/etc/sftokend/secrets/crm.secret").stat()
        same((st.st_mode & 0o777, st.st_uid), (0o600, m.ids("sftokend")[0]))
        m.ctl("start", "sftokend")
        m.sftoken("doctor", "crm")
        assert m.sftoken("get", "crm").stdout.startswith("00D")


if __name__ == "__main__":
    machine.enter()
    main()
