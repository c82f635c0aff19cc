# SPDX-License-Identifier: Apache-2.0
"""The log: one JSON object a line to the last word, each change once, and the same events for WatchEvents."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from typing import Any

from harness import MANAGER, SANITIZERS, SECRET, Closed, Daemon, Standin, VarlinkError, expect, main, same, wait_for

JSON = ("--log-format", "json", "--log-level", "debug")
PROGRAMS = {"sftokend", "sftokend-mint", "sftokend-front"}


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no member is there twice."""
    assert len({k for k, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


def parse(text: str) -> list[dict[str, Any]]:
    lines = [json.loads(line, object_pairs_hook=once) for line in text.splitlines()]
    for line in lines:
        assert {"time", "program", "level", "event"} <= set(line) and line["program"] in PROGRAMS, line
    return lines


def events(daemon: Daemon, name: str) -> list[dict[str, Any]]:
    return [line for line in parse(daemon.log()) if line["event"] == name]


def run(daemon: Daemon, *options: str) -> subprocess.CompletedProcess[str]:
    """sftokend where it does not get far; what it says."""
    return subprocess.run([*daemon.arguments(), *options], env={"PATH": "/usr/bin:/bin", **SANITIZERS}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def test_json_life() -> None:
    """--log-format json: whatever happens in a daemon's life is an object with time, program, level and event, and no member twice; no secret is in any"""
    with Standin() as salesforce, Daemon(salesforce, options=JSON) as daemon:
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        with daemon.broker() as c:
            token = c.get("crm", reason='quotes " and \\')["accessToken"]
        with daemon.manager() as c:
            c.call("io.systemd.service.SetLogLevel", {"level": 7})
        daemon.process.send_signal(signal.SIGUSR1)
        daemon.wait_log('"front.status"')
        daemon.kill("front")
        daemon.wait_log('"child.died"')
        wait_for(lambda: len(events(daemon, "child.started")) == 3, "another front")
        served = events(daemon, "token.served")[0]
        same([served[k] for k in ("credential", "uid", "gid", "pid", "count", "reason")], ["crm", os.getuid(), os.getgid(), os.getpid(), 1, 'quotes " and \\'])
        same(daemon.stop(), 0)
        told = {line["event"] for line in parse(daemon.log())}
        assert {"parent.started", "mint.started", "token.minted", "manager.log_level", "status.credential", "parent.stopped"} <= told, told
        assert token not in daemon.log() and SECRET not in daemon.log()


def test_json_failures() -> None:
    """what ends it before it has begun is an object, too: a mistake in either kind of file, a wrong option, another daemon, a front that is lost"""
    with Standin() as salesforce, Daemon(salesforce, options=JSON) as daemon:
        daemon.add_client_credentials("crm")
        good = daemon.add_settings("")
        for text, credential, line in (("[Limits]\nBacklog=many\n", "", 2), ("", "Nonsense=1", 0)):
            good.write_text(text)
            daemon.add_client_credentials("bad", extra=credential)
            done = run(daemon)
            same(done.returncode, 78, done.stderr)
            mistakes = [x for x in parse(done.stderr) if x["event"] == "config.mistake"]
            same(len(mistakes), 1, done.stderr)
            assert mistakes[0]["line"] == (line or mistakes[0]["line"]) and mistakes[0]["level"] == "err", mistakes
        daemon.add_client_credentials("bad")
        done = run(daemon, "--nonsense")
        same((done.returncode, [x["event"] for x in parse(done.stderr)]), (64, ["parent.failed"]))
        daemon.start()
        done = run(daemon)
        same((done.returncode, [(x["event"], x["status"]) for x in parse(done.stderr) if x["level"] == "err"]), (73, [("parent.failed", 73)]))
        # a front whose parent says what no parent says, in its sandbox
        front = daemon.program.parent.parent / "libexec/sftokend/sftokend-front"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            for kind in ("ListenersEnd", "Link"):
                ours.send(json.dumps({"type": kind}).encode())
            done = subprocess.run([str(front), "--json"], env=SANITIZERS, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
                                  preexec_fn=lambda: os.dup2(theirs.fileno(), 3), close_fds=False)
        same((done.returncode, [(x["event"], x["program"]) for x in parse(done.stderr)]), (70, [("front.failed", "sftokend-front")]))


def test_reload_is_told_once() -> None:
    """a reload has one outcome in the log, whoever asks for it: config.reloaded, or config.refused after its mistakes"""
    with Standin() as salesforce, Daemon(salesforce, options=JSON) as daemon:
        daemon.add_client_credentials("crm")
        daemon.start()
        outcomes = 0
        for text, name in (("", "config.reloaded"), ("[Limits]\nBacklog=many\n", "config.refused")):
            daemon.add_settings(text)
            for by_signal in (False, True):
                if by_signal:
                    daemon.process.send_signal(signal.SIGHUP)
                else:
                    with daemon.manager() as c:
                        if text:
                            expect(VarlinkError, lambda c=c: c.call(MANAGER + ".Reload"))
                        else:
                            c.call(MANAGER + ".Reload")
                outcomes += 1
                wait_for(lambda: len([x for x in parse(daemon.log()) if "reloaded" in x["event"] or "refused" in x["event"]]) >= outcomes, name)
        daemon.stop()
        told = [x["event"] for x in parse(daemon.log()) if "reload" in x["event"] or "refused" in x["event"]]
        same(told, ["manager.reload", "config.reloaded", "config.reloaded", "manager.reload", "config.refused", "config.refused"])
        same(len(events(daemon, "config.mistake")), 2)


def test_watch_events() -> None:
    """WatchEvents tells what the log tells, with the same fields; of one credential only that"""
    with Standin() as salesforce, Daemon(salesforce, options=JSON) as daemon:
        for name in ("crm", "other"):
            daemon.add_client_credentials(name, extra="Required=yes")
        daemon.start()
        told: dict[str, list[dict[str, Any]]] = {"": [], "crm": []}

        def watch(credential: str) -> None:
            parameters = {"credential": credential} if credential else {}
            try:
                with daemon.manager() as c:
                    for e in c.more(MANAGER + ".WatchEvents", parameters):
                        told[credential].append(e)
            except (OSError, VarlinkError, ValueError, Closed):
                pass  # the daemon has stopped

        threads = [threading.Thread(target=watch, args=(c,), daemon=True) for c in told]
        for t in threads:
            t.start()
        with daemon.manager() as c, daemon.broker() as b:
            # until both watch
            def seen() -> bool:
                c.call(MANAGER + ".Refresh", {"credential": "crm"})
                return all(any(e["event"] == "token.minted" for e in told[name]) for name in told)

            wait_for(seen, "both watchers")
            begin = len(told[""])
            from_log = len(parse(daemon.log()))
            c.call(MANAGER + ".SetEnabled", {"credential": "other", "enabled": False})
            c.call(MANAGER + ".SetEnabled", {"credential": "other", "enabled": True})
            b.get("crm", reason="to be seen")
            wait_for(lambda: any(e["event"] == "token.served" for e in told["crm"]), "the audit")
            wait_for(lambda: any(e["event"] == "token.served" for e in told[""]), "the audit")
        log = [x for x in parse(daemon.log())[from_log:] if x["level"] != "debug" and x["program"] == "sftokend-mint"]
        last = next(i for i, x in enumerate(log) if x["event"] == "token.served")
        same([e["event"] for e in told[""][begin:begin + last + 1]], [x["event"] for x in log[:last + 1]])
        for e, x in zip(told[""][begin:], log[:last + 1]):
            fields = {k: v for k, v in x.items() if k not in ("time", "program", "level", "event", "credential", "uid", "pid")}
            same((e.get("credential"), e.get("peerUid"), e.get("peerPid"), e["details"]), (x.get("credential"), x.get("uid"), x.get("pid"), fields), x["event"])
        same({e.get("credential") for e in told["crm"]}, {"crm"})
        assert any(e.get("credential") == "other" for e in told[""])


if __name__ == "__main__":
    main()
