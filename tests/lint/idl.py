# SPDX-License-Identifier: Apache-2.0
"""Reads Varlink interface descriptions as far as ours go."""
import re
from dataclasses import dataclass, field
from pathlib import Path

TOKEN = re.compile(r"\s*(?:#[^\n]*|(->|\[\]|[A-Za-z][\w.]*|[():,?]))")


@dataclass
class Interface:
    name: str = ""
    types: dict = field(default_factory=dict)  # name -> {field: type} or [names]
    methods: dict = field(default_factory=dict)  # name -> ({field: type}, {field: type})
    errors: dict = field(default_factory=dict)  # name -> {field: type}


class Reader:
    def __init__(self, text: str) -> None:
        self.tokens = [t for t in TOKEN.findall(text) if t]
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise ValueError(f'expected {wanted or "more"}, found "{token}"')
        self.at += 1
        return token

    def type(self) -> str:
        prefix = ""
        while self.peek() in ("?", "[]"):
            prefix += self.next()
        return prefix + self.next()

    def list(self):
        """Fields as a dictionary, or the names of an enumeration as a list."""
        self.next("(")
        names, fields = [], {}
        while self.peek() != ")":
            name = self.next()
            if self.peek() == ":":
                self.next()
                fields[name] = self.type()
            else:
                names.append(name)
            if self.peek() == ",":
                self.next()
        self.next(")")
        return names or fields


def read(path: Path) -> Interface:
    reader, found = Reader(path.read_text()), Interface()
    reader.next("interface")
    found.name = reader.next()
    while reader.peek():
        kind, name = reader.next(), reader.next()
        if kind == "type":
            found.types[name] = reader.list()
        elif kind == "error":
            found.errors[name] = reader.list()
        elif kind == "method":
            call = reader.list()
            reader.next("->")
            found.methods[name] = (call, reader.list())
        else:
            raise ValueError(f"{path}: {kind}?")
    return found
