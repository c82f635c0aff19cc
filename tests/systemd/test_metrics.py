#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sftokend-metrics.timer and .service under the real systemd: the file that node_exporter's textfile collector reads."""

from __future__ import annotations

from typing import Optional

import machine
from machine import Machine
from promtool import Exposition
from standin import Standin
from tap import main, same, wait_for

UNITS = ("sftokend-metrics.service", "sftokend-metrics.timer")
PLACE = "/var/lib/prometheus/node-exporter"
FILE = f"{PLACE}/sftokend.prom"
EXPOSURE = "10"  # of 100


def with_collector(m: Machine) -> Machine:
    """Debian's package makes it, of a user of its own."""
    m.run("install", "-d", "-o", "nobody", "-m", "0755", PLACE)
    return m


def told(m: Machine) -> Optional[Exposition]:
    file = m.path(FILE)
    return Exposition(file.read_text()) if file.exists() else None


def test_units() -> None:
    """systemd-analyze verify finds nothing to say; the exposure is at most 1.0"""
    with Machine() as m:
        done = m.run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *(f"/usr/lib/systemd/system/{unit}" for unit in UNITS), check=None)
        said = [line for line in (done.stdout + done.stderr).splitlines() if "sftoken" in line]
        same((done.returncode, said), (0, []))
        done = m.run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", f"/usr/lib/systemd/system/{UNITS[0]}", check=None)
        print("# " + done.stdout.strip().splitlines()[-1])
        same(done.returncode, 0, done.stdout[-200:])


def test_timer() -> None:
    """the timer writes a whole file, again and again; without a daemon the file says so, and no unit fails; when it is back, that is told as well"""
    with Standin() as salesforce, Machine(salesforce) as m:
        with_collector(m)
        m.add_client_credentials("crm")
        m.drop_in("[Timer]\nOnCalendar=\nOnCalendar=*:*:*\nAccuracySec=1ms\n", UNITS[1])
        m.ctl("daemon-reload")
        m.ctl("start", "sftokend")
        m.sftoken("get", "crm")
        m.ctl("start", UNITS[1])
        wait_for(lambda: told(m), "the file")
        first = m.path(FILE).stat()
        same((first.st_mode & 0o777, first.st_uid), (0o644, 0))
        found = told(m)
        assert found is not None
        same(found.value("sftokend_gets_total", outcome="token"), 1)
        same(found.value("sftokend_child_restarts_total", process="front"), 0)
        wait_for(lambda: m.path(FILE).stat().st_ino != first.st_ino, "another file")
        same([p.name for p in m.path(PLACE).iterdir() if not p.name.startswith("sftokend.prom.")], ["sftokend.prom"])
        m.ctl("stop", "sftokend")
        wait_for(lambda: (t := told(m)) and t.value("sftokend_up") == 0, "the word that there is no daemon")
        same(m.value("Result", UNITS[0]), "success")
        m.ctl("start", "sftokend")
        wait_for(lambda: (t := told(m)) and t.value("sftokend_up") == 1, "its return")
        same(m.run("systemctl", "--failed", "--no-legend").stdout, "")
        same([line for line in m.journal("-u", UNITS[0]).splitlines() if "Metrics of" in line], [])


def test_without_collector() -> None:
    """where nobody collects yet, the service is skipped: it makes no directory and does not fail; when somebody does, the timer goes on by itself"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.drop_in("[Timer]\nOnCalendar=\nOnCalendar=*:*:*\nAccuracySec=1ms\n", UNITS[1])
        m.ctl("daemon-reload")
        m.ctl("start", "sftokend", UNITS[1])
        wait_for(lambda: m.value("ConditionTimestampMonotonic", UNITS[0]) not in ("", "0"), "a first try")
        same(m.show("ConditionResult", "Result", unit=UNITS[0]), {"ConditionResult": "no", "Result": "success"})
        assert not m.path(PLACE).exists()
        with_collector(m)
        wait_for(lambda: told(m), "the file")


def test_confined() -> None:
    """it can write nowhere else: another place needs ReadWritePaths= as well"""
    with Standin() as salesforce, Machine(salesforce) as m:
        with_collector(m)
        m.ctl("start", "sftokend")
        m.drop_in("[Service]\nExecStart=\nExecStart=/usr/bin/sftoken --system metrics --output /var/lib/metrics/sftokend.prom\n", UNITS[0])
        m.run("mkdir", "/var/lib/metrics")
        m.ctl("daemon-reload")
        assert m.ctl("start", UNITS[0], check=None).returncode != 0
        same(list(m.path("/var/lib/metrics").iterdir()), [])
        m.drop_in("[Service]\nReadWritePaths=/var/lib/metrics\n", UNITS[0], "place.conf")
        m.ctl("daemon-reload")
        m.ctl("start", UNITS[0])
        assert m.path("/var/lib/metrics/sftokend.prom").exists()


if __name__ == "__main__":
    machine.enter()
    main()
