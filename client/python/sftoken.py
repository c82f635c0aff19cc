# SPDX-License-Identifier: Apache-2.0
"""Live Salesforce access tokens from the local sftokend. One file, the standard library alone, Python 3.9 and later.

    import sftoken

    token = sftoken.get_token("prod")               # token.access_token, token.instance_url, token.headers

    session = requests.Session()
    session.auth = sftoken.SftokenAuth("prod")      # each request with the current token; after a 401 once more with the next one

    sf = sftoken.salesforce("prod")                 # simple-salesforce, whose session does not expire

    with sftoken.hold("prod") as held:              # the session is not ended by a renewal meanwhile
        page_through_a_query(held.token)

Everything may be used from several threads and after a fork. Each error has `exit_status`, the same as that of sftoken(1), which says
who has to act: 75 nobody (try again), 76 and 78 an administrator, 77 you are not let in, 80 a person who logs in.
"""

from __future__ import annotations

import collections
import functools
import json
import logging
import os
import select
import socket
import stat
import struct
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Deque, Dict, Iterable, Iterator, NamedTuple, Optional, Tuple, Type, Union
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests

__version__ = "0.1.0"
__all__ = ["Client", "Deadline", "Disconnected", "Error", "HeldToken", "InvalidArgument", "LifetimeTooShort", "LoginRequired", "NoSuchCredential",
           "NotServed", "ProtocolError", "RateLimited", "Refused", "Rejected", "Report", "SftokenAuth", "ShuttingDown", "TimedOut", "Token",
           "Unavailable", "Unreachable", "get_token", "hold", "report", "salesforce"]

_BROKER = "io.sftoken.Broker"
_SYSTEM_SOCKET = "/run/sftokend/io.sftoken.Broker"
_MESSAGE_MAX = 64 * 1024
_CONNECT_PAUSE_S = 0.02
_REPEAT_PAUSES_S = (0.01, 0.1)      # before a lost call is sent for the second and the third time
_WAIT_DEFAULT_S = 30
_ANSWER_SLACK_S = 5.0
_SHORT_CALL_S = 10.0
_HOLD_WAIT_S = 60.0
_IDLE_MAX = 8
_CREDENTIALS = struct.Struct("iII")     # struct ucred: pid, uid, gid

_log = logging.getLogger("sftoken")
Json = Dict[str, Any]


# --- errors -------------------------------------------------------------------------------------

class Error(Exception):
    """What went wrong, in one line for a person; it never holds a token."""

    exit_status = 70
    name = ""                               # of the Varlink error, e.g. "io.sftoken.Broker.Rejected"
    parameters: Json = {}                   # and what came with it
    retry_after_s: Optional[int] = None     # when it makes sense to try again


class InvalidArgument(Error, ValueError):
    """An argument makes no sense."""

    exit_status = 64


class NoSuchCredential(Error):
    """No credential of that name, or not yours."""

    exit_status = 66


class Unreachable(Error):
    """No daemon at the socket."""

    exit_status = 69


class ProtocolError(Error):
    """The server sent something that is not Varlink, or an error that this version does not know."""


class Disconnected(Error):
    """The connection was lost, also when the call was sent again."""

    exit_status = 75


class Deadline(Error):
    """The call's own deadline passed."""

    exit_status = 75


class Unavailable(Error):
    """Salesforce cannot be reached; try again after retry_after_s."""

    exit_status = 75


class TimedOut(Error):
    """No token in the time that the daemon was given."""

    exit_status = 75


class RateLimited(Error):
    """Too many calls; try again after retry_after_s."""

    exit_status = 75


class ShuttingDown(Error):
    """The daemon is stopping."""

    exit_status = 75


class NotServed(Error):
    """An administrator must act."""

    exit_status = 76


class Rejected(Error):
    """Salesforce answered with an OAuth error."""

    exit_status = 76


class LifetimeTooShort(Error):
    """Tokens of this credential never live so long."""

    exit_status = 76


class Refused(Error, PermissionError):
    """The socket refuses you, or its server is not to be trusted."""

    exit_status = 77


class LoginRequired(Error):
    """A person must log in."""

    exit_status = 80


def _who(parameters: Json) -> str:
    name = parameters.get("credential")
    return f'"{name}"' if name else "the default credential (none was named)"


def _say_no_credential(p: Json) -> str:
    if not p.get("credential"):
        return "no default credential for you: name one (`sftoken list` shows them)"
    return f'no credential "{p["credential"]}", or you may not use it (`sftoken list` shows yours)'


def _say_rejected(p: Json) -> str:
    if p.get("oauthError") == "token_accepted_by_server":
        return (f"Salesforce accepts this token of {_who(p)}: the refusal that you saw has another cause (permissions, IP range, API limits); "
                "do not report it again")
    what = ": ".join(str(p[key]) for key in ("oauthError", "description") if p.get(key))
    return f"Salesforce refused a token for {_who(p)}: {what}; `sftoken show` says what to change"


def _say_too_short(p: Json) -> str:
    return (f"tokens of {_who(p)} live {p.get('maxValidSeconds')} s at most now, you asked for {p.get('minValidSeconds')} s: ask for less")


# The errors of the Broker: which exception, and its sentence; those of libsftoken.
_ERRORS: Dict[str, Tuple[Type[Error], Any]] = {
    f"{_BROKER}.NoSuchCredential": (NoSuchCredential, _say_no_credential),
    f"{_BROKER}.LoginRequired": (LoginRequired, lambda p: f"{_who(p)} is not served: {p.get('message')}"),
    f"{_BROKER}.NotServed": (NotServed, lambda p: f"{_who(p)} is not served: {p.get('message')}"),
    f"{_BROKER}.Rejected": (Rejected, _say_rejected),
    f"{_BROKER}.Unavailable": (Unavailable, lambda p: f"{_who(p)} is not available now: {p.get('message')}; "
                                                      f"try again in {p.get('retryAfterSeconds')} s"),
    f"{_BROKER}.TimedOut": (TimedOut, lambda p: f"no token for {_who(p)} within {p.get('waitSeconds')} s: wait longer, or see `sftoken show`"),
    f"{_BROKER}.LifetimeTooShort": (LifetimeTooShort, _say_too_short),
    f"{_BROKER}.RateLimited": (RateLimited, lambda p: f"too many calls: try again in {p.get('retryAfterSeconds')} s"),
    f"{_BROKER}.ShuttingDown": (ShuttingDown, lambda p: "the daemon is stopping: try again in a moment"),
    "org.varlink.service.InvalidParameter": (InvalidArgument, lambda p: "the daemon does not take this value of "
                                             f"{p.get('parameter')}: see io.sftoken.Broker(7) for its range"),
    "org.varlink.service.PermissionDenied": (Refused, lambda p: "you may not do this"),
}


def _error_of(reply: Json) -> Error:
    name, parameters = str(reply["error"]), reply.get("parameters") or {}
    kind, say = _ERRORS.get(name, (ProtocolError, lambda p: f"the daemon answered {name[:120]}"))
    error = kind(say(parameters))
    error.name, error.parameters = name, parameters
    error.retry_after_s = parameters.get("retryAfterSeconds")
    return error


# --- tokens -------------------------------------------------------------------------------------

def _boottime() -> float:
    """Goes on in suspend, as the life of a token does."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Token:
    """A token and what is needed to use it. Times are seconds since 1970. Nothing that shows an object shows the secret: it is in
    `access_token` and `headers` alone."""

    __slots__ = ("__secret", "_ends", "credential", "expires_at", "expiry_source", "generation", "identity_url", "instance_url", "issued_at",
                 "organization_id", "refresh_after", "scopes", "token_type", "user_id", "username", "validity")

    def __init__(self, fields: Json) -> None:
        try:
            self.__secret: str = fields["accessToken"]
            self.token_type: str = fields["tokenType"]
            self.instance_url: str = fields["instanceUrl"]
            self.credential: str = fields["credential"]
            self.generation: int = fields["generation"]
            self.issued_at: int = fields["issuedAt"]
            self.expires_at: int = fields["expiresAt"]
            self.expiry_source: str = fields["expirySource"]
            self.validity: str = fields["validity"]
            self._ends = _boottime() + fields["expiresInSeconds"]
        except (KeyError, TypeError):
            raise ProtocolError("the daemon sent a token that this library does not understand") from None
        self.refresh_after: Optional[int] = fields.get("refreshAfter")
        self.scopes: Tuple[str, ...] = tuple(fields.get("scopes") or ())
        self.identity_url: Optional[str] = fields.get("identityUrl")
        self.organization_id: Optional[str] = fields.get("organizationId")
        self.user_id: Optional[str] = fields.get("userId")
        self.username: Optional[str] = fields.get("username")

    @property
    def access_token(self) -> str:
        return self.__secret

    @property
    def headers(self) -> Dict[str, str]:
        """For a request: {"Authorization": "Bearer ..."}"""
        return {"Authorization": f"Bearer {self.__secret}"}

    @property
    def expires_in(self) -> int:
        """Seconds left now; 0 or negative after the end. Right even when the clock of this machine is wrong."""
        return int(self._ends - _boottime())

    def __repr__(self) -> str:
        return f"<sftoken.Token {self.credential} generation {self.generation}, {self.validity}, {self.expires_in} s left>"

    def __reduce__(self) -> Any:
        raise TypeError("a token is not written down: ask for it where it is needed")


class Report(NamedTuple):
    """What the daemon says to a report."""

    accepted: bool      # it is the current generation, and is being checked
    generation: int     # the current one


# --- the socket ---------------------------------------------------------------------------------

def _find_socket() -> str:
    """$SFTOKEN_SOCKET, else the user's daemon if its socket is there, else the system's."""
    named = os.environ.get("SFTOKEN_SOCKET")
    if named:
        return named
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    user = f"{runtime}/sftokend/io.sftoken.Broker"
    try:
        if runtime.startswith("/") and stat.S_ISSOCK(os.lstat(user).st_mode):
            return user
    except OSError:
        pass
    return _SYSTEM_SOCKET


def _no_socket(path: str) -> bool:
    try:
        return not stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _may_not_use(path: str) -> Error:
    """Which group it takes, or what else is in the way."""
    import grp  # seldom needed

    if _no_socket(path):
        return Unreachable(f"{path} is no socket: a daemon's is needed")
    try:
        st = os.stat(path)
    except OSError:
        return Refused(f"you may not use {path}: a directory on the way to it is closed to you")
    if not st.st_mode & stat.S_IWGRP:
        return Refused(f"you may not use {path}: its mode is for its owner alone (uid {st.st_uid})")
    try:
        group = f"the group {grp.getgrgid(st.st_gid).gr_name} that owns it, and log in again"
    except KeyError:
        group = f"the group that owns it (gid {st.st_gid})"
    return Refused(f"you may not use {path}: ask an administrator to put you into {group}")


def _check_server(connection: socket.socket, path: str, wanted: Optional[int]) -> None:
    """The server is root, ourselves, or the owner of the socket's directory, where nobody else can put a socket; or who was named."""
    uid = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[1]
    if wanted is not None:
        if uid != wanted:
            raise Refused(f"{path} is served by uid {uid}, not by uid {wanted} as you asked")
        return
    directory = os.path.dirname(path) or "."
    try:
        status = os.stat(directory)
    except OSError as error:
        raise Refused(f"cannot look at {directory}: {error.strerror}") from None
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Refused(f"{directory} can be written by others, so its socket cannot be trusted; chmod go-w it, or set SFTOKEN_SERVER_UID to "
                      "the daemon's uid")
    if uid not in (0, os.geteuid(), status.st_uid):
        raise Refused(f"{path} is served by uid {uid}, who is neither root, nor you, nor the owner of its directory; set "
                      f"SFTOKEN_SERVER_UID={uid} if that is right")


def _server_uid_from_environment() -> Optional[int]:
    text = os.environ.get("SFTOKEN_SERVER_UID")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**32 - 1:
        raise InvalidArgument("SFTOKEN_SERVER_UID must be a number: the uid of the daemon")
    return int(text)


class _Lost(Exception):
    """The connection broke."""


class _Wire:
    """One connection. It belongs to the process and the user that opened it: the kernel told the daemon who that was."""

    def __init__(self, connection: socket.socket) -> None:
        status = os.fstat(connection.fileno())
        self.socket = connection
        self.mine = (status.st_dev, status.st_ino, os.getpid(), os.geteuid())
        self.received = bytearray()

    def usable(self) -> bool:
        return self.is_open() and self.mine[2:] == (os.getpid(), os.geteuid())

    def is_open(self) -> bool:
        """Whether the descriptor is still ours: the program may have closed it, and got the number for something else."""
        try:
            status = os.fstat(self.socket.fileno())
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.mine[:2]

    def close(self) -> None:
        """In a child this closes the child's copy."""
        if self.is_open():
            self.socket.close()
        else:
            self.socket.detach()

    def send(self, message: bytes, deadline: float) -> None:
        try:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self.socket.sendall(message)
        except (socket.timeout, TimeoutError):
            raise Deadline("the daemon does not read: see `sftoken ping`") from None
        except OSError:
            raise _Lost from None

    def receive(self, deadline: float) -> Json:
        """The next reply."""
        while b"\0" not in self.received:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Deadline("no answer in time: see `sftoken ping`")
            if len(self.received) > _MESSAGE_MAX:
                raise ProtocolError("the daemon sent a message that is too long")
            try:
                self.socket.settimeout(left)
                data = self.socket.recv(_MESSAGE_MAX)
            except (socket.timeout, TimeoutError):
                continue
            except OSError:
                raise _Lost from None
            if not data:
                raise _Lost
            self.received += data
        message, _, rest = bytes(self.received).partition(b"\0")
        self.received = bytearray(rest)
        try:
            reply = json.loads(message)
        except ValueError:
            reply = None
        if not isinstance(reply, dict) or not isinstance(reply.get("parameters") or {}, dict):
            raise ProtocolError("the daemon sent something that is not Varlink")
        return reply

    def heard(self) -> bool:
        """Whether receive() would find something, or the end, without waiting."""
        return b"\0" in self.received or self._readable()

    def _readable(self) -> bool:
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))


class Client:
    """The daemon at one socket. Threads that call at the same time do not wait for each other: each gets a connection of its own, and
    what is idle is used again. After a fork, or a change of uid, a new one is opened.

    path: of the Broker socket; None: $SFTOKEN_SOCKET, else the user's daemon, else the system's. connect_wait: seconds to look for a daemon
    that is not there. server_uid: whose socket it must be, instead of root, yourself or the owner of its directory ($SFTOKEN_SERVER_UID)."""

    def __init__(self, path: Optional[str] = None, *, connect_wait: float = 2.0, server_uid: Optional[int] = None) -> None:
        self._path = path
        self._connect_wait = max(connect_wait, 0.0)
        self._server_uid = server_uid
        self._idle: Deque[_Wire] = collections.deque()     # its methods are atomic: no lock that a fork could leave locked

    def __repr__(self) -> str:
        return f"<sftoken.Client at {self.path}>"

    @property
    def path(self) -> str:
        """The socket that the next connection is made to."""
        return self._path or _find_socket()

    def close(self) -> None:
        """Closes idle connections. The client can be used again."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- connections -----------------------------------------------------------------------------

    def _try(self, path: str, left_s: float) -> socket.socket:
        """connect() on AF_UNIX waits for room in the backlog; SO_SNDTIMEO limits that."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            left_us = max(int(left_s * 1e6), 1000)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", left_us // 1000000, left_us % 1000000))
            connection.settimeout(None)
            connection.connect(path)
            return connection
        except BaseException:
            connection.close()
            raise

    def _connect(self, deadline: float) -> _Wire:
        wanted = self._server_uid if self._server_uid is not None else _server_uid_from_environment()
        until = min(deadline, time.monotonic() + self._connect_wait)
        while True:
            path = self.path
            if len(os.fsencode(path)) > 107:
                raise InvalidArgument(f"the socket's path is longer than 107 bytes: {path}")
            try:
                connection = self._try(path, until - time.monotonic())
                break
            except PermissionError:
                raise _may_not_use(path) from None
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError) as error:
                left = until - time.monotonic()
                if left <= 0:
                    if _no_socket(path):
                        raise Unreachable(f"{path} is no socket: a daemon's is needed") from None
                    raise Unreachable(f"no daemon at {path}: is sftokend running?" if not isinstance(error, BlockingIOError)
                                      else f"cannot connect to {path}: {error.strerror}") from None
                time.sleep(min(left, _CONNECT_PAUSE_S))
            except OSError as error:
                raise Unreachable(f"cannot connect to {path}: {error.strerror or error}") from None
        try:
            _check_server(connection, path, wanted)
            return _Wire(connection)
        except BaseException:
            connection.close()
            raise

    def _take(self, deadline: float) -> _Wire:
        """An idle connection, or a new one."""
        while True:
            try:
                wire = self._idle.pop()
            except IndexError:
                return self._connect(deadline)
            if wire.usable():
                return wire
            wire.close()

    def _give_back(self, wire: _Wire) -> None:
        if len(self._idle) < _IDLE_MAX:
            self._idle.append(wire)
        else:
            wire.close()

    # -- calls -----------------------------------------------------------------------------------

    def _first_reply(self, method: str, parameters: Json, timeout: float, more: bool = False) -> Tuple[_Wire, Json]:
        """Sends the call, and again after a lost connection or the end of a daemon, at most twice. The connection and the first reply."""
        deadline = time.monotonic() + timeout
        call: Json = {"method": f"{_BROKER}.{method}", "parameters": {k: _whole(k, v) for k, v in parameters.items() if v is not None}}
        message = json.dumps({**call, "more": True} if more else call).encode() + b"\0"
        if len(message) > _MESSAGE_MAX or len(parameters.get("reason") or "") > 256:  # too long for an answer: it would look like a lost connection
            raise InvalidArgument(f"a reason has at most 256 bytes, and a call {_MESSAGE_MAX // 1024} KiB")
        wire = self._take(deadline)
        for pause in (*_REPEAT_PAUSES_S, None):
            try:
                wire.send(message, deadline)
                reply = wire.receive(deadline)
                if "error" not in reply:
                    return wire, reply
                error = _error_of(reply)
                if not isinstance(error, ShuttingDown):
                    self._give_back(wire)
                    raise error
            except _Lost:
                error = Disconnected(f"the daemon at {self.path} closed the connection")
            except BaseException as problem:
                if not isinstance(problem, Error) or not problem.name:  # an answer leaves the connection as it was
                    wire.close()
                raise
            wire.close()
            if pause is None:
                raise error
            if deadline - time.monotonic() > pause:
                time.sleep(pause)
            try:
                wire = self._connect(deadline)
            except Unreachable:
                if isinstance(error, ShuttingDown):
                    raise error from None
                raise
        raise AssertionError

    def _call(self, method: str, parameters: Json, timeout: float) -> Json:
        wire, reply = self._first_reply(method, parameters, timeout)
        self._give_back(wire)
        return dict(reply.get("parameters") or {})

    def get_token(self, credential: Optional[str] = None, *, min_valid: Optional[int] = None, rejected: Union[Token, int, None] = None,
                  wait: Optional[int] = None, allow_stale: bool = False, timeout: Optional[float] = None,
                  reason: Optional[str] = None) -> Token:
        """The current token; waits for one if there is none.

        credential: name or alias; None: your default one. min_valid: seconds that it must live. rejected: the token, or its generation,
        that Salesforce refused: the daemon checks that, and a newer one is waited for. wait: seconds that the daemon may wait (0 to 300,
        default 30). allow_stale: a token whose believed life is over is better than an error. timeout: seconds for the whole call,
        connecting included (default wait + 5). reason: for the audit log, at most 256 bytes."""
        if timeout is None:
            timeout = (_WAIT_DEFAULT_S if wait is None else wait) + _ANSWER_SLACK_S
        answer = self._call("GetToken", {"credential": credential, "minValidSeconds": min_valid, "rejectedGeneration": _generation(rejected),
                                         "waitSeconds": wait, "allowStale": allow_stale or None, "reason": reason}, timeout)
        return Token(answer.get("token") or {})

    def report(self, rejected: Union[Token, int], credential: Optional[str] = None, *, http_status: Optional[int] = None,
               error_code: Optional[str] = None) -> Report:
        """Says that Salesforce refused a token (or generation); does not wait for the check. With a token, its credential is meant."""
        if credential is None and isinstance(rejected, Token):
            credential = rejected.credential
        answer = self._call("ReportRejected", {"credential": credential, "generation": _generation(rejected), "httpStatus": http_status,
                                               "errorCode": error_code}, _SHORT_CALL_S)
        return Report(bool(answer.get("accepted")), int(answer.get("generation") or 0))

    def hold(self, credential: Optional[str] = None, *, max_seconds: Optional[int] = None, timeout: float = _HOLD_WAIT_S) -> HeldToken:
        """Holds the session of the current token, for a query that is paged through or a Bulk job: a renewal that would end it waits.
        max_seconds: for how long at most (the daemon's MaxHold= is less or more). timeout: seconds to wait for a token."""
        wire, reply = self._first_reply("HoldToken", {"credential": credential, "maxSeconds": max_seconds}, timeout, more=True)
        try:
            return HeldToken(wire, reply)
        except BaseException:
            wire.close()
            raise


def _whole(name: str, value: Any) -> Any:
    """Numbers of the interface are integers: 600.0 is one, too, but 0.5 would be taken for garbage, and the connection closed."""
    if not isinstance(value, float):
        return value
    if not value.is_integer():
        raise InvalidArgument(f"{name} is a whole number, not {value}")
    return int(value)


def _generation(rejected: Union[Token, int, None]) -> Optional[int]:
    return rejected.generation if isinstance(rejected, Token) else rejected


class HeldToken:
    """A held session: `with sftoken.hold("prod") as held`. The hold ends with the block, at its longest, or when the token must be renewed.
    The daemon says so ahead: look at `ending` between two pages, or wait for fileno() to become readable."""

    def __init__(self, wire: _Wire, reply: Json) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._ended = self._ending = False
        self.token = Token((reply.get("parameters") or {}).get("token") or {})
        self._take(reply)

    def _take(self, reply: Json) -> None:
        parameters = reply.get("parameters") or {}
        self._ends = _boottime() + float(parameters.get("endsInSeconds") or 0)
        self._ending = self._ending or bool(parameters.get("ending"))
        self._ended = self._ended or not reply.get("continues")

    def _listen(self) -> None:
        """What has come meanwhile. A connection that was lost is the end of the hold, too."""
        with self._lock:
            while not self._ended and self._wire.usable() and self._wire.heard():
                try:
                    reply = self._wire.receive(time.monotonic() + 1.0)
                    self._ended = "error" in reply
                    self._take(reply)
                except (_Lost, Error):
                    self._ended = True
            if self._ended or not self._wire.usable():
                self._ended = self._ending = True

    @property
    def ending(self) -> bool:
        """Finish what is open: the hold is about to end, or has ended."""
        self._listen()
        return self._ending

    @property
    def ended(self) -> bool:
        """The session may be over: ask for a new token, and begin again."""
        self._listen()
        return self._ended

    @property
    def ends_in(self) -> int:
        """Seconds until the hold ends."""
        self._listen()
        return 0 if self._ended else max(int(self._ends - _boottime()), 0)

    def fileno(self) -> int:
        """For select and the like: readable when `ending` or `ended` has changed."""
        return self._wire.socket.fileno()

    def close(self) -> None:
        """Ends the hold."""
        with self._lock:
            self._ended = self._ending = True
            self._wire.close()

    def __enter__(self) -> HeldToken:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<sftoken.HeldToken of {self.token!r}>"


# --- requests and simple-salesforce -------------------------------------------------------------

def _origin(url: str) -> Tuple[str, str, Optional[int]]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _is_session_error(answer: requests.Response) -> bool:
    return answer.status_code == 401 and b"INVALID_SESSION_ID" in answer.content


class SftokenAuth:
    """For `auth=` of requests: every request goes with the current token. When Salesforce answers 401 INVALID_SESSION_ID, the token is
    reported, and the request is sent once more with the next one; a second 401 is given to the caller, and so is the first one where there
    is no other token, or where the body is a stream that cannot be sent again. Such a request was refused before it did anything, so that
    this holds for all methods.

    The token goes to the address of the org alone (instance_url), and to the hosts named in `hosts`; a request to anywhere else is an
    error. `wait`, `min_valid` and `reason` are those of get_token()."""

    def __init__(self, credential: Optional[str] = None, *, client: Optional[Client] = None, hosts: Iterable[str] = (), wait: Optional[int] = None,
                 min_valid: Optional[int] = None, reason: Optional[str] = None) -> None:
        self.credential = credential
        self._client = client or _default
        self._options: Json = {"wait": wait, "min_valid": min_valid, "reason": reason}
        self._origins = {("https", host.lower(), 443) for host in hosts}

    def __repr__(self) -> str:
        return f"<sftoken.SftokenAuth {self.credential or '(default credential)'}>"

    def _get(self, rejected: Optional[Token] = None) -> Token:
        token = self._client.get_token(self.credential, rejected=rejected, **self._options)
        self._origins.add(_origin(token.instance_url))      # an org that has moved answers at its old address, too
        return token

    @staticmethod
    def _put(request: requests.PreparedRequest, token: Token) -> None:
        request.headers.update(token.headers)
        if "X-SFDC-Session" in request.headers:     # of the first Bulk API
            request.headers["X-SFDC-Session"] = token.access_token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._get()
        if _origin(request.url or "") not in self._origins:
            raise InvalidArgument(f"a token for {token.instance_url} does not go to {urlsplit(request.url or '').netloc}: name the host in hosts= "
                                  "of SftokenAuth if it belongs to the org")
        self._put(request, token)
        request.register_hook("response", functools.partial(self._answered, token=token, position=_position(request.body)))
        return request

    def _answered(self, answer: requests.Response, *, token: Token, position: Any, **how: Any) -> requests.Response:
        sent = answer.request
        if sent.headers.get("Authorization") != token.headers["Authorization"] or not _is_session_error(answer):
            return answer                           # also where requests has followed a redirect to another host
        try:
            newer = self._get(rejected=token)
        except Error as error:
            _log.warning("%s", error)
            return answer
        if newer.generation == token.generation or not _rewind(sent.body, position):
            return answer
        answer.close()
        again = sent.copy()
        self._put(again, newer)
        second: requests.Response = answer.connection.send(again, **how)  # type: ignore[attr-defined]
        second.history.append(answer)
        second.request = again
        return second


def _position(body: Any) -> Any:
    """Where a stream stands: what _rewind() needs. None: it is no stream, or nobody knows."""
    try:
        return body.tell()
    except (AttributeError, OSError):
        return None


def _rewind(body: Any, position: Any) -> bool:
    """Whether the body can be sent again."""
    if body is None or isinstance(body, (str, bytes)):
        return True
    if position is None:
        return False
    try:
        body.seek(position)
    except (AttributeError, OSError):
        return False
    return True


def salesforce(credential: Optional[str] = None, *, client: Optional[Client] = None, **options: Any) -> Any:
    """simple_salesforce.Salesforce for the credential, with a session that takes the current token for each request. `options` go to
    its constructor (version=...). Needs requests and simple-salesforce."""
    import requests                         # pylint: disable=import-outside-toplevel
    from simple_salesforce import Salesforce    # type: ignore[import-not-found]  # pylint: disable=import-outside-toplevel

    auth = SftokenAuth(credential, client=client)
    token = (client or _default).get_token(credential)
    session = options.pop("session", None) or requests.Session()
    session.auth = auth
    return Salesforce(instance_url=token.instance_url, session_id=token.access_token, session=session, **options)


# --- the daemon of this machine -----------------------------------------------------------------

_default = Client()


def get_token(credential: Optional[str] = None, **options: Any) -> Token:
    """Client.get_token() of the daemon that $SFTOKEN_SOCKET, the user or the system has."""
    return _default.get_token(credential, **options)


def report(rejected: Union[Token, int], credential: Optional[str] = None, **options: Any) -> Report:
    """Client.report() of the same."""
    return _default.report(rejected, credential, **options)


def hold(credential: Optional[str] = None, **options: Any) -> HeldToken:
    """Client.hold() of the same."""
    return _default.hold(credential, **options)
