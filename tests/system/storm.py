# SPDX-License-Identifier: Apache-2.0
"""Very many callers at once, without a thread for each: sockets in one selector."""

from __future__ import annotations

import json
import selectors
import socket
import time
from typing import Any, Callable, Optional

Json = dict[str, Any]


class Caller:
    """One connection with one call in flight."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.buffer = b""
        self.reply: Optional[Json] = None
        self.took = 0.0
        self.started = 0.0

    def send(self, method: str, parameters: Json) -> None:
        self.reply = None
        self.started = time.monotonic()
        self.socket.send(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")

    def on_readable(self) -> bool:
        """True when the reply is there."""
        data = self.socket.recv(65536)
        if not data:
            raise AssertionError("the daemon closed a connection")
        self.buffer += data
        if b"\0" not in self.buffer:
            return False
        message, _, self.buffer = self.buffer.partition(b"\0")
        self.reply = json.loads(message)
        self.took = time.monotonic() - self.started
        return True


class Storm:
    """n connected callers."""

    def __init__(self, path: str, n: int) -> None:
        self.callers = [Caller(path) for _ in range(n)]

    def __enter__(self) -> Storm:
        return self

    def __exit__(self, *_: object) -> None:
        for caller in self.callers:
            caller.socket.close()

    def send(self, method: str, parameters: Json | Callable[[int], Json]) -> None:
        for i, caller in enumerate(self.callers):
            caller.send(method, parameters(i) if callable(parameters) else parameters)

    def receive(self, timeout: float = 60.0) -> list[Json]:
        """The reply of every caller, in the order of the callers."""
        deadline = time.monotonic() + timeout
        waiting = len(self.callers)
        with selectors.DefaultSelector() as selector:
            for caller in self.callers:
                selector.register(caller.socket, selectors.EVENT_READ, caller)
            while waiting:
                events = selector.select(max(0.0, deadline - time.monotonic()))
                if not events:
                    raise AssertionError(f"{waiting} of {len(self.callers)} callers got no answer in {timeout} s")
                for key, _ in events:
                    if key.data.on_readable():
                        selector.unregister(key.data.socket)
                        waiting -= 1
        return [caller.reply for caller in self.callers if caller.reply is not None]

    def call(self, method: str, parameters: Json | Callable[[int], Json], timeout: float = 60.0) -> list[Json]:
        self.send(method, parameters)
        return self.receive(timeout)
