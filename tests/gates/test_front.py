#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The gate of performance goal P1: what one warm get on a persistent connection costs the front in user-space instructions and
in system calls, and which libraries it is linked to. The program runs alone with N and with 2N gets; the difference divided
by N is free of start and stop. Usage: test_front.py [SFTOKEND_FRONT]; without it the one below $SFTOKEN_ROOT (build/root).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from front_alone import Front, read_reply, request  # noqa: E402

ROOT = Path(os.environ.get("SFTOKEN_ROOT", Path(__file__).resolve().parents[2] / "build" / "root"))
FOREIGN = re.compile(r"lib(curl|ssl|crypto|json-c|systemd|gnutls|nss)\b")
GETS = 2000
INSTRUCTIONS_MOST = 2200
SYSTEM_CALLS_MOST = 3
TOKEN = "00D000000000001!" + "AQ" * 48
CALL = request("GetToken", credential="prod")


# valgrind does not know seccomp(2) and refuses it; the filter costs no user-space instruction, so the same program runs
# without loading it.
NO_FILTER = """
#include <stdint.h>
void *seccomp_init(uint32_t action);
int seccomp_rule_add(void *filter, uint32_t action, int call, unsigned int n, ...);
int seccomp_load(const void *filter);
void seccomp_release(void *filter);
static int nothing;
void *seccomp_init(uint32_t action) { (void)action; return &nothing; }
int seccomp_rule_add(void *filter, uint32_t action, int call, unsigned int n, ...)
{ (void)filter; (void)action; (void)call; (void)n; return 0; }
int seccomp_load(const void *filter) { (void)filter; return 0; }
void seccomp_release(void *filter) { (void)filter; }
"""


def run(program, wrapper, gets, env=None):
    """Serves the given number of gets, one after the other on one connection, and ends in order."""
    front = Front(program, wrapper, env)
    try:
        front.hear("HaveAll")
        front.rules()
        front.credential("prod")
        front.publish("prod", 1790000000, TOKEN)
        front.sync()
        with front.connect() as s:
            rest = b""
            for _ in range(gets):
                s.sendall(CALL)
                reply, rest = read_reply(s, rest)
                if TOKEN.encode() not in reply:
                    raise AssertionError("a get brought no token: " + reply.decode().replace(TOKEN, "..."))
        status = front.stop()
        if status != 0:
            raise AssertionError(f"the front ended with {status}: {front.words()}")
    finally:
        front.close()


def instructions(program, directory, gets):
    out = os.path.join(directory, f"callgrind.{gets}")
    library = os.path.join(directory, "no_filter.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input=NO_FILTER.encode(), check=True)
    run(program, ["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + out], gets,
        dict(os.environ, LD_PRELOAD=library))
    with open(out, encoding="utf-8") as f:
        return int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M).group(1))


def system_calls(program, directory, gets):
    out = os.path.join(directory, f"strace.{gets}")
    run(program, ["strace", "-f", "-o", out], gets)
    with open(out, encoding="utf-8", errors="replace") as f:
        return sum(1 for line in f if re.match(r"^\d+\s+\w+\(", line))


def gate(number, name, tool, measure, most, program):
    """Prints one TAP line; returns whether it is good."""
    if not shutil.which(tool):
        print(f"ok {number} - {name} # SKIP {tool} is not installed")
        return True
    with tempfile.TemporaryDirectory(prefix="gate-") as directory:
        try:
            once = measure(program, directory, GETS)
            twice = measure(program, directory, 2 * GETS)
        except Exception as e:  # whatever it is, the gate is not passed, and the next one is measured all the same
            print(f"# {type(e).__name__}: {e}".replace("\n", "\n# "))
            print(f"not ok {number} - {name}")
            return False
    each = (twice - once) / GETS
    good = 0 < each <= most
    print(f"# {each:.2f} a get, at most {most}")
    print(f"{'ok' if good else 'not ok'} {number} - {name}")
    return good


def libraries(number, program):
    """No TLS, no HTTP, no JSON library is in that address space."""
    name = "the front is linked to libevent_core, libseccomp and libc"
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    foreign = sorted({line.split()[0] for line in listed.splitlines() if FOREIGN.search(line)})
    print("".join(f"# not wanted: {library}\n" for library in foreign) + f"{'not ok' if foreign else 'ok'} {number} - {name}")
    return not foreign


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "usr" / "libexec" / "sftokend" / "sftokend-front")
    print("1..3")
    good = [
        gate(1, "instructions of one warm get", "valgrind", instructions, INSTRUCTIONS_MOST, program),
        # strace counts what came in pieces, too: a hundredth more than three would already be seen
        gate(2, "system calls of one warm get", "strace", system_calls, SYSTEM_CALLS_MOST + 0.01, program),
        libraries(3, program),
    ]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
