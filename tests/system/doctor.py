# SPDX-License-Identifier: Apache-2.0
"""What the tests of sftoken doctor share: set-ups, and how its answers are looked at."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import Any, Iterator

from harness import SECRET, Daemon, Standin, same
from rotating import CALM

STEPS = ["configuration", "name", "tls", "clock", "host", "audience", "key", "grant", "approval", "scopes", "token"]
NETWORK, ADMINISTRATOR, LOGIN = 75, 78, 80
ORG = "00Dxx0000001gPLEAY"
SETTINGS = (f"[Network]\nTimeout=5s\nConnectTimeout=5s\n[Limits]\n{CALM}StartSpread=0s\nMaxRequestsPerHour=1000\n"
            "BackoffFirst=10min\nBackoffMax=10min\nSuspendedRetryFirst=10min\nSuspendedRetryMax=10min\nBreakerFailures=1000\n")
Rows = dict[str, dict[str, Any]]


class Shared:
    salesforce: Standin
    daemon: Daemon


def no_secret(text: str, *more: str) -> None:
    """Nothing that is or looks like a secret."""
    for secret in (SECRET, "another-planted-secret", *more):
        assert secret not in text, f"{secret!r} in {text}"
    for shape in (r"00D\w{12,15}!", r"eyJ\w", r"5Aep861", r"PRIVATE KEY"):
        assert not re.search(shape, text), f"{shape} in {text}"


def doctor(name: str, status: int | None = 0) -> Rows:
    """The steps by name; their order, and the exit status, are as they must be."""
    daemon = Shared.daemon
    result = daemon.cli("doctor", name, "--json", check=status, timeout=150)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    same([r["step"] for r in rows], STEPS, f"{name}: steps")
    for row in rows:
        assert row["message"], row
        same(row["actor"] is None, row["outcome"] in ("ok", "skipped"), f"{row}")
    no_secret(result.stdout + result.stderr)
    return {r["step"]: r for r in rows}


def first_failed(rows: Rows) -> str:
    return next((s for s in STEPS if rows[s]["outcome"] == "failed"), "")


def sick(name: str, step: str, cause: str, action: str, status: int = ADMINISTRATOR) -> Rows:
    """The first step that fails, a word of why, and one of what to do."""
    rows = doctor(name, status)
    shown = json.dumps(rows, indent=1)
    same(first_failed(rows), step, f"{name}: the first step that failed\n{shown}")
    assert cause in rows[step]["message"], f"{name}: no {cause!r}: {shown}"
    assert action in (rows[step]["action"] or ""), f"{name}: no {action!r}: {shown}"
    return rows


def reload() -> None:
    Shared.daemon.cli("reload")


def client_credentials(name: str, login_url: str = "", **options: Any) -> None:
    daemon = Shared.daemon
    daemon.add_client_credentials(name, **options)
    if login_url:
        path = daemon.credentials / f"{name}.conf"
        daemon.write_credential(name, path.read_text().replace(Shared.salesforce.url, login_url))
    reload()


def jwt(name: str, **options: Any) -> None:
    Shared.daemon.add_jwt(name, **options)
    reload()


@contextmanager
def server(**settings: Any) -> Iterator[None]:
    """The stand-in is so meanwhile."""
    good = {"tls": "good", "clock_offset_s": 0.0, "host_kinds": {}, "accepted_aud": None}
    Shared.salesforce.configure(**settings)
    Shared.salesforce.disconnect()
    try:
        yield
    finally:
        Shared.salesforce.configure(**{k: good[k] for k in settings})
        Shared.salesforce.clear_faults()
        Shared.salesforce.disconnect()


def everywhere(kind: str, **args: Any) -> None:
    """A fault of the whole host."""
    for path in ("token", "userinfo", "/.well-known/openid-configuration"):
        Shared.salesforce.fault(kind, path=path, forever=True, **args)


def healthy(rows: Rows, *skipped: str) -> None:
    for step in STEPS:
        same(rows[step]["outcome"], "skipped" if step in skipped else "ok", f"{step}: {json.dumps(rows[step])}")
        same(rows[step]["action"], None, step)
