#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The log in the real journal: fields, the commands of docs/logging.md, the catalog, and a journald that does not read."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import time
from pathlib import Path
from typing import Any, Optional

import machine
from harness import SECRET
from machine import TOP, Machine
from standin import Standin
from tap import main, same, wait_for
from varlink import Connection

MANAGER = "/run/sftokend/io.sftoken.Manager"
IDS = dict(re.findall(r'\{ "([a-z._]+)", "([0-9a-f]{32})" \}', (TOP / "base/log_ids.c").read_text()))
FLOOD = 8000
PING_SECONDS = 2.0  # of a call that takes less than a millisecond; far less than the watchdog's patience


def commands() -> list[list[str]]:
    """Those of docs/logging.md: who got a token, what happened to one credential, who was refused, what needs a person."""
    found = [shlex.split(line) for line in re.findall(r"^```sh\n(journalctl .*)\n```$", (TOP / "docs/logging.md").read_text(), re.MULTILINE)]
    same(len(found), 4)
    return found


def ask(m: Machine, *words: str) -> list[dict[str, Any]]:
    """Entries as journalctl has them when all has been written that was sent so far."""
    m.run("journalctl", "--sync")
    return m.journal_json(*words)


def events(m: Machine, name: str, *words: str) -> list[dict[str, Any]]:
    return ask(m, "-u", "sftokend", f"SFTOKEN_EVENT={name}", *words)


def first(m: Machine, name: str, *words: str) -> dict[str, Any]:
    found: Any = wait_for(lambda: events(m, name, *words), f"the event {name}")
    return dict(found[0])


def test_fields() -> None:
    """in a unit each event is an entry with MESSAGE_ID, PRIORITY, SFTOKEN_EVENT and a field for each field; no token and no secret is in any"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm", extra="Required=yes")
        m.ctl("start", "sftokend")
        token = m.sftoken("get", "crm").stdout.strip()
        first(m, "token.served")
        for name, program, level in (("token.minted", "sftokend-mint", "6"), ("parent.ready", "sftokend", "5"), ("child.started", "sftokend", "6")):
            entry = first(m, name)
            same({k: entry.get(k) for k in ("MESSAGE_ID", "SYSLOG_IDENTIFIER", "PRIORITY", "_SYSTEMD_UNIT", "_TRANSPORT", "_UID")},
                 {"MESSAGE_ID": IDS[name], "SYSLOG_IDENTIFIER": program, "PRIORITY": level, "_SYSTEMD_UNIT": "sftokend.service", "_TRANSPORT": "journal",
                  "_UID": str(m.ids("sftokend")[0])}, name)
            assert entry["MESSAGE"].startswith(name + " "), entry
        minted = first(m, "token.minted", f"MESSAGE_ID={IDS['token.minted']}", "SFTOKEN_CREDENTIAL=crm")
        assert int(minted["SFTOKEN_LIFE_S"]) > 0 and int(minted["SFTOKEN_GENERATION"]) > 0, minted
        same([e for e in ask(m, "-u", "sftokend", "_TRANSPORT=stdout", "_UID=" + str(m.ids("sftokend")[0])) if e.get("_COMM", "").startswith("sftokend")], [])
        whole = m.run("journalctl", "-o", "export").stdout
        assert token and token not in whole and SECRET not in whole, "a secret is in the journal"


def test_restarted_journald() -> None:
    """a journald that is restarted gets what comes next"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm", extra="Required=yes")
        m.ctl("start", "sftokend")
        m.ctl("restart", "systemd-journald")
        m.ctl("kill", "--kill-who=main", "-s", "USR1", "sftokend")
        for name in ("parent.status", "status.mint", "front.status"):
            same(first(m, name)["_TRANSPORT"], "journal", name)


def test_commands() -> None:
    """docs/logging.md: who got a token (uid, gid, pid, unit), what happened to one credential, what needs a person"""
    who, what, refused, person = commands()
    with Standin() as salesforce, Machine(salesforce) as m:
        m.run("useradd", "-m", "-G", "sftoken", "etl")
        uid, gid = m.ids("etl")
        m.add_client_credentials("crm", access="AllowUser=etl")
        m.add_client_credentials("other")
        m.ctl("start", "sftokend")
        m.run("systemd-run", "--unit=nightly.service", "--uid=etl", "-p", "SupplementaryGroups=sftoken", "sftoken", "watch", "crm")
        m.run("useradd", "-m", "-G", "sftoken", "eve")
        m.sftoken("get", "crm", user="eve", check=66)
        entry: Any = wait_for(lambda: ask(m, *refused[1:]), "a caller that was refused")
        same(entry[0]["SFTOKEN_UID"], str(m.ids("eve")[0]))
        served: Any = wait_for(lambda: ask(m, *who[1:]), "an entry of the audit")
        pid = m.value("MainPID", unit="nightly.service")
        same({k: served[0].get("SFTOKEN_" + k) for k in ("CREDENTIAL", "UID", "GID", "PID", "UNIT", "COUNT")},
             {"CREDENTIAL": "crm", "UID": str(uid), "GID": str(gid), "PID": pid, "UNIT": "nightly.service", "COUNT": "1"})
        same({e["SFTOKEN_EVENT"] for e in served}, {"token.served"})
        same(served[0]["MESSAGE_ID"], IDS["token.served"])
        same(ask(m, *person[1:]), [])
        # nobody's fault but an administrator's: the app is gone
        salesforce.configure(apps={"app-crm": {"secret": "another-secret-of-the-app", "run_as": "crm@example.com"}})
        m.sftoken("refresh", "crm", check=None)
        suspended: Any = wait_for(lambda: ask(m, *person[1:]), "something that needs a person")
        same([(e["SFTOKEN_EVENT"], e["SFTOKEN_CREDENTIAL"], e["SFTOKEN_TO"], e["_SYSTEMD_UNIT"]) for e in suspended],
             [("keeper.state", "crm", "suspended", "sftokend.service")])
        m.run("journalctl", "--update-catalog")
        text = " ".join(m.run(*person, "--no-pager").stdout.replace("░░", "").split())
        assert "Subject: crm is now suspended" in text and "sftoken doctor crm" in text, text
        story = ask(m, *what[1:])
        same({e["SFTOKEN_CREDENTIAL"] for e in story}, {"crm"})
        told = [e["SFTOKEN_EVENT"] for e in story]
        for name in ("token.minted", "token.served", "manager.refresh", "attempt.failed", "keeper.state"):
            assert name in told, told
        for words in (who, what, person):
            m.run(*words, "--no-pager")


def test_catalog() -> None:
    """journalctl --update-catalog takes ours; every event is in it; -x says what to do"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.run("journalctl", "--update-catalog")
        listed = m.run("journalctl", "--list-catalog").stdout
        same([event for event, number in IDS.items() if not re.search(rf"^{number} sftokend: ", listed, re.MULTILINE)], [])
        m.add_client_credentials("crm", extra="Required=yes")
        m.ctl("start", "sftokend")
        first(m, "token.minted")
        text = m.run("journalctl", "--no-pager", "-x", "-u", "sftokend", "SFTOKEN_EVENT=token.minted").stdout
        for words in ("Subject: A new token of crm", "Support: man:sftokend(8)", "What to do: Nothing."):
            assert words in text, text


def test_formats() -> None:
    """[Log] Format= goes before the default: one JSON object a line, last words included; a mistake that stops the start is an event"""
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm", extra="Required=yes")
        m.add_settings("[Log]\nFormat=json\n")
        m.ctl("start", "sftokend")
        lines = [json.loads(e["MESSAGE"]) for e in ask(m, "-u", "sftokend", "_TRANSPORT=stdout") if e.get("_COMM", "").startswith("sftokend")]
        assert {"parent.ready", "token.minted"} <= {e["event"] for e in lines}, lines
        same(ask(m, "-u", "sftokend", "_TRANSPORT=journal", "SYSLOG_IDENTIFIER=sftokend"), [])
        m.ctl("stop", "sftokend")
        m.add_settings("[Log]\nFormat=text\n")
        m.ctl("start", "sftokend")
        texts = [e for e in ask(m, "-u", "sftokend", "_TRANSPORT=stdout") if e["MESSAGE"].startswith("parent.ready status=")]
        same([e["PRIORITY"] for e in texts], ["5"])
        m.ctl("stop", "sftokend")
        m.add_settings("[Limits]\nBacklog=many\n")
        m.ctl("start", "sftokend", check=None)
        mistake = first(m, "config.mistake")
        same((mistake["SFTOKEN_FILE"], mistake["SFTOKEN_LINE"], mistake["PRIORITY"]), ("/etc/sftokend/sftokend.conf.d/test.conf", "2", "3"))


def journald(m: Machine) -> int:
    """Its number out here."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and m.group.name + "/" in (entry / "cgroup").read_text() and (entry / "comm").read_text().strip() == "systemd-journal":
                return int(entry.name)
        except OSError:
            continue
    raise AssertionError("no journald")


def flood(m: Machine, pid: Optional[int]) -> tuple[float, float]:
    """So many events of the mint, with a journald that is stopped: the slowest call in seconds, and the slowest Ping of another connection."""
    slowest = slowest_ping = 0.0
    if pid is not None:
        os.kill(pid, signal.SIGSTOP)
    try:
        with Connection(str(m.path(MANAGER))) as noisy, Connection(str(m.path(MANAGER))) as other:
            for i in range(FLOOD):
                started = time.monotonic()
                noisy.call("io.systemd.service.SetLogLevel", {"level": 6})
                slowest = max(slowest, time.monotonic() - started)
                if i % 100 == 0:
                    started = time.monotonic()
                    other.call("io.systemd.service.Ping")
                    slowest_ping = max(slowest_ping, time.monotonic() - started)
    finally:
        if pid is not None:
            os.kill(pid, signal.SIGCONT)
    return slowest, slowest_ping


def test_stopped_journald() -> None:
    """a journald that is stopped stops nobody: the mint answers while thousands of lines find no reader; what was dropped is counted, and the rest is there in order"""
    drop_in = {"/etc/systemd/journald.conf.d/test.conf": "[Journal]\nRateLimitBurst=0\n"}
    with Standin() as salesforce, Machine(salesforce, files=drop_in) as m:
        m.add_client_credentials("crm", extra="Required=yes")
        m.ctl("start", "sftokend")
        before = m.pids()
        slowest, slowest_ping = flood(m, journald(m))
        print(f"# {FLOOD} lines with journald stopped: the slowest call {slowest * 1000:.1f} ms, the slowest Ping {slowest_ping * 1000:.1f} ms")
        assert slowest < PING_SECONDS and slowest_ping < PING_SECONDS
        same(m.pids(), before)
        dropped: Any = wait_for(lambda: events(m, "log.dropped"), "the number of lines that are missing")
        written = events(m, "manager.log_level")
        same(len(written) + sum(int(e["SFTOKEN_COUNT"]) for e in dropped), FLOOD)
        assert 0 < len(written) < FLOOD, len(written)
        same({e["_SYSTEMD_UNIT"] for e in written}, {"sftokend.service"})
        assert m.sftoken("get", "crm").stdout.strip()
        first(m, "token.served")


if __name__ == "__main__":
    machine.enter()
    main()
