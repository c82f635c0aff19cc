#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Manager.Metrics and sftoken metrics: the numbers are right, the pieces join, promtool agrees, and the examples use what there is."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any, Callable, Optional

from harness import TOP, Daemon, Standin, VarlinkError, expect, main, mode, same, wait_for
from promtool import Exposition, promtool

METRICS = "io.sftoken.Manager.Metrics"
EXAMPLES = TOP / "monitoring"
MANY = 2000


def pieces(daemon: Daemon, between: Optional[Callable[[int], None]] = None) -> list[str]:
    """The texts of all replies; between(n) after the n-th."""
    texts: list[str] = []
    after = None
    with daemon.manager() as c:
        while True:
            c.send(METRICS, {"after": after} if after else None)
            raw = c.receive_raw()
            assert len(raw) < 64 * 1024, len(raw)
            reply = json.loads(raw)["parameters"]
            texts.append(reply["text"])
            after = reply["next"]
            if after is None:
                return texts
            if between:
                between(len(texts))


def look(daemon: Daemon) -> Exposition:
    return Exposition("".join(pieces(daemon)))


def test_numbers() -> None:
    """3 gets, a renewal, an unknown name, a refusal and nonsense: every number in the text is exactly right, and promtool finds no fault"""
    with Standin(session_timeout_s=7200) as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm", extra="Introspect=no")
        daemon.add_client_credentials("erp", extra="Introspect=no")
        salesforce.force_error("app-erp", "invalid_client")
        daemon.start()
        with daemon.broker() as c:
            c.send_raw(b"nonsense\0")
            assert c.is_closed(10)
        with daemon.broker() as c:
            began = time.time()
            expires = [c.get("crm")["expiresAt"] for _ in range(3)][0]
            expect(VarlinkError, lambda: c.get("nobody"))
            expect(VarlinkError, lambda: c.get("erp"))
            text = daemon.cli("metrics").stdout
            m = Exposition(text)
            same(m.value("sftokend_connections", listener="broker"), 1)
            daemon.cli("refresh", "crm")
            assert c.get("crm")["generation"]
        same(promtool("check", "metrics", stdin=text), "")
        same(m.value("sftokend_up"), 1)
        same(m.value("sftokend_gets_total", outcome="token"), 3)
        same(m.value("sftokend_gets_total", outcome="no_such_credential"), 1)
        same(m.value("sftokend_gets_total", outcome="rejected"), 1)
        same(sum(m.samples["sftokend_gets_total"].values()), 5)
        same(m.value("sftokend_limit_reached_total", limit="malformed_request"), 1)
        same(sum(m.samples["sftokend_limit_reached_total"].values()), 1)
        same(m.value("sftokend_get_seconds_count"), 5)
        same(m.value("sftokend_get_seconds_bucket", le="+Inf"), 5)
        bounds = sorted((float(dict(labels)["le"]), n) for labels, n in m.samples["sftokend_get_seconds_bucket"].items())
        same([n for _, n in bounds], sorted(n for _, n in bounds))
        assert 0 < m.value("sftokend_get_seconds_sum") < time.time() - began
        same(m.value("sftokend_credential_state", credential="crm", state="valid"), 1)
        same(m.value("sftokend_credential_state", credential="erp", state="suspended"), 1)
        same(sum(m.samples["sftokend_credential_state"].values()), 2)
        same(m.value("sftokend_token_expiry_seconds", credential="crm"), expires)
        same(m.value("sftokend_token_expiry_seconds", credential="erp"), None)
        assert began - 60 <= m.value("sftokend_last_renewal_timestamp_seconds", credential="crm") <= time.time()
        same(m.value("sftokend_renewals_total", credential="crm", outcome="new_token"), 1)
        same(m.value("sftokend_renewals_total", credential="erp", outcome="new_token"), 0)
        same(m.value("sftokend_renewals_total", credential="erp", outcome="admin"), 1)
        same(m.value("sftokend_upstream_requests_total", credential="crm", endpoint="token", outcome="ok"), 1)
        same(m.value("sftokend_upstream_requests_total", credential="erp", endpoint="token", outcome="refused"), 1)
        same(m.value("sftokend_tokens_served_total", credential="crm"), 1)  # the other two are told in a minute
        same(m.value("sftokend_store_state", state="ok"), 1)
        same(sum(m.samples["sftokend_store_state"].values()), 1)
        same(m.value("sftokend_child_restarts_total", process="mint"), 0)
        m = look(daemon)
        same(m.value("sftokend_renewals_total", credential="crm", outcome="new_token"), 2)
        same(m.value("sftokend_upstream_requests_total", credential="crm", endpoint="token", outcome="ok"), 2)
        same(m.value("sftokend_gets_total", outcome="token"), 4)
        same(len(salesforce.token_requests("app-crm")), 2)


def test_kinds_of_requests() -> None:
    """introspection, userinfo after a claim, revocation and a server that cannot be reached are told apart"""
    with Standin(session_timeout_s=7200) as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm")
        daemon.add_client_credentials("gone", extra="AllowInsecure=no")
        daemon.write_credential("gone", f"[Credential]\nGrantType=client_credentials\nLoginUrl=https://localhost:1\nClientId=x\n"
                                        f"ClientSecret=file:{daemon.write_secret('x', 'x')}\n")
        daemon.start()

        def value(endpoint: str, outcome: str, name: str = "crm") -> Optional[float]:
            return look(daemon).value("sftokend_upstream_requests_total", credential=name, endpoint=endpoint, outcome=outcome)

        with daemon.broker() as c:
            generation = c.get("crm")["generation"]
            wait_for(lambda: value("introspection", "ok") == 1, "the introspection")
            c.call("io.sftoken.Broker.ReportRejected", {"credential": "crm", "generation": generation})
            wait_for(lambda: value("userinfo", "ok") == 1, "the check of the claim")
        same(look(daemon).value("sftokend_reports_total"), 1)
        daemon.cli("revoke", "crm")
        same(value("revocation", "ok"), 1)
        wait_for(lambda: (value("token", "not_sent", "gone") or 0) >= 1, "an attempt that finds nobody")
        assert (look(daemon).value("sftokend_renewals_total", credential="gone", outcome="not_sent") or 0) >= 1


def test_restarts() -> None:
    """a front that is started anew takes nothing back, and a change of the configuration neither; a mint begins at 0"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm", extra="Introspect=no")
        daemon.start()
        for _ in range(3):
            daemon.cli("get", "crm")
        before = look(daemon)
        same(before.value("sftokend_gets_total", outcome="token"), 3)
        daemon.kill("front")
        wait_for(lambda: look(daemon).value("sftokend_front_up") == 1 and daemon.log().count("child.died") == 1, "another front")
        daemon.cli("get", "crm")
        after = wait_for(lambda: (lambda m: m if m.value("sftokend_child_restarts_total", process="front") == 1 else None)(look(daemon)), "its number")
        assert isinstance(after, Exposition)
        same(after.value("sftokend_gets_total", outcome="token"), 4)
        same(after.value("sftokend_get_seconds_count"), 4)
        for name, kind in before.types.items():
            if kind == "counter":
                for labels, n in before.samples.get(name, {}).items():
                    assert after.samples[name].get(labels, -1) >= n, (name, labels)
        daemon.add_client_credentials("crm", extra="Introspect=no\nSessionTimeout=1h")
        daemon.cli("reload")
        same(look(daemon).value("sftokend_renewals_total", credential="crm", outcome="new_token"), 1)
        daemon.kill("mint")
        wait_for(lambda: daemon.log().count("child.died") == 2 and os.path.exists(daemon.manager_path), "another mint")
        m = look(daemon)
        same(m.value("sftokend_renewals_total", credential="crm", outcome="new_token"), 0)
        same(m.value("sftokend_gets_total", outcome="token"), 1)  # of the front, which goes on


def many(daemon: Daemon, first: int, number: int) -> None:
    secret = daemon.write_secret("secret", "x")
    for i in range(first, first + number):
        daemon.write_credential(f"c{i:05}", f"[Credential]\nGrantType=client_credentials\nLoginUrl=https://localhost:1\nClientId=x\nClientSecret=file:{secret}\n")


def test_many() -> None:
    """2,000 credentials come complete, in pieces that fit into a reply; what is added and removed between two pieces leaves the text valid"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.write_settings(f"[Limits]\nStartSpread=1h\n[Network]\nCaFile={salesforce.ca}\n")
        many(daemon, 0, MANY)
        daemon.start()
        texts = pieces(daemon)
        assert len(texts) > 10, len(texts)
        m = Exposition("".join(texts))
        names = {f"c{i:05}" for i in range(MANY)}
        for family in ("sftokend_credential_state", "sftokend_renewals_total", "sftokend_upstream_requests_total", "sftokend_tokens_served_total"):
            same({dict(labels)["credential"] for labels in m.samples[family]}, names, family)
        same(len(m.samples["sftokend_credential_state"]), MANY * 8)
        same(promtool("check", "metrics", stdin="".join(texts)), "")
        same(Exposition(daemon.cli("metrics").stdout).types, m.types)

        def change(n: int) -> None:
            if n not in (3, 8):
                return
            many(daemon, MANY + 100 * n, 50)
            for i in range(n * 10, MANY, 7):
                Path(daemon.config, "credentials", f"c{i:05}.conf").unlink(missing_ok=True)
            daemon.cli("reload")

        changed = Exposition("".join(pieces(daemon, change)))
        same(changed.types, m.types)
        same(promtool("check", "metrics", stdin="".join(texts)), "")
        left = {f.stem for f in Path(daemon.config, "credentials").glob("*.conf")}
        same({dict(labels)["credential"] for labels in changed.samples["sftokend_tokens_served_total"]}, left)


def test_errors() -> None:
    """a place that no reply has named is refused"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.start()
        with daemon.manager() as c:
            for after in ("", "x", "sftokend_up:crm", "sftokend_gets_total:", "a" * 5000, 7):
                error: Any = expect(VarlinkError, lambda: c.call(METRICS, {"after": after}))
                same(error.short, "InvalidParameter")
            assert "sftokend_up 1" in c.call(METRICS, {"after": None})["text"]


def test_file() -> None:
    """--output: the whole file or the old one, readable for the collector, without leavings; an absent daemon is written down; --json gives the replies"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.start()
        place = daemon.directory / "textfile"
        place.mkdir()
        file = place / "sftokend.prom"
        environment = {"SFTOKEN_MANAGER": daemon.manager_path}
        daemon.cli("metrics", "--output", str(file), environment=environment)
        same(Exposition(file.read_text()).value("sftokend_up"), 1)
        same(mode(file), 0o644)
        inode = file.stat().st_ino
        daemon.cli("metrics", "--output", str(file), environment=environment)
        assert file.stat().st_ino != inode
        same(os.listdir(place), ["sftokend.prom"])
        replies = [json.loads(line) for line in daemon.cli("metrics", "--json").stdout.splitlines()]
        same(Exposition("".join(r["text"] for r in replies)).types, Exposition(file.read_text()).types)
        same(replies[-1]["next"], None)
        nowhere = str(daemon.directory / "no" / "file")
        assert "cannot make " + nowhere in daemon.cli("metrics", "--output", nowhere, check=70).stderr
        full = daemon.cli("metrics", "--output", "/dev/full/x", check=70).stderr
        assert "/dev/full/x" in full, full
        daemon.stop()
        result = daemon.cli("metrics", "--output", str(file), check=69, environment=environment)
        same(file.read_text().splitlines()[-1], "sftokend_up 0")
        assert result.stderr, result
        same(os.listdir(place), ["sftokend.prom"])
        same(promtool("check", "metrics", stdin=file.read_text()), "")


def expressions() -> dict[str, str]:
    """Every query of the examples, by where it stands."""
    found = {}
    dashboard = json.loads((EXAMPLES / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            found[f"{panel['title']}/{target['refId']}"] = target["expr"]
    for variable in dashboard["templating"]["list"]:
        found[f"variable {variable['name']}"] = variable["query"]
    for name in ("alerts.yml", "alerts_test.yml"):
        found[name] = "\n".join(line.partition("#")[0] for line in (EXAMPLES / name).read_text().splitlines())
    return found


def test_examples() -> None:
    """promtool accepts the alerts and their tests; alerts and dashboard name only what the daemon tells, with labels that it has; most families are used"""
    assert "8 rules found" in promtool("check", "rules", "alerts.yml", folder=EXAMPLES)
    promtool("test", "rules", "alerts_test.yml", folder=EXAMPLES)
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm")
        daemon.start()
        daemon.cli("get", "crm")
        m = look(daemon)
    labels = {name: {k for one in series for k, _ in one} | {"instance"} for name, series in m.samples.items()}
    used = set()
    for where, text in expressions().items():
        for name, matchers in re.findall(r"\b(sftokend_[a-z_]+)(?:\{([^}]*)\})?", text):
            assert name in m.names(), f"{where}: {name}"
            used.add(name)
            for label in re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers):
                assert label in labels[name] | ({"state"} if "state" in name else set()), f"{where}: {name} has no label {label}"
    for family in m.types:
        base = {family, *(family + s for s in ("_bucket", "_sum", "_count"))}
        if not base & used and family not in ("sftokend_ready", "sftokend_front_up", "sftokend_store_writes_total", "sftokend_store_syncs_total",
                                              "sftokend_store_journal_bytes", "sftokend_connections_accepted_total", "sftokend_calls_total"):
            raise AssertionError(f"nobody looks at {family}")


def test_manual() -> None:
    """docs/monitoring.md has a row for every family, with its type and its labels, and no other"""
    rows = dict(re.findall(r"^\| `(sftokend_\w+)` \| (.*) \|$", (TOP / "docs/monitoring.md").read_text(), re.M))
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm")
        daemon.start()
        daemon.cli("get", "crm")
        m = look(daemon)
    same(sorted(rows), sorted(m.types))
    for family, kind in m.types.items():
        assert rows[family].startswith(kind + " |"), (family, kind, rows[family])
        series = m.samples.get(family) or m.samples[family + "_bucket"]
        told = set(re.findall(r"`(\w+)`", rows[family].split(" |")[1]))
        same(told, {k for one in series for k, _ in one}, family)


if __name__ == "__main__":
    main()
