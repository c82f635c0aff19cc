# SPDX-License-Identifier: Apache-2.0
"""Makes a running process execute a system call, with ptrace: what an attacker could do who has taken it over. x86-64."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
from pathlib import Path

CALLS = {"read": 0, "write": 1, "mmap": 9, "getpid": 39, "socket": 41, "connect": 42, "clone": 56, "fork": 57, "execve": 59, "kill": 62, "ptrace": 101,
         "openat": 257, "process_vm_readv": 310, "clone3": 435, "pidfd_open": 434, "io_uring_setup": 425}
PTRACE_SINGLESTEP, PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_ATTACH, PTRACE_DETACH = 9, 12, 13, 16, 17
FIELDS = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs".split()


class Registers(ctypes.Structure):
    """struct user_regs_struct"""

    _fields_ = [(name, ctypes.c_ulonglong) for name in FIELDS]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request: int, pid: int, data: object = None) -> None:
    if libc.ptrace(request, pid, None, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace {request}: {os.strerror(number)}")


NO_CALL = ctypes.c_ulonglong(-1).value  # orig_rax of a process that computes


def attach(pid: int) -> Registers:
    """Stops it in the system call that it waits in (epoll_wait); its registers."""
    if platform.machine() != "x86_64":
        raise OSError("system calls can be injected on x86-64 only")
    registers = Registers()
    for _ in range(1000):
        ptrace(PTRACE_ATTACH, pid)
        os.waitpid(pid, 0)
        ptrace(PTRACE_GETREGS, pid, ctypes.byref(registers))
        if registers.orig_rax != NO_CALL:
            return registers
        ptrace(PTRACE_DETACH, pid)
        os.sched_yield()
    raise OSError(f"process {pid} does not wait in any system call")


def prepared(registers: Registers, call: str, arguments: list[int]) -> Registers:
    """The registers that make it execute its "syscall" instruction once more, with other arguments."""
    changed = Registers.from_buffer_copy(registers)
    changed.rip -= 2
    changed.rax = CALLS[call]
    changed.orig_rax = NO_CALL
    for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), arguments + [0] * 6):
        setattr(changed, name, ctypes.c_ulonglong(value).value)
    return changed


def inject(pid: int, call: str, *arguments: int) -> int:
    """Lets it make the call and go on. The result; -1000 - N when signal N killed it."""
    registers = attach(pid)
    changed = prepared(registers, call, list(arguments))
    ptrace(PTRACE_SETREGS, pid, ctypes.byref(changed))
    ptrace(PTRACE_SINGLESTEP, pid)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return -1000 - os.WTERMSIG(status)
    if os.WSTOPSIG(status) == signal.SIGSYS:
        ptrace(PTRACE_DETACH, pid, ctypes.c_void_p(signal.SIGSYS))
        return -1000 - signal.SIGSYS
    ptrace(PTRACE_GETREGS, pid, ctypes.byref(changed))
    ptrace(PTRACE_SETREGS, pid, ctypes.byref(registers))
    ptrace(PTRACE_DETACH, pid)
    return ctypes.c_longlong(changed.rax).value


def readable_maps(pid: int) -> list[tuple[int, int, str]]:
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        parts = line.split(maxsplit=5)
        if parts[1].startswith("r") and "vvar" not in line and "[vsyscall]" not in line:
            start, end = (int(x, 16) for x in parts[0].split("-"))
            found.append((start, end, line))
    return found


def dump(pid: int, path: str) -> dict[str, int]:
    """All its memory into a file. Pages that /proc/PID/mem does not give (memfd_secret) it must write by itself, to its standard error, which
    must be a regular file: they are read from there. Bytes by way."""
    count = {"mem": 0, "self": 0, "left": 0}
    with open(path, "wb") as out, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory, open(f"/proc/{pid}/fd/2", "rb") as log:
        for start, end, line in readable_maps(pid):
            if end - start > 1 << 30:
                raise OSError(f"{line}: too large to dump")
            at = start
            while at < end:
                size = min(1 << 20, end - at)
                try:
                    data = os.pread(memory.fileno(), size, at)
                    count["mem"] += len(data)
                except OSError:
                    before = os.fstat(log.fileno()).st_size
                    written = inject(pid, "write", 2, at, size) if "secretmem" in line or "memfd" in line else 0
                    data = os.pread(log.fileno(), max(0, written), before)
                    count["self" if data else "left"] += len(data) or size
                out.write(data)
                at += len(data) or size
    return count
