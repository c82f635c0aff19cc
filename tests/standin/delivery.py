# SPDX-License-Identifier: Apache-2.0
"""Did the client get it? The fate of an answer that carries a new refresh token.

The kernel tells: a process that dies (or closes) with unread bytes in its socket sends RST, one
that has read everything sends FIN. An answer that is written to a socket whose other end is already
closed is answered by RST too, which the state of our socket shows.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Callable, Optional

from .clock import boottime

ESTABLISHED = 1
CLOSE = 7
CLOSE_WAIT = 8


def tcp_state(transport: asyncio.BaseTransport) -> int:
    """The state of the connection as the kernel has it; CLOSE when there is none any more."""
    sock = transport.get_extra_info("socket")
    try:
        return int(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])
    except (AttributeError, OSError):
        return CLOSE


class Delivery:
    """One answer on its way. `facts` is what tests get; it is settled once."""

    __slots__ = ("facts", "_settled")

    def __init__(self, facts: dict[str, Any], settled: Callable[[bool], None]) -> None:
        self.facts = facts | {"written": False, "taken": None, "how": None, "t_end": None}
        self._settled = settled

    @property
    def open(self) -> bool:
        return self.facts["taken"] is None

    def settle(self, taken: bool, how: str) -> None:
        """It has been read, or never will be."""
        if self.open:
            self.facts.update(taken=taken, how=how, t_end=boottime())
            self._settled(taken)

    def begin(self, transport: asyncio.BaseTransport) -> None:
        """It is about to be written: is there still somebody?"""
        if tcp_state(transport) != ESTABLISHED:
            self.settle(False, "gone")

    def written(self) -> None:
        """All of it has been given to the socket."""
        self.facts["written"] = True

    def closed(self, transport: asyncio.BaseTransport, how: str) -> None:
        """The client has closed its side in order."""
        if self.facts["written"] and tcp_state(transport) in (ESTABLISHED, CLOSE_WAIT):
            self.settle(True, how)
        else:
            self.settle(False, "reset" if self.facts["written"] else "gone")

    def lost(self, exc: Optional[Exception], how: Optional[str] = None) -> None:
        """The connection is no more, or a fault has swallowed the answer."""
        self.settle(False, how or ("reset" if exc else "aborted"))
