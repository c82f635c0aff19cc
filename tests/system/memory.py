# SPDX-License-Identifier: Apache-2.0
"""Looks for words in the memory of another process (as root): memory.py PID WORD...; prints those that were found, one a line.

What cannot be read is left out: the pages of memfd_secret(2), which nobody but the process itself can see.
"""

from __future__ import annotations

import sys

LARGEST = 64 << 20  # the shadow memory of the sanitizers


def memory_of(pid: int) -> bytes:
    """All that is writable."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            fields = line.split()
            start, end = (int(x, 16) for x in fields[0].split("-"))
            if "w" not in fields[1] or end - start > LARGEST:
                continue
            try:
                memory.seek(start)
                found.append(memory.read(end - start))
            except OSError:
                continue
    return b"\n".join(found)


if __name__ == "__main__":
    everything = memory_of(int(sys.argv[1]))
    print("".join(f"{word}\n" for word in sys.argv[2:] if word.encode() in everything), end="")
