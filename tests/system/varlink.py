# SPDX-License-Identifier: Apache-2.0
"""A Varlink client of the tests, written from the protocol's own description: nothing of ours is in it."""

from __future__ import annotations

import json
import socket
import time
from typing import Any, Iterator, Optional

Json = dict[str, Any]
BROKER = "io.sftoken.Broker"
MANAGER = "io.sftoken.Manager"
SERVICE = "org.varlink.service"


class VarlinkError(Exception):
    """An error reply: name and parameters."""

    def __init__(self, name: str, parameters: Json) -> None:
        super().__init__(f"{name} {parameters}")
        self.name = name
        self.short = name.rpartition(".")[2]
        self.parameters = parameters


class Closed(Exception):
    """The other end closed the connection."""


class Connection:
    """One connection; calls may be pipelined by hand with send() and receive()."""

    def __init__(self, path: str, timeout: float = 30.0) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.buffer = b""

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send_raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send(self, method: str, parameters: Optional[Json] = None, **flags: bool) -> None:
        call: Json = {"method": method}
        if parameters is not None:
            call["parameters"] = parameters
        call.update(flags)
        self.send_raw(json.dumps(call).encode() + b"\0")

    def receive_raw(self) -> bytes:
        """The next message without its NUL; Closed at the end of the stream."""
        while b"\0" not in self.buffer:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError as error:
                raise Closed from error
            if not data:
                raise Closed
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return message

    def receive(self) -> Json:
        """Parameters of the next reply; VarlinkError for an error."""
        reply = json.loads(self.receive_raw())
        if "error" in reply:
            raise VarlinkError(reply["error"], reply.get("parameters") or {})
        return dict(reply.get("parameters") or {})

    def call(self, method: str, parameters: Optional[Json] = None) -> Json:
        self.send(method, parameters)
        return self.receive()

    def more(self, method: str, parameters: Optional[Json] = None) -> Iterator[Json]:
        """Every reply of a call with more."""
        self.send(method, parameters, more=True)
        while True:
            reply = json.loads(self.receive_raw())
            if "error" in reply:
                raise VarlinkError(reply["error"], reply.get("parameters") or {})
            yield dict(reply.get("parameters") or {})
            if not reply.get("continues"):
                return

    def is_closed(self, within: float = 5.0) -> bool:
        """Whether the other end closes within so many seconds (what it sends before is dropped)."""
        deadline = time.monotonic() + within
        self.socket.settimeout(within)
        try:
            while time.monotonic() < deadline:
                if not self.socket.recv(65536):
                    return True
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return False

    # -- what most tests want --------------------------------------------------------------------

    def get(self, credential: Optional[str] = None, **parameters: Any) -> Json:
        """GetToken: the token object."""
        if credential is not None:
            parameters["credential"] = credential
        return dict(self.call(BROKER + ".GetToken", parameters)["token"])

    def info(self, credential: str) -> Json:
        return dict(self.call(BROKER + ".GetCredential", {"credential": credential})["credential"])
