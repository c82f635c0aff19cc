# SPDX-License-Identifier: Apache-2.0
"""The part of standin_client.py that makes grants with refresh tokens and judges what became of
them. README.md describes what the methods give."""

from __future__ import annotations

import time
from typing import Any, Callable, Optional, Sequence

Json = dict[str, Any]


class StandinError(Exception):
    """The stand-in did not start, or refused what it was told."""


def wait(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Until the condition holds; StandinError when it does not in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise StandinError(f"waited {timeout} s in vain for {what}")
        time.sleep(0.02)


class Grants:
    """Methods of Standin."""

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the control interface; Standin has it."""
        raise NotImplementedError

    # -- making ----------------------------------------------------------------------------------

    def new_grant(self, user: str, client_id: str, rotating: Optional[bool] = None,
                  scopes: Optional[str] = None) -> Json:
        """What an interactive login of this user would have given: grant (a number),
        refresh_token, access_token, instance_url, id, scope, ..."""
        return self.new_grants([{"user": user, "client_id": client_id, "rotating": rotating,
                                 "scopes": scopes}])[0]

    def new_grants(self, specs: Sequence[Json]) -> list[Json]:
        """The same for thousands: each spec has the arguments of new_grant() by name. All or none
        are made."""
        return list(self.control("POST", "/grants", {"grants": list(specs)})["grants"])

    def revoke_grant(self, grant: int | str | None = None, client_id: Optional[str] = None,
                     user: Optional[str] = None) -> int:
        """An administrator revokes the refresh tokens that match, and their access tokens; how
        many lived."""
        spec = {"grant": grant, "client_id": client_id, "user": user}
        return int(self.control("POST", "/grants/revoke", spec)["revoked"])

    # -- judging ---------------------------------------------------------------------------------

    def grants(self, client_id: Optional[str] = None, user: Optional[str] = None,
               grant: int | str | None = None, tokens: bool = True) -> list[Json]:
        """The grants that match, oldest first. `grant` is the number or any refresh token of it;
        tokens=False leaves their refresh tokens out."""
        spec = {"grant": grant, "client_id": client_id, "user": user, "tokens": tokens}
        return list(self.control("POST", "/grants/show", spec)["grants"])

    def refresh_token(self, text: str) -> Json:
        """What became of one refresh token: grant, number, state, posts, reply."""
        return dict(self.control("POST", "/refresh_token", {"token": text}))

    def current_token(self, grant: int | str) -> Optional[str]:
        """The refresh token of that grant that is good now; None when the grant has ended."""
        found = self.grants(grant=grant, tokens=False)
        if not found:
            raise StandinError("no such grant")
        current = found[0]["current"]
        return None if current is None else str(current)

    def replies(self, since: int = 0) -> list[Json]:
        """The answers that carried a new refresh token, oldest first, with reply > since."""
        return list(self.control("GET", f"/replies?since={since}")["replies"])

    def alarms(self) -> list[Json]:
        """Each use of a rotated-out refresh token."""
        return list(self.control("GET", "/alarms")["alarms"])

    def counters(self) -> dict[str, int]:
        """refreshes, rotations, reuse_alarms, lost_replies, pending_replies, busy, evictions,
        grants, live_grants."""
        return dict(self.control("GET", "/counters"))

    def wait_replies(self, timeout: float = 10.0) -> dict[str, int]:
        """Wait until it is known of every answer whether it was taken; the counters."""
        found: dict[str, int] = {}

        def settled() -> bool:
            found.update(self.counters())
            return found["pending_replies"] == 0

        wait(settled, timeout, "the end of every connection with a new refresh token")
        return found
