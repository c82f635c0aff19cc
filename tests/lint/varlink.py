#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The field tables of proto/messages.c and the method tables of the services say what the .varlink files say."""
import re
from pathlib import Path

import idl
import report
import source

TABLES = "proto/messages.c"
BROKER, MANAGER, SERVICE = "io.sftoken.Broker", "io.sftoken.Manager", "io.systemd.service"

# table -> the type, call ("<"), reply (">") or error ("!") of which interface it is the image
IMAGES = {
    "token_fields": (BROKER, "Token"),
    "credential_info_fields": (BROKER, "CredentialInfo"),
    "get_token_fields": (BROKER, "<GetToken"),
    "credential_call_fields": (BROKER, "<GetCredential"),
    "credential_required_fields": (MANAGER, "!NoSuchCredential"),
    "hold_token_fields": (BROKER, "<HoldToken"),
    "hold_token_reply_fields": (BROKER, ">HoldToken"),
    "report_rejected_fields": (BROKER, "<ReportRejected"),
    "report_rejected_reply_fields": (BROKER, ">ReportRejected"),
    "list_credentials_fields": (BROKER, "<ListCredentials"),
    "no_such_credential_fields": (BROKER, "!NoSuchCredential"),
    "login_required_fields": (BROKER, "!LoginRequired"),
    "not_served_fields": (BROKER, "!NotServed"),
    "rejected_fields": (BROKER, "!Rejected"),
    "unavailable_fields": (BROKER, "!Unavailable"),
    "timed_out_fields": (BROKER, "!TimedOut"),
    "lifetime_too_short_fields": (BROKER, "!LifetimeTooShort"),
    "rate_limited_fields": (BROKER, "!RateLimited"),
    "login_fields": (MANAGER, "<Login"),
    "login_reply_fields": (MANAGER, ">Login"),
    "complete_login_fields": (MANAGER, "<CompleteLogin"),
    "complete_login_reply_fields": (MANAGER, ">CompleteLogin"),
    "no_such_login_fields": (MANAGER, "!NoSuchLogin"),
    "state_mismatch_fields": (MANAGER, "!StateMismatch"),
    "flow_not_configured_fields": (MANAGER, "!FlowNotConfigured"),
    "refresh_fields": (MANAGER, "<Refresh"),
    "refresh_reply_fields": (MANAGER, ">Refresh"),
    "set_enabled_fields": (MANAGER, "<SetEnabled"),
    "import_secret_fields": (MANAGER, "<ImportSecret"),
    "revoke_fields": (MANAGER, "<Revoke"),
    "attempt_info_fields": (MANAGER, "Attempt"),
    "history_reply_fields": (MANAGER, ">History"),
    "reload_reply_fields": (MANAGER, ">Reload"),
    "diagnose_reply_fields": (MANAGER, ">Diagnose"),
    "listener_info_fields": (MANAGER, "Listener"),
    "status_reply_fields": (MANAGER, ">Status"),
    "metrics_fields": (MANAGER, "<Metrics"),
    "metrics_reply_fields": (MANAGER, ">Metrics"),
    "event_reply_fields": (MANAGER, ">WatchEvents"),
    "configuration_invalid_fields": (MANAGER, "!ConfigurationInvalid"),
    "store_unavailable_fields": (MANAGER, "!SecretStoreUnavailable"),
    "set_log_level_fields": (SERVICE, "<SetLogLevel"),
}

ENUM_NAMES = {
    "grant_type_names": "GrantType", "state_names": "State", "validity_names": "Validity", "expiry_source_names": "ExpirySource",
    "secret_kind_names": "SecretKind", "store_state_names": "StoreState",
    "login_flow_names": "LoginFlow", "login_state_names": "LoginState",
    "check_outcome_names": "CheckOutcome", "check_actor_names": "CheckActor",
}
# methods beside Watch* that answer with several replies
STREAMS = {"Login", "Diagnose", "HoldToken"}
PLAIN = {"FIELD_TEXT": "string", "FIELD_INT": "int", "FIELD_BOOL": "bool", "FIELD_TEXTS": "[]string", "FIELD_INTS": "[]int",
         "FIELD_OBJECT": "object"}

TABLE = re.compile(r"static const struct field (\w+)\[\] = \{(.*?)\n\};", re.DOTALL)
ROW = re.compile(r'\{\s*"(\w+)",\s*(FIELD_\w+),\s*([^,]+),\s*AT\([^)]*\),\s*([^}]*)\}')
NAMES = re.compile(r"const char \*const (\w+)\[\] = \{(.*?)\};", re.DOTALL)
METHODS = re.compile(r"static const struct varlink_method (\w+)\[\] = \{(.*?)\n\};", re.DOTALL)
METHOD = re.compile(r'\{\s*"(\w+)",\s*(NULL|&(\w+)_table),\s*([\w| ]+),|NOT_BUILT\("(\w+)"\)')


def interfaces(top: Path) -> dict[str, idl.Interface]:
    return {i.name: i for i in (idl.read(p) for p in sorted((top / "proto").glob("io.*.varlink")))}


def image_of(known: dict[str, idl.Interface], where: tuple[str, str]):
    interface, what = known[where[0]], where[1]
    if what[0] == "<":
        return interface.methods[what[1:]][0]
    if what[0] == ">":
        return interface.methods[what[1:]][1]
    return interface.errors[what[1:]] if what[0] == "!" else interface.types[what]


def row_type(row: tuple[str, ...], declared: str, types: dict) -> str:
    """What a row of a table means in Varlink's words; what the table cannot know (RAW, texts out of an enumeration) as declared."""
    _, kind, flags, rest = row
    optional = "?" if "OPTIONAL" in flags or "NULLABLE" in flags else ""
    bare = declared.lstrip("?")
    if kind == "FIELD_ENUM":
        return optional + ENUM_NAMES.get(rest.split(",")[-1].strip(), "an unknown enumeration")
    if kind == "FIELD_RAW" or (kind == "FIELD_TEXT" and isinstance(types.get(bare), list)):
        return optional + bare
    return optional + PLAIN[kind]


def compare(table: str, rows: list[tuple[str, ...]], declared: dict[str, str], types: dict) -> list[str]:
    names = [row[0] for row in rows]
    if names != list(declared):
        return [f"{TABLES}: {table} has {' '.join(names)}; the .varlink file has {' '.join(declared)}"]
    complaints = []
    for row in rows:
        mine = row_type(row, declared[row[0]], types)
        if mine != declared[row[0]]:
            complaints.append(f"{TABLES}: {table}: {row[0]} is {mine}; the .varlink file has {declared[row[0]]}")
    return complaints


def fields(top: Path) -> list[str]:
    known = interfaces(top)
    text = source.without_comments((top / TABLES).read_text())
    complaints, seen = [], set()
    for table, body in TABLE.findall(text):
        seen.add(table)
        if table not in IMAGES:
            complaints.append(f"{TABLES}: {table} is in no interface: name its place in tests/lint/varlink.py")
            continue
        rows = ROW.findall(body)
        if len(rows) != body.count("FIELD_") - sum(r[2].count("FIELD_") for r in rows):
            complaints.append(f"{TABLES}: {table}: a row that this check cannot read")
        where = IMAGES[table]
        complaints += compare(table, rows, image_of(known, where), known[where[0]].types)
    return complaints + [f"{TABLES}: {table} is gone" for table in IMAGES if table not in seen]


def enumerations(top: Path) -> list[str]:
    known = interfaces(top)
    types = {**known[MANAGER].types, **known[BROKER].types}
    found = {n: re.findall(r'"(\w+)"', body) for n, body in NAMES.findall((top / TABLES).read_text())}
    wanted = {n: types[t] for n, t in ENUM_NAMES.items()}
    wanted["broker_error_names"] = list(known[BROKER].errors)
    return [f"{TABLES}: {n} is {found.get(n)}; the .varlink file has {want}" for n, want in wanted.items()
            if found.get(n) != want]


def judge_method(name: str, table: str, more: bool, interface: idl.Interface, known: dict) -> str | None:
    call = interface.methods[name][0]
    if not table and call:
        return "takes nothing, the .varlink file says that it does"
    if table:
        where = IMAGES.get(f"{table}_fields")
        if not where or image_of(known, where) != call:
            return f"takes {table}, which is not what the .varlink file says"
    if more != (name.startswith("Watch") or name in STREAMS):
        return "METHOD_MORE is for the methods that watch and those of STREAMS, all of them"
    return None


def methods(top: Path) -> list[str]:
    known = interfaces(top)
    complaints, served = [], set()
    for path in source.c_files(top, ("daemon",)):
        for table, body in METHODS.findall(path.read_text()):
            rows = METHOD.findall(body)
            names = [row[0] or row[4] for row in rows]
            interface = next((i for i in known.values() if list(i.methods) == names), None)
            if not interface:
                complaints.append(f"{path.relative_to(top)}: {table}: {' '.join(names)} are the methods of no .varlink file")
                continue
            served.add(interface.name)
            for row in rows:
                problem = judge_method(row[0], row[2], "METHOD_MORE" in row[3], interface, known) if row[0] else None
                if problem:
                    complaints.append(f"{path.relative_to(top)}: {interface.name}.{row[0]} {problem}")
    return complaints + [f"proto/{name}.varlink: nobody serves it" for name in known if name not in served]


if __name__ == "__main__":
    report.run(
        ("every field table is as its .varlink file says", fields),
        ("enumerations and errors stand in the order of the .varlink files", enumerations),
        ("every method is there and takes what its .varlink file says", methods),
    )
