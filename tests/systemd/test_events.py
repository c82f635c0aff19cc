#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OnEvent=: the real systemd starts the unit once for each change, lets nobody start more than that, and what it refuses is said in one line; the examples."""

from __future__ import annotations

import json
import os

import machine
from machine import Machine
from standin import Standin
from tap import main, same, wait_for
from test_user import USER, log_in

TOLD = "/var/lib/told"
EXAMPLES = "/usr/share/doc/sftokend/examples"
PLACE = "/etc/systemd/system"
UNIT = f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo \"%i|%I\" >>{TOLD}'\n"
TELLING = {f"{PLACE}/sftoken-tell@.service": UNIT}
ON_EVENT = "[Daemon]\nOnEvent=sftoken-tell@.service\n"


def told(m: Machine, path: str = TOLD) -> list[str]:
    where = m.path(path)
    return where.read_text().splitlines() if where.exists() else []


def add_person(m: Machine, name: str) -> None:
    """A credential whose refresh token is imported."""
    m.add_client_credentials(name)
    assert m.salesforce is not None
    m.write(f"/etc/sftokend/credentials/{name}.conf", f"[Credential]\nGrantType=refresh_token\nLoginUrl={m.salesforce.url}\nClientId=app-{name}\n"
            f"ClientSecret=file:/etc/sftokend/keys/{name}.secret\n")


def give(m: Machine, name: str) -> None:
    assert m.salesforce is not None
    grant = m.salesforce.new_grant(f"{name}@example.com", f"app-{name}", True)
    m.sftoken("import", name, "--kind", "refresh_token", stdin=str(grant["refresh_token"]))
    # "get" may give the token from before, while the new refresh token is on its way
    wait_for(lambda: {c["name"]: c["state"] for c in json.loads(m.sftoken("list", "--json").stdout)["credentials"]}[name] == "valid", "a token by the new one")


def revoke(m: Machine, name: str) -> None:
    """In Salesforce; and the daemon notices."""
    assert m.salesforce is not None
    m.salesforce.revoke_grant(client_id=f"app-{name}")
    m.sftoken("refresh", name, check=None)


def failures(m: Machine) -> list[str]:
    return [line for line in m.journal().splitlines() if "event.failed" in line]


def warnings(m: Machine) -> str:
    return m.sftoken("status").stdout


def test_login_required() -> None:
    """a revoked refresh token starts the unit once, with the escaped name: not at the next try, nor after a reload or a restart; but again when it happens again"""
    with Standin() as salesforce, Machine(salesforce, files=TELLING) as m:
        add_person(m, "crm-eu@x")
        m.add_settings(ON_EVENT)
        m.ctl("start", "sftokend")
        line = r"login_required:crm\x2deu\x40x|login_required:crm-eu@x"
        wait_for(lambda: told(m) == [line], "the first: nobody has logged in yet")
        give(m, "crm-eu@x")
        revoke(m, "crm-eu@x")
        wait_for(lambda: told(m) == [line] * 2, "the second")
        m.sftoken("refresh", "crm-eu@x", check=None)
        m.ctl("reload", "sftokend")
        m.ctl("restart", "sftokend")
        m.sftoken("refresh", "crm-eu@x", check=None)
        give(m, "crm-eu@x")  # as an order of events: what was told before is told by now
        revoke(m, "crm-eu@x")
        wait_for(lambda: len(told(m)) > 2, "the third")
        same(told(m), [line] * 3)
        same((failures(m), "OnEvent" in warnings(m)), ([], False))


def test_store() -> None:
    """a store that cannot be written is told, and that it can again"""
    small = f"mount -t tmpfs -o size=64k,mode=700,uid=$(id -u sftokend),gid=$(id -g sftokend) tmpfs /var/lib/sftokend"
    with Standin() as salesforce, Machine(salesforce, files=TELLING) as m:
        m.add_client_credentials("crm")
        m.add_settings(ON_EVENT)
        m.run("sh", "-c", f"mkdir -p /var/lib/sftokend && {small}")
        m.ctl("start", "sftokend")
        wait_for(lambda: told(m) == ["store_readonly:store|store_readonly:store"], "the bad news")
        m.run("mount", "-o", "remount,size=16m", "/var/lib/sftokend")
        wait_for(lambda: told(m)[1:] == ["store_ok:store|store_ok:store"], "the good news")


def test_certificate() -> None:
    """a certificate that ends in 3 days is told once, restart or not; one of another key is a warning of --check"""
    with Standin() as salesforce, Machine(salesforce, files=TELLING) as m:
        key = m.add_jwt("etl", reference="file:/etc/sftokend/keys/etl.key")
        m.write("/etc/sftokend/keys/etl.key", key, 0o600, "sftokend")
        make = "openssl req -x509 -new -key /etc/sftokend/keys/{}.key -days 3 -subj /CN=etl -out /etc/sftokend/{}.pem"
        m.run("openssl", "genrsa", "-out", "/etc/sftokend/keys/other.key", "2048")
        m.run("sh", "-c", make.format("etl", "etl"))
        m.run("sh", "-c", make.format("other", "other"))
        conf = "/etc/sftokend/credentials/etl.conf"
        text = m.path(conf).read_text()
        m.write(conf, text + "Certificate=file:/etc/sftokend/other.pem\n")
        done = m.run("sftokend", "--check", check=None)
        assert done.returncode == 0 and "etl.conf:7: warning: Certificate=: the certificate does not belong to PrivateKey=" in done.stderr, done
        m.write(conf, text + "Certificate=file:/etc/sftokend/etl.pem\n")
        m.add_settings(ON_EVENT)
        m.ctl("start", "sftokend")
        wait_for(lambda: told(m), "the notice")
        m.ctl("restart", "sftokend")
        m.write("/etc/sftokend/sftokend.conf.d/test.conf", ON_EVENT)
        m.ctl("reload", "sftokend")
        add_person(m, "later")
        m.ctl("reload", "sftokend")
        wait_for(lambda: len(told(m)) > 1, "what came after it")
        same(told(m), ["ends_in_7_days:etl|ends_in_7_days:etl", "login_required:later|login_required:later"])


def test_no_unit() -> None:
    """a unit that is not there is one line that says so and a warning of status; a reload with the right one tells what could not be told"""
    with Standin() as salesforce, Machine(salesforce, files=TELLING) as m:
        add_person(m, "crm")
        m.add_settings("[Daemon]\nOnEvent=sftoken-none@\n")
        m.ctl("start", "sftokend")
        wait_for(lambda: failures(m), "the line")
        assert "template unit sftoken-none@.service" in failures(m)[0], failures(m)
        wait_for(lambda: "OnEvent=sftoken-none@: systemd says" in warnings(m), "the warning")
        m.add_settings("[Daemon]\nOnEvent=/bin/true\n")
        assert m.ctl("reload", "sftokend", check=None).returncode != 0
        assert "OnEvent=/bin/true is not a template unit" in m.journal()
        m.add_settings(ON_EVENT)
        m.ctl("reload", "sftokend")
        wait_for(lambda: told(m), "what could not be told")
        wait_for(lambda: "OnEvent" not in warnings(m), "no warning")
        same(len(failures(m)), 1)


def test_looked_for() -> None:
    """a unit that is not there is a warning at the start and at a reload, before anything has happened; one that is masked, too"""
    with Standin() as salesforce, Machine(salesforce, files=TELLING) as m:
        m.add_client_credentials("crm")
        m.add_settings("[Daemon]\nOnEvent=sftoken-none@\n")
        m.ctl("start", "sftokend")
        wait_for(lambda: "OnEvent=sftoken-none@: systemd says" in warnings(m), "the warning")
        m.add_settings(ON_EVENT)
        m.ctl("reload", "sftokend")
        wait_for(lambda: "OnEvent" not in warnings(m), "no warning")
        m.path(f"{PLACE}/sftoken-tell@.service").unlink()
        m.ctl("mask", "sftoken-tell@.service")
        m.ctl("reload", "sftokend")
        wait_for(lambda: 'systemd says "the unit is masked": OnEvent= needs the template unit sftoken-tell@.service' in warnings(m), "the other warning")
        lines = [line for line in m.journal().splitlines() if "parent.warning" in line]
        same((len(lines), failures(m)), (2, []))
        assert "sftoken-none@" in lines[0] and "sftoken-tell@" in lines[1], lines


def test_no_permission() -> None:
    """without polkit one line says what is missing; with it the service user may start units of that name, and nothing else"""
    polkit = "/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service"
    with Standin() as salesforce, Machine(salesforce, files={**TELLING, f"{PLACE}/tell@.service": UNIT}) as m:
        m.path(polkit).rename(m.path(polkit + ".away"))
        m.run("busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ReloadConfig")
        add_person(m, "crm")
        m.add_settings(ON_EVENT)
        m.ctl("start", "sftokend")
        wait_for(lambda: failures(m), "the line")
        assert "install polkitd" in failures(m)[0] and told(m) == [], failures(m)
        m.path(polkit + ".away").rename(m.path(polkit))
        m.run("busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ReloadConfig")
        m.ctl("reload", "sftokend")
        wait_for(lambda: told(m), "the permission")
        same(len(failures(m)), 1)
        ask = ["runuser", "-u", "sftokend", "--", "busctl", "call", "--system", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
               "org.freedesktop.systemd1.Manager"]
        for verb, unit, fine in (("StartUnit", "sftoken-tell@suspended:b.service", True), ("StartUnit", "tell@suspended:b.service", False),
                                 ("StartUnit", "sftoken-tell@other:b.service", False), ("StartUnit", "dbus.service", False),
                                 ("StopUnit", "sftoken-tell@suspended:b.service", False), ("RestartUnit", "sftoken-tell@suspended:b.service", False)):
            done = m.run(*ask, verb, "ss", unit, "replace", check=None)
            same(done.returncode == 0, fine, f"{verb} {unit}: {done.stderr}")
        others = [*ask[:2], "www-data", *ask[3:]]
        same(m.run(*others, "StartUnit", "ss", "sftoken-tell@suspended:b.service", "replace", check=None).returncode == 0, False)


def test_bus_that_hangs() -> None:
    """while nobody answers on the bus the parent goes on with its work: status and restarts come at once; what happened is told when the bus is back"""
    with Standin() as salesforce, Machine(salesforce, files=TELLING) as m:
        m.add_client_credentials("etl")
        add_person(m, "crm")
        m.ctl("start", "sftokend")
        m.sftoken("get", "etl")
        m.ctl("kill", "-s", "STOP", "dbus.service")
        m.add_settings(ON_EVENT)
        m.ctl("reload", "sftokend")
        front = m.pids()["front"]
        os.kill(front, 9)
        wait_for(lambda: m.pids().get("front", front) != front, "another front", 5.0)
        m.sftoken("get", "etl", "--wait", "5")
        same((told(m), failures(m)), ([], []))
        m.ctl("kill", "-s", "CONT", "dbus.service")
        wait_for(lambda: told(m), "the unit")
        same((len(told(m)), failures(m)), (1, []))


def test_user() -> None:
    """the daemon of a user asks that user's manager: no bus and no polkit are needed"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.path(f"{PLACE}/polkit.service").symlink_to("/dev/null")
        log_in(m)
        m.ctl("mask", "--now", "dbus.socket", "dbus.service", user=USER)
        home = f"/home/{USER}"
        m.write(f"{home}/.config/systemd/user/tell@.service", UNIT.replace(TOLD, "%h/told"))
        m.write(f"{home}/.config/sftokend/sftokend.conf.d/test.conf", "[Daemon]\nOnEvent=tell@\n")
        m.write(f"{home}/.config/sftokend/credentials/me.conf", f"[Credential]\nGrantType=web_server\nLoginUrl={salesforce.url}\nClientId=app-crm\nClientSecret=stored:\n")
        m.run("chown", "-R", f"{USER}:{USER}", home)
        m.ctl("start", "sftokend", user=USER)
        wait_for(lambda: told(m, f"{home}/told"), "the unit")
        same(told(m, f"{home}/told"), ["suspended:me|suspended:me"])


def test_no_systemd() -> None:
    """without systemd OnEvent= is a warning, and the daemon serves"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.add_settings(ON_EVENT)
        m.run("sh", "-c", "mkdir -p /run/sftokend && chown sftokend: /run/sftokend")
        run = "mount -t tmpfs none /run/systemd && exec sftokend >/var/log/sftokend.log 2>&1 &"
        m.run("unshare", "-m", "--propagation", "private", "sh", "-c", run)
        m.sftoken("get", "crm", "--wait", "20")
        assert "OnEvent=sftoken-tell@.service: nobody is told of events: systemd does not run here" in m.path("/var/log/sftokend.log").read_text()
        wait_for(lambda: "nobody is told" in warnings(m), "the warning")


def test_mail() -> None:
    """the example mails what is wrong and what to do"""
    sendmail = "#!/bin/sh\n{ echo \"$*\"; cat; } >/var/mail/sent\n"
    with Standin() as salesforce, Machine(salesforce) as m:
        host = m.run("uname", "-n").stdout.strip()
        m.write("/usr/sbin/sendmail", sendmail, 0o755)
        m.run("cp", f"{EXAMPLES}/sftoken-mail@.service", PLACE)
        m.ctl("daemon-reload")
        add_person(m, "crm")
        m.add_settings("[Daemon]\nOnEvent=sftoken-mail@.service\n")
        m.ctl("start", "sftokend")
        mail = str(wait_for(lambda: "\n".join(told(m, "/var/mail/sent")), "the mail"))
        wait_for(lambda: m.value("ActiveState", "sftoken-mail@login_required:crm.service") == "inactive", "the end of the unit")
        mail = m.path("/var/mail/sent").read_text()
        same(mail.splitlines()[:3], ["-oi -t", "To: root", f"Subject: sftokend on {host}: crm: somebody has to log in"])
        assert "What to do: sftoken login crm\n" in mail and "keeper.state" in mail, mail
        # without sendmail
        m.path("/usr/sbin/sendmail").unlink()
        m.write("/usr/bin/mail", sendmail, 0o755)
        m.ctl("start", "sftoken-mail@ends_in_1_day:etl.service")
        mail = m.path("/var/mail/sent").read_text()
        same(mail.splitlines()[:2], [f"-s sftokend on {host}: etl: its certificate or token ends in 1 day root", "etl: its certificate or token ends in 1 day."])


def test_job() -> None:
    """the example's timer starts the job, which waits for the daemon and has its token; systemd-analyze verify finds nothing to say about the examples"""
    curl = "#!/bin/sh\n{ echo \"$*\"; cat; } >/var/lib/salesforce-export/got\n"
    with Standin() as salesforce, Machine(salesforce, files={"/usr/bin/curl": curl}) as m:
        m.path("/usr/bin/curl").chmod(0o755)
        units = ("sftoken-mail@.service", "salesforce-export.service", "salesforce-export.timer", "salesforce-export-loaded.service")
        done = m.run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *(f"{EXAMPLES}/{unit}" for unit in units), check=None)
        same((done.returncode, [x for x in (done.stdout + done.stderr).splitlines() if "sales" in x or "sftoken" in x]), (0, []))
        m.run("sh", "-c", f"cp {EXAMPLES}/salesforce-export* {PLACE}")
        m.drop_in("[Timer]\nOnCalendar=\nOnActiveSec=0\nRandomizedDelaySec=0\nAccuracySec=1ms\n", "salesforce-export.timer")
        m.ctl("daemon-reload")
        m.add_client_credentials("crm", access="AllowGroup=sftoken")
        m.ctl("start", "salesforce-export.timer")
        wait_for(lambda: m.value("ActiveState", "salesforce-export.service") == "activating", "the job, which waits")
        m.ctl("start", "sftokend")
        wait_for(lambda: m.value("ActiveState", "salesforce-export.service") == "inactive", "its end")
        same(m.value("Result", "salesforce-export.service"), "success")
        got = m.path("/var/lib/salesforce-export/got").read_text()
        token = m.sftoken("get", "crm").stdout.strip()
        assert f"{salesforce.url}/services/data/v60.0/limits" in got and f"Bearer {token}" in got and token not in got.splitlines()[0], got


if __name__ == "__main__":
    machine.enter()
    main()
