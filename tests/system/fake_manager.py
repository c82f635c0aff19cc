# SPDX-License-Identifier: Apache-2.0
"""A Manager that logs nobody in: it says what it is told to, checks the state as the real one does, and keeps what it was asked."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Optional
from urllib.parse import parse_qs, urlencode, urlsplit

MANAGER = "io.sftoken.Manager"


class FakeManager:
    """Serves Login and CompleteLogin on a socket of its own."""

    def __init__(self, redirect_uri: str = "http://localhost:0/OauthRedirect", *, device: bool = False, response_type: str = "code") -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="fake-manager-"))
        self.path = str(self.directory / "io.sftoken.Manager")
        self.redirect_uri = redirect_uri
        self.device = device
        self.response_type = response_type
        self.outcome = ("succeeded", "logged in as ada@example.com, organization 00D1, https://example.my.salesforce.com")
        self.first: dict[str, Any] = {}          # members of the first reply that are to be others
        self.error: Optional[dict[str, Any]] = None  # instead of the first reply
        self.complete_error: Optional[dict[str, Any]] = None
        self.hold = threading.Event()            # what CompleteLogin waits for when the state was right
        self.hold.set()
        self.calls: list[dict[str, Any]] = []
        self.reached: list[str] = []             # every redirectUrl that came
        self.accepted: list[str] = []
        self.cancelled = threading.Event()
        self.state = ""
        self.login_id = ""
        self.authorization_url = ""
        self.login_peer: Optional[socket.socket] = None
        self.peers: list[socket.socket] = []
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(16)
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self) -> FakeManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.die()
        shutil.rmtree(self.directory, ignore_errors=True)

    def die(self) -> None:
        """As if it was killed."""
        for end in (self.socket, *self.peers):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def serve(self) -> None:
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            self.peers.append(peer)
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    @staticmethod
    def send(peer: socket.socket, message: dict[str, Any]) -> None:
        try:
            peer.sendall(json.dumps(message).encode() + b"\0")
        except OSError:
            pass

    def talk(self, peer: socket.socket) -> None:
        data = b""
        try:
            while more := peer.recv(65536):
                data += more
                while b"\0" in data:
                    call, _, data = data.partition(b"\0")
                    self.answer(peer, json.loads(call))
        except OSError:
            pass
        if peer is self.login_peer:
            self.cancelled.set()

    def answer(self, peer: socket.socket, call: dict[str, Any]) -> None:
        self.calls.append(call)
        parameters = call.get("parameters", {})
        if call["method"] == MANAGER + ".Login":
            assert call.get("more") is True
            self.login(peer, parameters)
        elif call["method"] == MANAGER + ".CompleteLogin":
            self.complete(peer, parameters)
        else:
            self.send(peer, {"error": "org.varlink.service.MethodNotFound", "parameters": {"method": call["method"]}})

    # -- Login -----------------------------------------------------------------------------------

    def login(self, peer: socket.socket, parameters: dict[str, Any]) -> None:
        if self.error:
            self.send(peer, self.error)
            return
        self.cancelled.clear()
        self.login_peer = peer
        self.login_id = secrets.token_urlsafe(16)
        self.state = secrets.token_urlsafe(32)
        reply: dict[str, Any] = {"loginId": self.login_id, "state": "pending", "authorizationUrl": None, "verificationUri": None,
                                 "verificationUriComplete": None, "userCode": None, "intervalSeconds": None, "message": None,
                                 "expiresAt": int(time.time()) + 300}
        if self.device:
            reply.update(verificationUri="https://login.example.com/setup/connect", userCode="WDJB-MJHT", intervalSeconds=5,
                         verificationUriComplete="https://login.example.com/setup/connect?user_code=WDJB-MJHT")
        else:
            self.authorization_url = "https://login.example.com/services/oauth2/authorize?" + urlencode(
                {"response_type": self.response_type, "client_id": "app", "redirect_uri": parameters.get("redirectUri", self.redirect_uri),
                 "state": self.state, "code_challenge": "x" * 43, "code_challenge_method": "S256"})
            reply["authorizationUrl"] = self.authorization_url
        self.send(peer, {"parameters": {**reply, **self.first}, "continues": True})

    def end(self, state: str = "", message: str = "") -> None:
        """Last reply of the login."""
        assert self.login_peer is not None
        self.send(self.login_peer, {"parameters": {"loginId": self.login_id, "state": state or self.outcome[0], "message": message or self.outcome[1]}})

    # -- CompleteLogin ---------------------------------------------------------------------------

    def complete(self, peer: socket.socket, parameters: dict[str, Any]) -> None:
        assert set(parameters) == {"loginId", "redirectUrl"}, parameters.keys()
        url = parameters["redirectUrl"]
        parts = urlsplit(url)
        states = parse_qs(parts.fragment or parts.query, keep_blank_values=True).get("state", [])
        self.reached.append(url)
        if self.complete_error:
            self.send(peer, self.complete_error)
        elif parameters["loginId"] != self.login_id:
            self.send(peer, {"error": MANAGER + ".NoSuchLogin", "parameters": {"loginId": parameters["loginId"]}})
        elif states != [self.state]:
            self.send(peer, {"error": MANAGER + ".StateMismatch", "parameters": {"loginId": self.login_id}})
        else:
            self.accepted.append(url)
            self.hold.wait(30)
            self.end()
            self.send(peer, {"parameters": {"state": self.outcome[0], "message": self.outcome[1]}})

    # -- what a browser would know ---------------------------------------------------------------

    def parameters(self) -> dict[str, str]:
        return {k: v[0] for k, v in parse_qs(urlsplit(self.authorization_url).query).items()}

    def right_url(self, code: str = "canary-code-8f31", **more: str) -> str:
        separator = "?" if self.response_type == "code" else "#"
        name = "code" if self.response_type == "code" else "access_token"
        return self.parameters()["redirect_uri"] + separator + urlencode({name: code, "state": self.state, **more})
