#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What can be configured or typed is in the manual pages, and nothing else is."""
import re
from pathlib import Path

import report
import source

ARRAY = re.compile(r"static const struct config_key (\w+)\[\] = \{(.*?)\n\};", re.DOTALL)
KEY = re.compile(r'(?:\{\s*|(?:TIME|NUMBER|SHARE)\(\s*)"(\w+)",\s*(\w*)(.*?)(?=\n\t(?:\{|TIME|NUMBER|SHARE|/\*)|\Z)', re.DOTALL)
SECTION = re.compile(r'\{\s*"(\w+) ?",\s*(\w+_keys),')
MAN_SECTION = re.compile(r"^# \[(\w+)(?: _?NAME_?)?\] SECTION$")
MAN_KEY = re.compile(r"\*(\w+)=\*")
DEFAULT = re.compile(r'\.fallback = "([^"]*)"|^(?:[^"]*,){3}\s*"([^"]*)"')


def man_text(top: Path, page: str) -> str:
    path = top / "man" / page
    return path.read_text() if path.exists() else ""


def tables(top: Path, folder: str, prefix: str) -> tuple[dict[str, dict[str, tuple[str, str]]], dict[str, str]]:
    """({array: {key: (kind, rest of the row)}}, {section: array}) of the sources whose names begin with prefix."""
    arrays, sections = {}, {}
    for path in sorted((top / folder).glob(f"{prefix}*.c")):
        text = source.without_comments(path.read_text())
        for name, body in ARRAY.findall(text):
            arrays[name] = {key: (kind, rest) for key, kind, rest in KEY.findall(body)}
        for name, array in SECTION.findall(text):
            sections[name] = array
    return arrays, sections


def documented(text: str) -> dict[str, dict[str, str]]:
    """{section: {key: text}}"""
    found: dict[str, dict[str, str]] = {}
    section, keys = None, []
    for line in text.splitlines():
        if match := MAN_SECTION.match(line):
            section, keys = found.setdefault(match[1], {}), []
        elif line.startswith("#"):
            section, keys = None, []
        elif section is not None and line.startswith("*"):
            keys = MAN_KEY.findall(line)
            section.update({k: "" for k in keys})
        elif section is not None:
            for key in keys:
                section[key] += line + "\n"
    return found


def compare(top: Path, folder: str, prefix: str, page: str) -> list[str]:
    arrays, sections = tables(top, folder, prefix)
    man = documented(man_text(top, page))
    complaints = [] if sections else [f"{folder}/{prefix}*.c: no table of keys found"]
    for section, array in sections.items():
        rows = arrays.get(array, {})
        built = {k for k, (kind, _) in rows.items() if kind != "CONFIG_LATER"}
        told = set(man.get(section, {}))
        complaints += [f"man/{page}: [{section}] {k}= is missing" for k in sorted(built - told)]
        complaints += [f"man/{page}: [{section}] {k}= is not in this version" for k in sorted(told - built)]
        complaints += [f"man/{page}: [{section}] {k}=: the default {d} is not told" for k in sorted(built & told)
                       if (d := default_of(rows[k])) and d not in man[section][k]]
    complaints += [f"man/{page}: there is no section [{s}]" for s in man if s not in sections]
    return complaints


def default_of(row: tuple[str, str]) -> str:
    match = DEFAULT.search(row[1])
    return (match[1] or match[2] or "") if match else ""


def settings(top: Path) -> list[str]:
    return compare(top, "daemon/common", "settings", "sftokend.conf.5.scd")


def credentials(top: Path) -> list[str]:
    return compare(top, "daemon/mint", "credential", "sftokend.credential.5.scd")


def verbs(top: Path) -> list[str]:
    text = (top / "client/cli/commands.c").read_text()
    table = re.search(r"struct command commands\[\] = \{(.*?)\n\};", text, re.DOTALL)
    built = set(re.findall(r'^\t\{ "(\w+)", "', table[1], re.MULTILINE)) if table else set()
    page = man_text(top, "sftoken.1.scd")
    part = re.search(r"^# COMMANDS\n(.*?)^# ", page, re.DOTALL | re.MULTILINE)
    told = set()
    for line in part[1].splitlines() if part else ():
        if line.startswith("*"):
            told.update(re.findall(r"\*(\w+)\*", line))
    complaints = [] if built else ["client/cli/commands.c: no table of commands found"]
    complaints += [f"man/sftoken.1.scd: {v} is missing under COMMANDS" for v in sorted(built - told)]
    return complaints + [f"man/sftoken.1.scd: {v} is no command" for v in sorted(told - built)]


def homes(top: Path) -> list[str]:
    """Each command of the table has its function in one of the two files of sftoken."""
    found: dict[str, list[str]] = {}
    for name in ("client/cli/main.c", "client/cli/more.c"):
        for verb in re.findall(r'\{ "(\w+)",\s+cmd_\w+ \}', (top / name).read_text()):
            found.setdefault(verb, []).append(name)
    table = set(command_rows(top))
    complaints = [f"client/cli/commands.c: {v} is in neither main.c nor more.c" for v in sorted(table - set(found))]
    complaints += [f"{found[v][0]}: {v} is no command of client/cli/commands.c" for v in sorted(set(found) - table)]
    return complaints + [f"{v} is in {' and '.join(places)}" for v, places in sorted(found.items()) if len(places) > 1]


def command_rows(top: Path) -> dict[str, tuple[str, str]]:
    """{command: (synopsis, example)} of the table; a literal may be in several pieces."""
    text = (top / "client/cli/commands.c").read_text()
    table = re.search(r"struct command commands\[\] = \{(.*?)\n\};", text, re.DOTALL)
    rows = {}
    for row in re.split(r"^\t\{ ", table[1], flags=re.MULTILINE)[1:] if table else ():
        # texts between commas, each of one or more literals
        parts = re.findall(r'((?:"(?:[^"\\]|\\.)*"\s*)+)', row)
        name, synopsis, _, example = ("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', p)).replace('\\"', '"').replace("\\n", " ") for p in parts[:4])
        rows[name] = (synopsis, example)
    return rows


def shape(synopsis: str) -> str:
    """Without marks, line breaks and the words that stand for values of options."""
    text = re.sub(r"[*_\\]", "", synopsis)
    text = re.sub(r"(--[a-z-]+) [^\]\s|]+(\|[^\]\s|]+)*", r"\1 X", text)
    return re.sub(r"\s+", " ", text).strip()


def synopses(top: Path) -> list[str]:
    """Each command's synopsis stands in the page as in its --help."""
    page = man_text(top, "sftoken.1.scd")
    part = re.search(r"^# SYNOPSIS\n(.*?)^# ", page, re.DOTALL | re.MULTILINE)
    told: dict[str, str] = {}
    for line in part[1].splitlines() if part else ():
        if match := re.match(r"\*sftoken (\w+)\*((?: \| \*\w+\*)*)(.*?)(?:\+\+)?$", line):
            for verb in (match[1], *re.findall(r"\*(\w+)\*", match[2])):
                told[verb] = match[3]
    return [f"man/sftoken.1.scd: SYNOPSIS of {verb} is \"{shape(told.get(verb, ''))}\", its --help says \"{shape(synopsis)}\""
            for verb, (synopsis, _) in sorted(command_rows(top).items()) if shape(told.get(verb, "")) != shape(synopsis)]


def examples(top: Path) -> list[str]:
    """The example of each command stands under EXAMPLES, and is one of it."""
    page = man_text(top, "sftoken.1.scd")
    part = re.search(r"^# EXAMPLES\n(.*?)^# ", page, re.DOTALL | re.MULTILINE)
    lines = part[1].splitlines() if part else []
    complaints = []
    for verb, (_, example) in sorted(command_rows(top).items()):
        if example not in lines:
            complaints.append(f"man/sftoken.1.scd: the example of {verb}, \"{example}\", is missing under EXAMPLES")
        if f"sftoken {verb}" not in example:
            complaints.append(f"client/cli/commands.c: the example of {verb} does not show it")
    return complaints


def meanings(top: Path) -> list[str]:
    """Every option has its line in --help, and every such line an option."""
    built = set(re.findall(r'^\t\{ "(--[a-z-]+)",', (top / "client/cli/commands.c").read_text(), re.MULTILINE))
    told = set(re.findall(r'^\t\{ "(--[a-z-]+)",', (top / "client/cli/help.c").read_text(), re.MULTILINE))
    complaints = [] if told else ["client/cli/help.c: no table of meanings found"]
    complaints += [f"client/cli/help.c: {o} is missing" for o in sorted(built - told)]
    return complaints + [f"client/cli/help.c: {o} is no option" for o in sorted(told - built)]


def options(top: Path, program: str, path: str, page: str) -> list[str]:
    """Every long option that stands in the source's tables stands in the page, and the other way round."""
    text = source.without_comments((top / path).read_text())
    rows = re.findall(r'^\t\{ "(--[a-z][a-z-]+)",(.*)$', text, re.MULTILINE)
    built = {name for name, rest in rows if "LATER" not in rest}
    later = {name for name, rest in rows if "LATER" in rest}
    page_text = man_text(top, page).replace("\\", "")
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page_text))
    complaints = [] if built else [f"{path}: no table of options found"]
    complaints += [f"man/{page}: {program} {o} is missing" for o in sorted(built - told)]
    return complaints + [f"man/{page}: {program} {o} is not in this version" for o in sorted(later & told)]


def cli_options(top: Path) -> list[str]:
    return options(top, "sftoken", "client/cli/commands.c", "sftoken.1.scd")


def daemon_options(top: Path) -> list[str]:
    return options(top, "sftokend", "daemon/parent/options.c", "sftokend.8.scd")


if __name__ == "__main__":
    report.run(
        ("sftokend.conf(5) has the keys and defaults of the table", settings),
        ("sftokend.credential(5) has the keys and defaults of the table", credentials),
        ("sftoken(1) has the commands of the table", verbs),
        ("each command of the table is in one file of sftoken", homes),
        ("sftoken(1) has the options of the table", cli_options),
        ("sftoken(1) has the synopses of --help", synopses),
        ("sftoken(1) has the examples of --help", examples),
        ("--help has a line for every option", meanings),
        ("sftokend(8) has the options of the table", daemon_options),
    )
