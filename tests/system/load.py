# SPDX-License-Identifier: Apache-2.0
"""Callers of libsftoken that ask without a pause, for the tests that kill processes under load."""

from __future__ import annotations

import ctypes
import threading
import time
from typing import Optional

from harness import ROOT, VARIANT, Skip


class Options(ctypes.Structure):
    """struct sftoken_get_options"""

    _fields_ = [("size", ctypes.c_size_t), ("credential", ctypes.c_char_p), ("rejected_generation", ctypes.c_int64),
                ("min_valid_s", ctypes.c_int), ("wait_s", ctypes.c_int), ("allow_stale", ctypes.c_int),
                ("timeout_ms", ctypes.c_int), ("reason", ctypes.c_char_p)]


class Error(ctypes.Structure):
    """struct sftoken_err"""

    _fields_ = [("code", ctypes.c_int), ("retry_after_s", ctypes.c_int64), ("name", ctypes.c_char * 128),
                ("text", ctypes.c_char * 512)]


def library() -> ctypes.CDLL:
    """The installed libsftoken; the release build of it, because a sanitizer cannot be loaded into Python."""
    root = ROOT if VARIANT == "release" else ROOT.parent / "root"
    found = sorted(root.glob("usr/lib/**/libsftoken.so.0"))
    if not found:
        raise Skip("the release build of libsftoken is not there: ./dev build")
    lib = ctypes.CDLL(str(found[0]))
    lib.sftoken_token_generation.restype = ctypes.c_int64
    lib.sftoken_token_generation.argtypes = [ctypes.c_void_p]
    lib.sftoken_token_access_token.restype = ctypes.c_char_p
    lib.sftoken_token_access_token.argtypes = [ctypes.c_void_p]
    lib.sftoken_token_free.argtypes = [ctypes.c_void_p]
    lib.sftoken_close.argtypes = [ctypes.c_void_p]
    lib.sftoken_get.argtypes = [ctypes.c_void_p, ctypes.POINTER(Options), ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(Error)]
    lib.sftoken_open.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.POINTER(Error)]
    return lib


class LibraryCaller(threading.Thread):
    """Asks for `credential` until stopped, pausing so many seconds between two calls."""

    def __init__(self, lib: ctypes.CDLL, path: str, credential: str, pause: float = 0.0) -> None:
        super().__init__(daemon=True)
        self.lib, self.pause = lib, pause
        self.options = Options(ctypes.sizeof(Options), credential.encode(), 0, -1, -1, 0, 0, None)
        self.handle = ctypes.c_void_p()
        self.error = Error()
        if lib.sftoken_open(ctypes.byref(self.handle), path.encode(), ctypes.byref(self.error)) < 0:
            raise AssertionError(self.error.text.decode())
        self.stopping = threading.Event()
        self.calls = 0
        self.errors: list[str] = []
        self.generations: list[int] = []
        self.slowest = 0.0

    def one(self) -> Optional[int]:
        """One get; its generation, or None after an error."""
        token = ctypes.c_void_p()
        started = time.monotonic()
        status = self.lib.sftoken_get(self.handle, ctypes.byref(self.options), ctypes.byref(token), ctypes.byref(self.error))
        self.slowest = max(self.slowest, time.monotonic() - started)
        self.calls += 1
        if status < 0:
            self.errors.append(self.error.text.decode())
            return None
        generation = int(self.lib.sftoken_token_generation(token))
        self.lib.sftoken_token_free(token)
        return generation

    def run(self) -> None:
        while not self.stopping.is_set():
            generation = self.one()
            if generation is not None and (not self.generations or self.generations[-1] != generation):
                self.generations.append(generation)
            if self.pause:
                time.sleep(self.pause)

    def stop(self) -> None:
        self.stopping.set()
        self.join(60)
        self.lib.sftoken_close(self.handle)


class Load:
    """n callers at once; no_errors() at the end."""

    def __init__(self, path: str, credentials: list[str], n: int = 8, pause: float = 0.001) -> None:
        lib = library()
        self.callers = [LibraryCaller(lib, path, credentials[i % len(credentials)], pause) for i in range(n)]

    def __enter__(self) -> Load:
        for caller in self.callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        for caller in self.callers:
            caller.stop()

    @property
    def calls(self) -> int:
        return sum(c.calls for c in self.callers)

    @property
    def errors(self) -> list[str]:
        return [e for c in self.callers for e in c.errors]

    @property
    def slowest(self) -> float:
        return max(c.slowest for c in self.callers)
