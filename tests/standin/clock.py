# SPDX-License-Identifier: Apache-2.0
"""The two clocks of the stand-in.

Server time counts the age of sessions and may run faster than real time, so that two hours pass in
seconds. Every time that a client is told (exp, iat, issued_at, Date) is on the wall clock of the
machine, moved by an offset: a session of 7200 s at scale 240 is announced to end in 30 s.
"""

from __future__ import annotations

import time


def boottime() -> float:
    """CLOCK_BOOTTIME in seconds: comparable with what the daemon logs."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Server time in seconds since the start, and the wall clock that clients are told."""

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self._base = boottime()
        self._passed = 0.0
        self.offset = 0.0

    @property
    def scale(self) -> float:
        return self._scale

    @scale.setter
    def scale(self, scale: float) -> None:
        self._passed = self.now()
        self._base = boottime()
        self._scale = scale

    def now(self) -> float:
        return self._passed + (boottime() - self._base) * self._scale

    def advance(self, seconds: float) -> None:
        """Let server time jump: sessions are that much older at once."""
        self._passed += seconds

    def wall(self) -> float:
        return time.time() + self.offset

    def wall_at(self, server_time: float) -> float:
        """The wall clock time at which server time will be (was) server_time."""
        return self.wall() + (server_time - self.now()) / self._scale
