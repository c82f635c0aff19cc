#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The gate of performance goal P1: what one warm get on a persistent connection costs the front in user-space instructions and in system calls.
The program runs alone with N and with 2N gets; the difference divided by N is free of start and stop. Usage: gate_front.py SFTOKEND_FRONT BUILD
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from front_alone import Front, read_reply, request  # noqa: E402

GETS = 2000
INSTRUCTIONS_MOST = 5000
SYSTEM_CALLS_MOST = 3
TOKEN = "00D000000000001!" + "AQ" * 48
CALL = request("GetToken", credential="prod")


# valgrind does not know seccomp(2) and refuses it; the filter costs no user-space instruction, so the same program runs without loading it.
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


def run(program, build, wrapper, gets, env=None):
    """Serves the given number of gets, one after the other on one connection, and ends in order."""
    front = Front(program, build, wrapper, env)
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


def instructions(program, build, directory, gets):
    out = os.path.join(directory, f"callgrind.{gets}")
    library = os.path.join(directory, "no_filter.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input=NO_FILTER.encode(), check=True)
    run(program, build, ["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + out], gets,
        dict(os.environ, LD_PRELOAD=library))
    with open(out, encoding="utf-8") as f:
        return int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M).group(1))


def system_calls(program, build, directory, gets):
    out = os.path.join(directory, f"strace.{gets}")
    run(program, build, ["strace", "-f", "-o", out], gets)
    with open(out, encoding="utf-8", errors="replace") as f:
        return sum(1 for line in f if re.match(r"^\d+\s+\w+\(", line))


def gate(number, name, tool, measure, most, program, build):
    """Prints one TAP line; returns whether it is good."""
    if not shutil.which(tool):
        print(f"ok {number} - {name} # SKIP {tool} is not installed")
        return True
    with tempfile.TemporaryDirectory(prefix="gate-") as directory:
        try:
            once = measure(program, build, directory, GETS)
            twice = measure(program, build, directory, 2 * GETS)
        except Exception as e:  # whatever it is, the gate is not passed, and the next one is measured all the same
            print(f"# {type(e).__name__}: {e}".replace("\n", "\n# "))
            print(f"not ok {number} - {name}")
            return False
    each = (twice - once) / GETS
    good = 0 < each <= most
    print(f"# {each:.2f} a get, at most {most}")
    print(f"{'ok' if good else 'not ok'} {number} - {name}")
    return good


def main():
    program, build = sys.argv[1:3]
    print("1..2")
    good = [
        gate(1, "instructions of one warm get", "valgrind", instructions, INSTRUCTIONS_MOST, program, build),
        # strace counts what came in pieces, too: a hundredth more than three would already be seen
        gate(2, "system calls of one warm get", "strace", system_calls, SYSTEM_CALLS_MOST + 0.01, program, build),
    ]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
