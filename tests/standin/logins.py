# SPDX-License-Identifier: Apache-2.0
"""The login limit: so many a user and hour, failures included."""

from __future__ import annotations

from .clock import Clock

HOUR = 3600.0


class Logins:
    """A window of one server hour for each user."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}

    def count(self, user: str, limit: int) -> bool:
        """Count a login; False if it is beyond the limit (0: no limit)."""
        now = self._clock.now()
        begin, number = self._windows.get(user, (now, 0))
        if now - begin >= HOUR:
            begin, number = now, 0
        self._windows[user] = (begin, number + 1)
        return not limit or number < limit

    def reset(self) -> None:
        self._windows.clear()
