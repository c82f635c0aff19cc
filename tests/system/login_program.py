# SPDX-License-Identifier: Apache-2.0
"""`sftoken login` as a running program: with pipes, or at a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
from typing import Sequence

from harness import SANITIZERS, same, wait_for

# A shell that runs us in the background has it ignored, and so would be what we start.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Program:
    """Started at once; `never`: words that must be in nothing that it writes."""

    def __init__(self, words: Sequence[str], environment: dict[str, str], *, terminal: bool = False, columns: int = 120, rows: int = 60,
                 user: int | None = None, never: Sequence[str] = ()) -> None:
        env = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8", **SANITIZERS, **environment}
        who = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        self.text, self.leader, self.follower, self.never = "", -1, -1, list(never)
        if terminal:
            self.leader, self.follower = pty.openpty()
            self.output = self.leader
            fcntl.ioctl(self.follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            self.process = subprocess.Popen(list(words), stdin=self.follower, stdout=self.follower, stderr=self.follower, env=env,
                                            start_new_session=True, **who)  # type: ignore[call-overload]
        else:
            self.process = subprocess.Popen(list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
                                            start_new_session=True, **who)  # type: ignore[call-overload]
            assert self.process.stdout
            self.output = self.process.stdout.fileno()

    def close(self) -> None:
        """Ends it; may be called twice."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        for end in (self.leader, self.follower):
            if end >= 0:
                os.close(end)
        self.leader = self.follower = -1

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.follower)[3] & termios.ECHO)

    def read(self, timeout: float = 0.05) -> bool:
        if not select.select([self.output], [], [], timeout)[0]:
            return False
        more = os.read(self.output, 65536).decode(errors="replace")
        self.text += more
        return bool(more)

    def wait_text(self, wanted: str) -> None:
        """On the terminal, or on standard output."""
        def there() -> bool:
            self.read()
            return wanted in self.text
        wait_for(there, f"{wanted!r} in the output")

    def type(self, text: str) -> None:
        os.write(self.leader, text.encode())

    def end(self, status: int, timeout: float = 20.0) -> tuple[str, str]:
        """Waits for the end; what was written (at a terminal: all of it first)."""
        if self.leader >= 0:
            def over() -> bool:
                self.read()
                return self.process.poll() is not None
            wait_for(over, "the end of sftoken", timeout)
            while self.read():
                pass
            assert self.echoes(), "the terminal is left without echo"
            out, err = self.text, ""
        else:
            rest, errors = self.process.communicate(timeout=timeout)
            out, err = self.text + rest.decode(), errors.decode()
        same(self.process.returncode, status, out + err)
        for word in (*self.never, "AddressSanitizer", "runtime error"):
            assert word not in out + err, out + err
        return out, err
