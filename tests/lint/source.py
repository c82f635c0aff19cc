# SPDX-License-Identifier: Apache-2.0
"""The files of a checkout, and C without its comments and strings."""
import re
from pathlib import Path

# ours: the programs and the library. Tests keep to the same sizes and style, but not to the layers.
PRODUCT = ("base", "proto", "client", "daemon")
EVERYWHERE = (*PRODUCT, "tests", "man", "docs", "systemd")

NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def files(top: Path, folders: tuple[str, ...], *endings: str) -> list[Path]:
    found = []
    for folder in folders:
        if (top / folder).is_dir():
            found += [p for p in (top / folder).rglob("*") if p.suffix in endings and p.is_file()]
    return sorted(found)


def c_files(top: Path, folders: tuple[str, ...] = (*PRODUCT, "tests")) -> list[Path]:
    return files(top, folders, ".c", ".h")


def blank(match: re.Match) -> str:
    """Keeps the lines and the quotes, so that places stay true."""
    text = match[0]
    if text[0] in "\"'":
        return text[0] + " " * (len(text) - 2) + text[0]
    return re.sub(r"[^\n]", " ", text)


def code_only(text: str) -> str:
    """The text with comments and the insides of strings blanked out."""
    return NOISE.sub(blank, text)


def without_comments(text: str) -> str:
    """The text with comments blanked out and strings kept."""
    return NOISE.sub(lambda m: m[0] if m[0][0] in "\"'" else blank(m), text)


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
