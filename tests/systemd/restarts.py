# SPDX-License-Identifier: Apache-2.0
"""systemctl restart under load: for the suite in short, for the soak in full."""

from __future__ import annotations

import time

from load import Load
from machine import Machine
from standin import Standin
from tap import same

SLOWEST_SECONDS = 1.0


def restart_under_load(rounds: int, units: tuple[str, ...] = ()) -> str:
    """So many restarts while 8 callers ask through libsftoken: no call fails, nothing is asked of the token endpoint. What was seen, for people. units: sockets that are systemd's."""
    with Standin() as salesforce, Machine(salesforce) as m:
        for name in ("crm", "erp"):
            m.add_client_credentials(name, extra="Required=yes")
        m.ctl("start", *units, "sftokend.service")
        asked = len(salesforce.token_requests())
        pids = set()
        longest = 0.0
        with Load(str(m.path("/run/sftokend/io.sftoken.Broker")), ["crm", "erp"]) as load:
            for _ in range(rounds):
                started = time.monotonic()
                m.ctl("restart", "sftokend")
                longest = max(longest, time.monotonic() - started)
                pids.add(m.value("MainPID"))
        same(load.errors[:3], [], f"failed calls of {load.calls}")
        assert load.calls > rounds * 8, load.calls
        same(len(salesforce.token_requests()) - asked, 0, "requests to the token endpoint")
        same(len(pids), rounds, "daemons")
        seen = f"{rounds} restarts, the longest {longest * 1000:.0f} ms; {load.calls} calls, 0 failed, the longest {load.slowest * 1000:.0f} ms"
        print("# " + seen)
        assert load.slowest < SLOWEST_SECONDS, seen
        return seen
