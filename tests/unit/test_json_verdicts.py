#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""json_check() against Python's json, made strict, on texts that are nearly JSON.

usage: test_json_verdicts.py PROGRAM [SEED]     PROGRAM: json_verdicts
"""
import json
import random
import struct
import subprocess
import sys

TEXTS = 20000
DEPTH = 16
MEMBERS = 256
NUMBER = 256

ATOMS = ["{", "}", "[", "]", ",", ":", '"', '"a"', '"b"', '"\\u0061"', "1", "-", "0", ".5", "e3", "E+", "true", "false", "null", " ", "\n",
         "\t", "\\", "\\u", "\\ud800", "\\udc00", "d", "é", "😹", "\x00", "\x1f", "\x7f", '"k":', '"k1":1,', "[]", "{}",
         "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e5", "01", "NaN", "\\n", "\\/", "\\x", '"\\ud83d\\ude39"',
         "\ufeff", "\xa0", "\u2028"]
SCALARS = ["1", "-0", "2.5", "1e9", "true", "false", "null", '"x"', '"\\u00e9y"', '""', '"é"', '"0123456789abcdef0123"']
KEYS = ['"a"', '"b"', '"c"', '"\\u0061"', '"abcdefgh"', '"abcdefghi"', '"é"', '"\\u00e9"', '""']


class Refused(ValueError):
    pass


def check_text(text):
    if "\0" in text:
        raise Refused
    text.encode("utf-8")  # lone surrogates


def check_pairs(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys) or len(keys) > MEMBERS:
        raise Refused
    for key in keys:
        check_text(key)
    return dict(pairs)


def check_constant(_):
    raise Refused


def check_int(text):
    if not -2**63 <= int(text) < 2**63:
        raise Refused
    return int(text)


def check_float(text):
    if len(text) > NUMBER:
        raise Refused
    return float(text)


def check_value(value, depth):
    if isinstance(value, str):
        check_text(value)
    if isinstance(value, (list, dict)):
        if depth == DEPTH:
            raise Refused
        for inner in value.values() if isinstance(value, dict) else value:
            check_value(inner, depth + 1)


def accepted(raw):
    """Whether a strict reader built on Python's takes the bytes."""
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=check_pairs, parse_constant=check_constant, parse_int=check_int,
                           parse_float=check_float)
        check_value(value, 0)
    except (ValueError, RecursionError):
        return False
    return True


def grow(rng, depth=0):
    """A text that is JSON, but for the keys of an object, which may be equal."""
    kind = rng.random()
    if depth > 5 or kind < 0.45:
        return rng.choice(SCALARS)
    space = rng.choice(["", " ", "\n"])
    if kind < 0.7:
        return "[" + space + ("," + space).join(grow(rng, depth + 1) for _ in range(rng.randint(0, 4))) + space + "]"
    keys = [rng.choice(KEYS) for _ in range(rng.randint(0, 3))]
    return "{" + space + ("," + space).join(key + space + ":" + space + grow(rng, depth + 1) for key in keys) + space + "}"


def spoil(rng, raw):
    raw = bytearray(raw)
    for _ in range(rng.randint(1, 2)):
        at, how = rng.randrange(len(raw) + 1), rng.random()
        if how < 0.4:
            del raw[at:at + 1]
        elif how < 0.7:
            raw[at:at + 1] = bytes([rng.choice([rng.randrange(256), *b'{}[],:"\\0e.'])])
        else:
            raw[at:at] = rng.choice(ATOMS).encode()
    return bytes(raw)


def make(rng, number):
    if number % 3 == 0:
        return "".join(rng.choice(ATOMS) for _ in range(rng.randint(1, 9))).encode()
    raw = grow(rng).encode()
    return raw if number % 3 == 1 else spoil(rng, raw)


def main(program, seed="1"):
    rng = random.Random(int(seed))
    texts = [make(rng, number) for number in range(TEXTS)]
    packed = b"".join(struct.pack("=I", len(text)) + text for text in texts)
    run = subprocess.run([program], input=packed, stdout=subprocess.PIPE, check=True)
    verdicts = run.stdout.decode()
    want = "".join("1" if accepted(text) else "0" for text in texts)
    different = [text for text, ours, theirs in zip(texts, verdicts, want) if ours != theirs]
    for text in different[:10]:
        print("# differs:", text)
    good = len(verdicts) == TEXTS and not different
    mixed = TEXTS // 10 < want.count("1") < TEXTS * 9 // 10
    print(("" if good else "not ") + "ok 1 - %d texts get the verdict of Python's reader" % TEXTS)
    print(("" if mixed else "not ") + "ok 2 - there were many of both kinds")
    print("1..2")
    return 0 if good and mixed else 1


sys.exit(main(*sys.argv[1:]))
