# SPDX-License-Identifier: Apache-2.0
"""Many credentials that spend refresh tokens, and when their requests came; for test_spend.py, tests/soak and tests/bench."""

from __future__ import annotations

from typing import Any, Iterable

from harness import MANAGER, Daemon, Standin


def add_many(salesforce: Standin, daemon: Daemon, number: int, extra: str, names: str = "r") -> dict[str, str]:
    """number credentials, each with an app, a user and a rotating grant of its own; their refresh tokens by name, to be given when the daemon runs."""
    secret = daemon.write_secret("many.secret", "s3cret")
    every = [f"{names}{i:05}" for i in range(number)]
    salesforce.configure(users={f"{n}@example.com": {} for n in every}, apps={f"app-{n}": {"secret": "s3cret"} for n in every})
    grants = salesforce.new_grants([{"user": f"{n}@example.com", "client_id": f"app-{n}", "rotating": True} for n in every])
    for name in every:
        daemon.write_credential(name, f"[Credential]\nGrantType=refresh_token\nLoginUrl={salesforce.url}\nClientId=app-{name}\n"
                                      f"ClientSecret=file:{secret}\n{extra}\n")
    return {name: grant["refresh_token"] for name, grant in zip(every, grants)}


def give_all(daemon: Daemon, tokens: dict[str, str]) -> None:
    """Manager.ImportSecret for all of them, on one connection."""
    with daemon.manager(timeout=300) as m:
        for name, token in tokens.items():
            m.call(MANAGER + ".ImportSecret", {"credential": name, "kind": "refresh_token", "value": token})


def most_in_flight(requests: Iterable[dict[str, Any]]) -> int:
    """How many of these were being answered at the same time, at most."""
    edges = sorted([(r["t"], 1) for r in requests] + [(r["t_done"], -1) for r in requests])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most
