#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every lint finds what it is for: each is shown a small checkout with one mistake planted, and the same without it."""
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
HASH = "# SPDX-License-Identifier: Apache-2.0\n"
REAL = (".clang-format", ".clang-tidy", "dev", "client/sftoken.h", "client/sftoken.sym", "client/cli/commands.c", "client/cli/main.c", "client/cli/more.c",
        "client/cli/help.c", "proto/messages.c",
        "proto/io.sftoken.Broker.varlink", "proto/io.sftoken.Manager.varlink", "proto/io.systemd.service.varlink",
        "daemon/front/broker_api.c", "daemon/mint/manager_api.c", "daemon/parent/options.c", "daemon/common/settings_keys.c",
        "daemon/mint/credential_keys.c", "man/sftoken.1.scd", "man/sftokend.8.scd", "man/sftokend.conf.5.scd",
        "man/sftokend.credential.5.scd", "base/log_ids.c", "systemd/sftokend.catalog")


def swap(path: str, old: str, new: str):
    """A mistake: some text of a real file is another."""
    return path, old, new


def plant(path: str, text: str):
    """A mistake: a file of its own."""
    return path, None, text


LONG = SPDX + "int f(int x);\n\nint f(int x)\n{\n" + "\tx += 1;\n" * 80 + "\treturn x;\n}\n"
BRANCHES = SPDX + "int f(int x);\n\nint f(int x)\n{\n" + "".join(f"\tif (x == {n})\n\t\treturn {n * 7};\n" for n in range(15)) + "\treturn 0;\n}\n"
MIDDLING = SPDX + "int f(int x);\n\nint f(int x)\n{\n" + "\tx += 1;\n" * 20 + "\treturn x;\n}\n"

# lint, its check, the mistake, what the complaint says. A lint whose checks need files of the checkout gets copies of the real ones.
MISTAKES = (
    ("layers", "check", plant("base/x.c", SPDX + '#include "proto/json.h"\n'), "base must not include proto/json.h"),
    ("layers", "check", plant("daemon/front/x.c", SPDX + '#include "daemon/mint/keeper.h"\n'), "daemon/front must not include"),
    ("layers", "check", plant("client/x.c", SPDX + '#include "base/secret.h"\n'), "client must not include base/secret.h"),
    ("layers", "check", plant("client/cli/x.c", SPDX + '#include "proto/json.h"\n'), "client/cli must not include"),
    ("layers", "check", plant("daemon/mint/flow.c", SPDX + '#include "daemon/mint/keeper.h"\n'), "rank 2 of the mint includes"),
    ("layers", "check", plant("daemon/mint/new.c", SPDX + '#include "daemon/mint/keeper.h"\n'), "has no rank"),
    ("layers", "check", plant("daemon/mint/flow.c", SPDX + "#include <curl/curl.h>\n"), "is at home in daemon/mint/http.*"),
    ("layers", "check", plant("daemon/front/x.c", SPDX + "# include <openssl/evp.h>\n"), "is at home in"),
    ("layers", "check", plant("base/x.c", SPDX + "#include <zlib.h>\n"), "no header of libc"),
    ("layers", "check", plant("base/x.c", SPDX + '#include "gone.h"\n'), "is no file"),
    ("sizes", "files", plant("base/x.c", SPDX + "\n" * 600), "601 lines"),
    ("sizes", "functions", plant("base/x.c", LONG), "base/x.c:4: f has 84 lines"),
    ("sizes", "complexity", plant("base/x.c", BRANCHES), "has a complexity of 16"),
    ("sizes", "median", plant("base/x.c", MIDDLING), "half of the functions"),
    ("banned", "calls", plant("base/x.c", SPDX + "void f(char *a);\nvoid f(char *a)\n{\n\tsprintf(a, \"x\");\n}\n"), "base/x.c:5: sprintf()"),
    ("banned", "calls", plant("tests/x.c", SPDX + "int f(char *a)\n{\n\treturn atoi (a);\n}\n"), "atoi() is banned"),
    ("banned", "gotos", plant("base/x.c", SPDX + "void f(void)\n{\n\tgoto out;\nout:;\n}\n"), "no goto"),
    ("banned", "typedefs", plant("base/x.h", SPDX + "typedef struct x x_t;\n"), "no typedef of a struct"),
    ("banned", "unfinished", plant("base/x.c", SPDX + "/* TO" "DO: write it */\n"), "finish it"),
    ("spdx", "check", plant("base/x.c", "int x;\n"), "base/x.c:1: the first line"),
    ("spdx", "check", plant("tests/x.py", "import os\n"), "tests/x.py:1:"),
    ("spdx", "check", plant("meson.build", "project('x')\n"), "meson.build:1:"),
    ("format", "check", plant("base/x.c", SPDX + "int f(void);\n\nint f(void) {\n    return 1;\n}\n"), "base/x.c:4: clang-format writes"),
    ("shell", "check", swap("dev", "set -euo pipefail", "set -euo pipefail\nrm -rf $1/*"), "SC2086"),
    ("header", "public", swap("client/sftoken.h", "#include <stddef.h>", "#include <stddef.h>\nstruct bad { int new; };"), "C++11"),
    ("header", "public", swap("client/sftoken.h", "#include <stddef.h>", "#include <stddef.h>\nextern int bad[0];"), "C99"),
    ("header", "alone", plant("base/x.h", SPDX + "size_t x(void);\n"), "base/x.h does not stand alone"),
    ("symbols", "exported", swap("client/sftoken.sym", "\tsftoken_get;\n", ""), "sftoken_get is exported and not named"),
    ("symbols", "exported", swap("client/sftoken.sym", "\tsftoken_get;\n", "\tsftoken_get;\n\tsftoken_gone;\n"), "sftoken_gone is not exported"),
    ("symbols", "exported", swap("client/sftoken.sym", "LIBSFTOKEN_0", "LIBSFTOKEN_1"), "no names of LIBSFTOKEN_0"),
    ("symbols", "declared", swap("client/sftoken.sym", "\tsftoken_get;\n", ""), "sftoken_get() is not in"),
    ("symbols", "declared", swap("client/sftoken.sym", "\tsftoken_get;\n", "\tsftoken_get;\n\tsftoken_gone;\n"), "sftoken_gone is not declared"),
    ("varlink", "fields", swap("proto/messages.c", '"refreshAfter", FIELD_INT, NULLABLE', '"refreshAfter", FIELD_INT, 0'), "refreshAfter is int;"),
    ("varlink", "fields", swap("proto/messages.c", '"tokenType", FIELD_TEXT', '"tokenType", FIELD_INT'), "tokenType is int;"),
    ("varlink", "fields", swap("proto/io.sftoken.Broker.varlink", "allowStale: ?bool", "allowOld: ?bool"), "get_token_fields has"),
    ("varlink", "fields", swap("proto/messages.c", "static const struct field refresh_fields", "static const struct field new_fields"), "new_fields is in no"),
    ("varlink", "enumerations", swap("proto/messages.c", '"fresh", "assumed"', '"assumed", "fresh"'), "validity_names"),
    ("varlink", "enumerations", swap("proto/messages.c", '"readonly", "suspect"', '"suspect", "readonly"'), "store_state_names"),
    ("varlink", "enumerations", swap("proto/messages.c", '"NotServed", "Rejected"', '"Rejected", "NotServed"'), "broker_error_names"),
    ("varlink", "methods", swap("daemon/front/broker_api.c", '"GetToken", &get_token_table', '"GetToken", &report_rejected_table'), "GetToken takes"),
    ("varlink", "methods", swap("daemon/mint/manager_api.c", '{ "Metrics",', '{ "Metric",'), "the methods of no"),
    ("manpages", "settings", swap("man/sftokend.conf.5.scd", "*ConnectTimeout=*", "*Connect=*"), "ConnectTimeout= is missing"),
    ("manpages", "settings", swap("man/sftokend.conf.5.scd", "*ConnectTimeout=*", "*Nonsense=*"), "Nonsense= is not in this version"),
    ("manpages", "settings", swap("daemon/common/settings_keys.c", '"10240"', '"10241"'), "the default 10241 is not told"),
    ("manpages", "credentials", swap("man/sftokend.credential.5.scd", "*LoginUrl=*", "*Url=*"), "LoginUrl= is missing"),
    ("manpages", "verbs", swap("client/cli/commands.c", '{ "watch",', '{ "stare",'), "stare is missing"),
    ("manpages", "verbs", swap("client/cli/commands.c", '{ "watch",', '{ "stare",'), "watch is no command"),
    ("manpages", "homes", swap("client/cli/commands.c", '{ "watch",', '{ "stare",'), "stare is in neither"),
    ("manpages", "homes", swap("client/cli/commands.c", '{ "watch",', '{ "stare",'), "watch is no command"),
    ("manpages", "homes", swap("client/cli/more.c", '{ "list", cmd_list }', '{ "get", cmd_get }'), "get is in client/cli/main.c and client/cli/more.c"),
    ("manpages", "cli_options", swap("client/cli/commands.c", '"--rejected"', '"--refused"'), "--refused is missing"),
    ("manpages", "synopses", swap("client/cli/commands.c", "[--no-browser]\"", "[--no-nonsense]\""), "SYNOPSIS of login"),
    ("manpages", "examples", swap("client/cli/commands.c", '"sftoken ping"', '"sftoken status"'), "the example of ping does not show it"),
    ("manpages", "examples", swap("man/sftoken.1.scd", "sftoken watch prod --json", "sftoken watch prod"), "the example of watch"),
    ("manpages", "meanings", swap("client/cli/help.c", '{ "--forget"', '{ "--erase"'), "--forget is missing"),
    ("manpages", "daemon_options", swap("daemon/parent/options.c", '"--check"', '"--judge"'), "--judge is missing"),
    ("events", "everywhere", plant("daemon/front/x.c", SPDX + 'log_event(LOG_LEVEL_ERR, "made.up", F_INT("n", 1));\n'), "base/log_ids.c: made.up is logged and"),
    ("events", "everywhere", plant("daemon/front/x.c", SPDX + 'log_event(LOG_LEVEL_ERR, "made.up", F_INT("n", 1));\n'), "man/sftokend.8.scd: made.up is logged and"),
    ("events", "everywhere", swap("systemd/sftokend.catalog", "# clock.set\n", "# clock.sat\n"), "clock.sat is logged by nobody"),
    ("events", "ids", swap("base/log_ids.c", '{ "clock.set", "', '{ "clock.set", "0'), "clock.set should have the id"),
    ("events", "ids", swap("base/log_ids.c", '{ "clock.set", "', '{ "clock.set", "0'), "clock.set has another id"),
    ("events", "explained", swap("systemd/sftokend.catalog", "Subject: The wall clock", "The wall clock"), 'clock.set has no "Subject: "'),
    ("events", "explained", swap("systemd/sftokend.catalog", "@SFTOKEN_TIMES@", "@SFTOKEN_HOURS@"), "front.limit has no field HOURS"),
    ("events", "reserved", plant("daemon/front/x.c", SPDX + 'log_event(LOG_LEVEL_ERR, "made.up", F_STR("level", "x"));\n'), "must not be called level"),
    ("cppcheck", "check", plant("base/x.c", SPDX + "int f(void);\nint f(void)\n{\n\tint a[2] = { 0, 1 };\n\n\treturn a[2];\n}\n"), "out of bounds"),
    ("fanalyzer", "check", plant("base/x.c", SPDX + "#include <stdlib.h>\nvoid f(void *p);\nvoid f(void *p)\n{\n\tfree(p);\n\tfree(p);\n}\n"), "double-"),
    ("tidy", "check", plant("base/x.c", SPDX + "int f(int *p);\nint f(int *p)\n{\n\tif (!p)\n\t\treturn *p;\n\treturn 0;\n}\n"), "ereference of"),
)


def checkout(folder: Path) -> None:
    for name in REAL:
        if (TOP / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, folder / name)
    for name in ("proto/json.h", "daemon/mint/keeper.h", "base/secret.h"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(SPDX)
    library = next((TOP / "build/root").rglob("libsftoken.so.0"), None)
    if library:
        (folder / "build/root/usr/lib").mkdir(parents=True)
        shutil.copy(library.resolve(), folder / "build/root/usr/lib/libsftoken.so.0")


def make(folder: Path, mistake: tuple) -> str | None:
    path, old, text = folder / mistake[0], mistake[1], mistake[2]
    path.parent.mkdir(parents=True, exist_ok=True)
    if old is None:
        path.write_text(text)
        return None
    have = path.read_text() if path.exists() else ""
    if old not in have:
        return f'{mistake[0]} has no "{old}" any more: choose another place for the mistake'
    path.write_text(have.replace(old, text, 1))
    return None


def judge(lint: str, check: str, mistake: tuple, says: str) -> str | None:
    """None when the lint is silent about the checkout without the mistake as far as that goes, and finds it when it is planted."""
    run = getattr(importlib.import_module(lint), check)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SFTOKEN_LINT_CACHE"] = str(folder / "cache")
        checkout(folder)
        if mistake[1] is None and lint in ("cppcheck", "fanalyzer", "tidy", "sizes", "layers", "banned", "spdx", "format"):
            for real in ("base", "client", "daemon", "proto"):
                keep_headers(folder / real)
        before = run(folder)
        if problem := make(folder, mistake):
            return problem
        found = [c for c in run(folder) if c not in before]
    if not any(says in complaint for complaint in found):
        return f'does not say "{says}" but: {found or "nothing"}'
    return None


def keep_headers(folder: Path) -> None:
    """The copies of real sources are not what is judged here; they only cost time."""
    for path in folder.rglob("*.c"):
        path.unlink()


def main() -> int:
    failed = 0
    print(f"1..{len(MISTAKES)}")
    for number, (lint, check, mistake, says) in enumerate(MISTAKES, 1):
        complaint = judge(lint, check, mistake, says)
        if complaint:
            print(f"# {complaint}")
        print(f"{'not ok' if complaint else 'ok'} {number} - {lint} {check} finds a mistake in {mistake[0]} ({says})", flush=True)
        failed += bool(complaint)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
