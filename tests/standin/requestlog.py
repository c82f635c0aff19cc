# SPDX-License-Identifier: Apache-2.0
"""The log of requests: who asked what when. Secrets of the client are kept as fingerprints only."""

from __future__ import annotations

import time
from collections import Counter, deque
from itertools import islice
from typing import Any, Optional

from .clock import boottime
from .dialect import TOKEN_PATH
from .exchange import Exchange, fingerprint

LOG_MAX = 100_000
HEADERS = ("host", "user-agent", "accept", "content-type", "content-length", "connection")
SECRETS = ("client_secret", "assertion", "token", "refresh_token", "code", "code_verifier",
           "client_assertion", "subject_token", "state", "password")
SHOWN = ("response_type", "redirect_uri", "scope", "prompt", "login_hint", "display", "nonce",
         "code_challenge", "code_challenge_method", "subject_token_type", "token_handler")

Entry = dict[str, Any]


class RequestLog:
    """The newest requests, their count, and what strict mode found."""

    def __init__(self) -> None:
        self.seq = 0
        self.entries: deque[Entry] = deque(maxlen=LOG_MAX)
        self.problems: list[str] = []
        self.by_path: Counter[str] = Counter()

    def begin(self, exchange: Exchange) -> Entry:
        """An entry for a request that has just arrived; exchange.log is that entry."""
        self.seq += 1
        request = exchange.request
        entry: Entry = {
            "seq": self.seq, "t": boottime(), "wall": time.time(), "method": request.method,
            "path": exchange.path, "target": request.path, "connection": request.connection,
            "grant_type": exchange.params.get("grant_type"), "client_id": exchange.client_id,
            "sub": exchange.user, "status": None, "token_reused": None, "session": None,
            "age_fraction": _age_fraction(exchange), "error": None, "fault": None, "t_done": None,
            "version": request.version, "parameters": sorted(exchange.query | exchange.params),
            "values": _values(exchange),
            "headers": {n: v for n, v in request.headers if n in HEADERS},
            "header_names": request.names(), "problems": exchange.problems,
            "auth": request.header("authorization").partition(" ")[0] or None,
            "ordinal": request.ordinal, "grant": None, "number": None, "reply": None,
            "hashes": _hashes(exchange), "claims": exchange.claims or None}
        if exchange.refresh:
            entry.update(grant=exchange.refresh.family.id, number=exchange.refresh.number)
        exchange.log = entry
        self.entries.append(entry)
        self.by_path[exchange.path] += 1
        return entry

    def end(self, exchange: Exchange, status: Optional[int]) -> None:
        """The request is answered, or its connection was dropped (None)."""
        exchange.log["status"] = status
        exchange.log["t_done"] = boottime()
        self.problems += [f"#{exchange.log['seq']} {exchange.path}: {text}"
                          for text in exchange.problems]

    def since(self, seq: int) -> list[Entry]:
        first = self.seq - len(self.entries) + 1
        return list(islice(self.entries, max(0, seq + 1 - first), None))

    def clear(self) -> None:
        """Forget the entries; the numbers go on."""
        self.entries.clear()
        self.problems.clear()
        self.by_path.clear()


def _age_fraction(exchange: Exchange) -> Optional[float]:
    """How old the app's newest session is when a token request arrives, as a part of its life."""
    if exchange.path != TOKEN_PATH or not exchange.client_id:
        return None
    return exchange.world.sessions.age_fraction(exchange.client_id)


def _values(exchange: Exchange) -> dict[str, str]:
    """What is no secret of the request's parameters."""
    given = exchange.query | exchange.params
    return {name: given[name] for name in SHOWN if name in given}


def _hashes(exchange: Exchange) -> dict[str, str]:
    given = exchange.query | exchange.params
    found = {name: fingerprint(given[name]) for name in SECRETS if given.get(name)}
    if exchange.basic:
        found["client_secret"] = fingerprint(exchange.basic[1])
    elif exchange.token:
        found["token"] = fingerprint(exchange.token)
    return found
