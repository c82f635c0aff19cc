#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each event that is logged has a row in base/log_ids.c, an entry in systemd/sftokend.catalog and a line in sftokend(8), LOG; and nothing else has.

The id of a new event: python3 tests/lint/events.py --id child.died. It is made of the name, once; an event that is renamed is another one."""
import re
import sys
import uuid
from pathlib import Path

import report
import source

TABLE, CATALOG, MANUAL = "base/log_ids.c", "systemd/sftokend.catalog", "man/sftokend.8.scd"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "sftoken.io")
LOGGED = ("daemon/", "base/log_write.c")
CALL = re.compile(r"\b(?:log_event|log_fields|log_last_words|put)\s*\((.*?)\);", re.DOTALL)
NAME = re.compile(r'"([a-z]+\.[a-z_]+)"')
# a table of names that stands beside its call
NAMES = re.compile(r"static const char \*const events\[\] = \{(.*?)\};", re.DOTALL)
FIELD = re.compile(r'F_(?:STR|INT)\(\s*"([^"]*)"')
# members that each line has in JSON, and what each entry of the journal has
RESERVED = {"time", "program", "level", "event"}
ROW = re.compile(r'\{ "([^"]+)", "([^"]*)" \}')
ENTRY = re.compile(r"^# ([a-z]+\.[a-z_]+)\n-- ([0-9a-f]+)\n(.*?)(?=\n# |\Z)", re.MULTILINE | re.DOTALL)


def message_id(event: str) -> str:
    return uuid.uuid5(NAMESPACE, event).hex


def sources(top: Path) -> dict[str, str]:
    return {name: source.without_comments(path.read_text()) for path in source.c_files(top, source.PRODUCT)
            if (name := str(path.relative_to(top))).startswith(LOGGED)}


def logged(top: Path) -> set[str]:
    found = set()
    for text in sources(top).values():
        for body in CALL.findall(text):
            # what is said about it in words, and the names of files, are behind the first field
            found |= set(NAME.findall(body.split("F_STR")[0].split("F_INT")[0]))
        for body in NAMES.findall(text):
            found |= set(NAME.findall(body))
    return found


def table(top: Path) -> dict[str, str]:
    return dict(ROW.findall((top / TABLE).read_text()))


def entries(top: Path) -> dict[str, tuple[str, str]]:
    return {event: (number, text) for event, number, text in ENTRY.findall((top / CATALOG).read_text())}


def told(top: Path) -> set[str]:
    text = (top / MANUAL).read_text()
    section = re.search(r"^# LOG\n(.*?)(?=^# )", text, re.MULTILINE | re.DOTALL)
    heads = [line for line in (section[1] if section else "").splitlines() if line.startswith("*")]
    return {name for line in heads for name in re.findall(r"\*([a-z]+\.[a-z_]+)\*", line)}


def everywhere(top: Path) -> list[str]:
    made = logged(top)
    complaints = [] if made else ["daemon: no event found"]
    for where, known in ((TABLE, set(table(top))), (CATALOG, set(entries(top))), (MANUAL, told(top))):
        complaints += [f"{where}: {e} is logged and is not in it" for e in sorted(made - known)]
        complaints += [f"{where}: {e} is logged by nobody" for e in sorted(known - made)]
    return complaints


def ids(top: Path) -> list[str]:
    rows = ROW.findall((top / TABLE).read_text())
    names = [event for event, _ in rows]
    catalog = entries(top)
    complaints = [f"{TABLE}: {event} should have the id {message_id(event)}" for event, number in rows if number != message_id(event)]
    complaints += [f"{CATALOG}: {event} has another id than in {TABLE}" for event, number in rows if event in catalog and catalog[event][0] != number]
    if names != sorted(set(names)):
        complaints.append(f"{TABLE}: the names are to be in order, each once: they are looked for by halves")
    if len({number for _, number in rows}) != len(rows):
        complaints.append(f"{TABLE}: an id is there twice")
    return complaints


def explained(top: Path) -> list[str]:
    complaints = []
    for event, (_, text) in entries(top).items():
        complaints += [f'{CATALOG}: {event} has no "{word}"' for word in ("Subject: ", "Defined-By: sftokend\n", "\nWhat to do: ") if word not in text]
        fields = {name.upper() for name in fields_of(top, event)}
        complaints += [f"{CATALOG}: {event} has no field {name}" for name in sorted(set(re.findall(r"@SFTOKEN_([A-Z_]+)@", text)) - fields)]
    return complaints


def fields_of(top: Path, event: str) -> set[str]:
    """Of all calls that may log it; where it is not named in the call itself, of the whole file."""
    found = set()
    for text in sources(top).values():
        if f'"{event}"' not in text:
            continue
        bodies = [body for body in CALL.findall(text) if f'"{event}"' in body and "F_" in body]
        found |= set(FIELD.findall(" ".join(bodies) if bodies else text))
    return found | ({"message", "status"} if event.endswith(".failed") else set())


def reserved(top: Path) -> list[str]:
    return [f"{name}:{source.line_of(text, match.start())}: a field must not be called {match[1]}: each line has one already"
            for name, text in sources(top).items() for match in FIELD.finditer(text)
            if match[1] in RESERVED or not re.fullmatch(r"[a-z][a-z0-9_]*", match[1])]


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--id":
        print(message_id(sys.argv[2]))
        sys.exit(0)
    report.run(("each event has an id, an explanation and a line in the manual", everywhere), ("ids are unique and made of the names", ids),
               ("each explanation has a subject, what to do, and only fields that there are", explained),
               ("no field has a name that each line has already", reserved))
