# SPDX-License-Identifier: Apache-2.0
"""The fenced blocks of the documents, so that what they tell is what is run."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
FENCE = re.compile(r"^( *)```(\S*)[ ]*(\S*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    document: str
    line: int
    language: str       # sh, python, ini, ...; text: what a program prints
    name: str           # of the file that it is, "" for none
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(document: str) -> list[Block]:
    """Those of a document, named from the top of the checkout, in their order."""
    text = (TOP / document).read_text()
    return [Block(document, text.count("\n", 0, m.start()) + 1, m[2], m[3], textwrap.dedent(m[4])) for m in FENCE.finditer(text)]


def extract(document: str, folder: Path) -> dict[str, Path]:
    """Writes the blocks that have a name into the folder, which gets one per language; {"LANGUAGE/NAME": path}."""
    files = {}
    for block in blocks(document):
        if block.name:
            path = folder / block.language / block.name
            path.parent.mkdir(parents=True, exist_ok=True)
            assert not path.exists(), f"{block}: there are two of {block.language}/{block.name}"
            path.write_text(block.text)
            files[f"{block.language}/{block.name}"] = path
    return files
