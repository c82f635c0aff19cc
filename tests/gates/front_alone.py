# SPDX-License-Identifier: Apache-2.0
"""sftokend-front alone: this module plays its parent (control channel) and its mint (link)."""

import json
import os
import resource
import select
import socket
import subprocess
import tempfile
import time

PACKET_MAX = 64 * 1024
# our ends of its connections; su(1) and logins leave 1024 at first
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

PATIENCE = 120  # seconds; under valgrind everything is slow, and nothing here waits in vain


def boottime_ms():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def packet(kind, **members):
    return json.dumps({"type": kind, **members}).encode()


class Timeout(Exception):
    pass


class Front:
    """One process, with one broker socket and one link at a time."""

    def __init__(self, program, wrapper=(), env=None):
        self.dir = tempfile.TemporaryDirectory(prefix="front-")
        self.path = os.path.join(self.dir.name, "io.sftoken.Broker")
        self.control, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.stderr_path = os.path.join(self.dir.name, "stderr")
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", 'fd="$1"; shift; eval "exec \\"\\$@\\" 3<&$fd"', "sh", str(child.fileno()),
                 *wrapper, program],
                pass_fds=[child.fileno()], stderr=stderr, stdout=subprocess.DEVNULL, env=env)
        child.close()
        self.link = None
        self.received = []  # from the link, in order
        self.listen()
        self.new_link()
        self.tell_parent("ListenersEnd")

    def tell_parent(self, kind, fd=None, **members):
        """What the parent says to the front."""
        if fd is None:
            self.control.send(packet(kind, **members))
        else:
            socket.send_fds(self.control, [packet(kind, **members)], [fd])

    def listen(self, name="broker", interface="broker"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self.path)
            listener.listen(4096)
            self.tell_parent("Listener", fd=listener.fileno(), name=name, interface=interface, path=self.path)

    def new_link(self):
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.tell_parent("Link", fd=theirs.fileno())
        if self.link:
            self.link.close()
        self.link = mine
        # the front speaks first here; a mint of the same build says the same
        self.say("Hello", build=self.hear("Hello")["build"])

    def say(self, kind, **members):
        """What the mint says to the front."""
        self.link.send(packet(kind, **members))

    def hear(self, kind, sock=None, seconds=PATIENCE):
        """Waits for a packet of that kind; what comes before it is kept in received."""
        sock = sock or self.link
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([sock], [], [], left)[0]:
                raise Timeout(f"no {kind}; the front wrote: {self.words()}")
            data = sock.recv(PACKET_MAX)
            if not data:
                raise Timeout(f"the front closed before {kind}; it wrote: {self.words()}")
            message = json.loads(data)
            if message["type"] == kind:
                return message
            self.received.append(message)

    def drain(self):
        """Everything that the front has sent over the link by now."""
        while select.select([self.link], [], [], 0)[0]:
            data = self.link.recv(PACKET_MAX)
            if not data:
                break
            self.received.append(json.loads(data))
        taken, self.received = self.received, []
        return taken

    def words(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def rules(self, limits=None, **members):
        self.say("Rules", limits=limits or {}, listeners=[{"name": "broker", "globs": []}], service_uid=os.getuid(), **members)

    def credential(self, name, uids=None, gids=(), aliases=(), state="valid", attempt=False, **members):
        self.say("Credential", name=name, aliases=list(aliases), uids=[os.getuid()] if uids is None else uids,
                 gids=list(gids), grant_type="client_credentials", state=state, upstream_attempts=1,
                 attempt=attempt, **members)

    def publish(self, name, generation, token, life_s=7200, **members):
        now = boottime_ms()
        wall = int(time.time())
        fields = dict(
            credential=name, origin="client_credentials https://login.example client", generation=generation,
            token=token, instance_url="https://example.my.salesforce.com", life_ms=life_s * 1000, issued_ms=now,
            deadline_ms=now + life_s * 1000, refresh_after_ms=now + life_s * 500, issued_wall=wall,
            expires_wall=wall + life_s, refresh_after_wall=wall + life_s // 2, expiry_source="response",
            unchanged=False, reported=False, vouched_ms=now, scopes=["api"],
            identity_url="https://login.salesforce.com/id/00D000000000001EAA/005000000000001AAA",
            organization_id="00D000000000001EAA", user_id="005000000000001AAA", username="etl@example.com")
        fields.update(members)
        self.say("Publish", **fields)

    def sync(self):
        self.say("Synced")
        return self.hear("Ready", self.control)

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(PATIENCE)
        s.connect(self.path)
        return s

    def stop(self):
        """Ends it as the parent does; returns the exit status."""
        self.tell_parent("Stop")
        return self.process.wait(PATIENCE)

    def close(self):
        self.control.close()
        if self.link:
            self.link.close()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.dir.cleanup()


def request(method, more=False, **parameters):
    call = {"method": "io.sftoken.Broker." + method, "parameters": parameters}
    if more:
        call["more"] = True
    return json.dumps(call, separators=(",", ":")).encode() + b"\0"


def read_reply(s, rest=b""):
    """One reply and what came after it."""
    while b"\0" not in rest:
        data = s.recv(PACKET_MAX)
        if not data:
            raise ConnectionError("the front closed the connection")
        rest += data
    reply, _, rest = rest.partition(b"\0")
    return reply, rest


def ask(s, method, **parameters):
    s.sendall(request(method, **parameters))
    return json.loads(read_reply(s)[0])
