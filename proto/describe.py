#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes descriptions.c: each .varlink file as one C string.

usage: describe.py OUTPUT NAME=FILE...      (NAME_description is the variable)
"""
import sys

ESCAPES = {"\\": "\\\\", '"': '\\"', "\t": "\\t", "?": "\\?"}


def literal(line):
    return '\t"%s\\n"' % "".join(ESCAPES.get(c, c) for c in line)


def main(output, *pairs):
    out = ["/* Made by proto/describe.py from the .varlink files; do not edit. */", '#include "proto/service.h"']
    for pair in pairs:
        name, _, path = pair.partition("=")
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        out += ["", "const char %s_description[] =" % name, *map(literal, lines)]
        out[-1] += ";"
    with open(output, "w", encoding="ascii") as file:
        file.write("\n".join(out) + "\n")


main(*sys.argv[1:])
