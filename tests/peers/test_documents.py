#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every command of DOCUMENTS is run: as it stands, with what TABLE puts in the place of what a
test cannot have, or elsewhere, where TABLE says. A block that is in no row is a failure."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional, Union

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

from harness import ROOT, SECRET, TOP, Daemon, Standin, make_key, run_tests, same      # noqa: E402
from markdown import Block, blocks              # noqa: E402

DOCUMENTS = ("README.md", "docs/cookbook.md", "docs/salesforce.md", "docs/first-token.md", "docs/logging-in.md", "docs/monitoring.md")
COMMANDS = ("sh", "console", "cron")

# Programs that a test cannot have: sudo without a password, an org's CLI, a cluster.
FAKES = {
    "sudo": 'exec "$@"\n',
    "sf": 'echo "$SF_TARGET_ORG" >"$HOME/sf.token"; echo "$SF_ORG_INSTANCE_URL sf $*"\n',
    "kubectl": 'for word; do file=${word#--from-file=}; case $file in *.yaml | *.key) test -s "$file" || exit 1 ;; esac; done\n',
    "load": 'echo "$SF_ACCESS_TOKEN $SFTOKEN_HOLD_ENDS_AT" >>"$HOME/loads"; exit "${LOAD_STATUS:-0}"\n',
    "job": 'exec load\n',
}


@dataclass
class Run:
    """Runs the commands with bash -eu; `instead`: what stands in the document, and what is run in its place."""

    instead: tuple[tuple[str, str], ...] = ()
    prints: str = ""            # an expression that the output must match
    status: int = 0
    before: Optional[Callable[[], None]] = None
    after: Optional[Callable[[], None]] = None


@dataclass
class Elsewhere:
    """Another test runs these commands, in a place that it takes (a booted machine): its file, and what must stand in it. but: commands that no test can run, and why."""

    file: str
    words: tuple[str, ...]
    but: tuple[tuple[str, str], ...] = ()


class Shared:
    salesforce: Standin
    daemon: Daemon
    home: Path
    seen: set[str] = set()


def write(name: str, text: str, mode: int = 0o600) -> Path:
    path = Shared.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode)
    path.write_text(text)
    return path


def own_daemon() -> None:
    """What the first minute has beside the document: the stand-in's authority, an app, its secret."""
    write(".config/sftokend/sftokend.conf", f"[Network]\nCaFile={Shared.daemon.directory}/ca.pem\n", 0o644)
    write("consumer-secret", SECRET)
    Shared.salesforce.configure(users={"first@example.com": {}}, apps={"app-first": {"secret": SECRET, "run_as": "first@example.com"}})


def new_refresh_token() -> None:
    write("token.txt", str(Shared.salesforce.new_grant("anna@example.com", "app-anna", None)["refresh_token"]))


def not_approved() -> None:
    Shared.salesforce.add_app("app-prod", approved=[])
    Shared.salesforce.kill_token(client_id="app-prod")


def approved() -> None:
    Shared.salesforce.add_app("app-prod", approved=["prod@example.com"])
    run("sftoken refresh prod")


def nightly(status: str) -> list[str]:
    """The loads of the nightly job when each ends with that status."""
    (Shared.home / "loads").unlink(missing_ok=True)
    text = next(b.text for b in blocks("docs/cookbook.md") if b.name == "nightly")
    script = write("nightly", text.replace("/opt/etl/load", "load").replace("sleep ", ": "), 0o700)
    same(run(f"env LOAD_STATUS={status} sh {script}", status=int(status))[0], int(status), "status of the nightly job")
    return (Shared.home / "loads").read_text().splitlines()


def try_nightly() -> None:
    same((len(nightly("0")), len(nightly("75")), len(nightly("1"))), (1, 4, 1), "how often it is tried: well, try again, failed")


def was_deployed() -> None:
    assert Shared.salesforce.is_live((Shared.home / "sf.token").read_text().strip()), "sf has no live token"


def installed_alerts() -> None:
    write("alerts.yml", (ROOT / "usr/share/doc/sftokend/examples/monitoring/alerts.yml").read_text())


def alerts_are_read() -> None:
    """By what prometheus.yml is told."""
    rules = next(b.text for b in blocks("docs/monitoring.md") if b.language == "yaml")
    pattern = re.search(r"^  - (/etc/prometheus/\S+)$", rules, re.MULTILINE)
    same(pattern and [p.name for p in Path("/").glob(moved(pattern[1]).lstrip("/"))], ["sftokend.yml"], rules)


def moved(path: str) -> str:
    return path.replace("/etc/prometheus", f"{Shared.home}/prometheus")


ME = pwd.getpwuid(os.getuid()).pw_name
LOAD = ("/opt/etl/load", "load")
SETUP = ("sftoken --user setup crm", "sftoken --user setup crm --grant client_credentials --login-url {url} --client-id app-first --fd 3 3<~/consumer-secret")
OWN_DAEMON = ("{ sftokend --user & }", '{ sftokend --user 2>~/own.log & }; trap "kill $!; wait $!" EXIT')

# Document, how the block begins, and how it is tested.
TABLE: tuple[tuple[str, str, Union[Run, Elsewhere]], ...] = (
    ("README.md", "$ sftoken get prod", Run((("python3 load.py", "load"),), r"(?s)^00D\w+!.*DailyApiRequests.*prod\tvalid\tjwt_bearer")),
    ("README.md", "./dev demo", Elsewhere("tests/peers/test_demo.py", ("tests/demo/demo.py",))),
    ("README.md", "./dev build", Run((("./dev build", ":"), ("$PWD/build/root", str(ROOT)), OWN_DAEMON, SETUP, ("sftoken get", "sftoken --user get")),
                                     r"(?m)^00D\w+!", before=own_daemon)),
    ("README.md", "$ sftoken doctor prod", Run((), r"(?s)grant\t.*see approval.*approval\tfailed\tthe user is not pre-authorized.*Permitted Users",
                                               status=78, before=not_approved, after=approved)),
    ("README.md", "./dev package", Elsewhere("tests/packages/build.py", ('"./dev", "package"',))),
    ("README.md", "sudo sftokend --check", Elsewhere("tests/system/test_config.py", ("is given by the service manager",))),
    ("README.md", "meson setup build", Elsewhere("tests/systemd/machine.py", ("systemd-sysusers", "ROOT"))),
    ("README.md", "sudo mkdir -p /etc/credstore.encrypted", Elsewhere("tests/systemd/test_credentials.py", ("systemd-creds", "sftokend.store.key"))),
    ("README.md", "sftoken reload", Run((), r"anna", before=new_refresh_token)),
    ("README.md", "sftoken login anna", Elsewhere("tests/system/test_login_cli.py", ('"--flow", "device"', "BROWSER"))),
    ("docs/cookbook.md", "SFTOKEN_CREDENTIAL=prod", Run((LOAD,))),
    ("docs/cookbook.md", "sftoken get prod --min-valid", Run((), r"SF_ACCESS_TOKEN=.00D")),
    ("docs/cookbook.md", "#!/bin/sh", Run((LOAD, ("sleep ", ": ")), after=try_nightly)),
    ("docs/cookbook.md", "sudo cp /usr/share/doc/sftokend/examples", Elsewhere("tests/systemd/test_events.py", ("salesforce-export.timer", "daemon-reload"))),
    ("docs/cookbook.md", "kubectl create", Run((), before=lambda: write("crm.key", "key") and None)),
    ("docs/cookbook.md", "sftoken exec prod --as sf", Run((), r"^https://127\S+ sf project deploy start --source-dir force-app\n", after=was_deployed)),
    ("docs/cookbook.md", "sftoken wait prod", Run((), r"sf project deploy start .* --dry-run\n", after=was_deployed)),
    ("docs/cookbook.md", "curl -K", Run((), r"DailyApiRequests")),
    ("docs/salesforce.md", "openssl req", Run()),
    ("docs/salesforce.md", "sftoken reload", Elsewhere("tests/system/test_login_cli.py", ('"login", "prod"',))),
    ("docs/salesforce.md", "sftoken doctor prod", Run((), r"token\tok\talive at")),
    ("docs/first-token.md", "# ", Elsewhere("tests/packages/test_packages.py", ('screens("docs/first-token.md")', "assert_shown"))),
    ("docs/first-token.md", "sftoken setup crm", Run((("setup crm", "setup first"), ("https://example.my.salesforce.com", "{url}"), ("3MVG9...", "app-first"), ("user etl", f"user {ME}")),
                                                     r"first token", before=own_daemon)),
    ("docs/logging-in.md", "$ ", Elsewhere("tests/packages/test_packages.py", ('screens("docs/logging-in.md")', "assert_shown"))),
    ("docs/monitoring.md", "apt install", Elsewhere("tests/packages/test_packages.py", ('"enable", "--now", "sftokend.socket", "sftokend-manager.socket", "sftokend-metrics.timer"',),
                                                    (("apt install prometheus-node-exporter", "the machine has no network; the test makes the folder of that package by itself"),))),
    ("docs/monitoring.md", "mkdir -p /etc/prometheus", Run((("/etc/prometheus", "prometheus"),), before=installed_alerts, after=alerts_are_read)),
)


def environment() -> dict[str, str]:
    return {"PATH": f"{Shared.home}/bin:{ROOT}/usr/bin:{ROOT}/usr/sbin:/usr/bin:/bin:/usr/sbin", "HOME": str(Shared.home), "LC_ALL": "C.UTF-8",
            "TMPDIR": str(Shared.home), "XDG_RUNTIME_DIR": f"{Shared.home}/run", "CURL_CA_BUNDLE": Shared.salesforce.ca,
            "REQUESTS_CA_BUNDLE": Shared.salesforce.ca, "SFTOKEN_SOCKET": Shared.daemon.broker_path}


def run(script: str, status: int = 0, **more: str) -> tuple[int, str]:
    """Its status, which must be that one, and what it printed."""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], env={**environment(), **more}, cwd=Shared.home, capture_output=True, text=True,
                          timeout=100, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == status, f"{script}\nstatus {done.returncode}, wanted {status}\n{done.stdout}{done.stderr}\n{Shared.daemon.log()[-2000:]}"
    return done.returncode, done.stdout


def commands(block: Block) -> str:
    """What a person types."""
    if block.language == "console":
        return "".join(line[2:] + "\n" for line in block.text.splitlines() if line.startswith(("$ ", "# ")))
    if block.language == "cron":
        settings, line = block.text.splitlines()
        return f"export {settings}\n{line.split(None, 6)[6]}\n"
    return block.text


def row_of(block: Block) -> Union[Run, Elsewhere]:
    fits = [row for row in TABLE if row[0] == block.document and block.text.startswith(row[1])]
    same(len(fits), 1, f"{block}: rows of TABLE for\n{block.text}")
    Shared.seen.add(" ".join(fits[0][:2]))
    return fits[0][2]


def try_block(block: Block) -> None:
    row = row_of(block)
    if isinstance(row, Elsewhere):
        text = (TOP / row.file).read_text()
        same([word for word in row.words if word not in text], [], f"{block}: not in {row.file}")
        same([line for line, _ in row.but if line not in block.text], [], f"{block}: does not stand there any more")
        return
    script = commands(block)
    for old, new in row.instead:
        assert old in script, f"{block}: {old!r} does not stand there any more"
        script = script.replace(old, new.format(url=Shared.salesforce.url) if "{url}" in new else new)
    if row.before:
        row.before()
    try:
        printed = run(script, row.status)[1]
        assert re.search(row.prints, printed), f"{block}: {row.prints!r} does not fit\n{printed}"
    finally:
        if row.after:
            row.after()


def command_blocks(document: str) -> Iterator[Block]:
    for block in blocks(document):
        assert block.language, f"{block}: say which language it is; what programs print is console, or text"
        if block.language in COMMANDS and commands(block):
            yield block


def test_readme() -> None:
    """README.md: every command"""
    for block in command_blocks("README.md"):
        try_block(block)


def test_cookbook() -> None:
    """docs/cookbook.md: every command"""
    for block in command_blocks("docs/cookbook.md"):
        try_block(block)


def test_salesforce() -> None:
    """docs/salesforce.md: every command"""
    for block in command_blocks("docs/salesforce.md"):
        try_block(block)


def test_screens() -> None:
    """docs/first-token.md and docs/logging-in.md: every command"""
    for block in (*command_blocks("docs/first-token.md"), *command_blocks("docs/logging-in.md")):
        try_block(block)


def test_monitoring() -> None:
    """docs/monitoring.md: every command; those in its sentences stand in other tests"""
    for block in command_blocks("docs/monitoring.md"):
        try_block(block)
    text = (TOP / "tests/system/test_metrics.py").read_text()
    assert '"test", "rules", "alerts_test.yml"' in text and '"--output"' in text, "promtool test rules, sftoken metrics --output"


def test_table() -> None:
    """no row of the table stands for nothing"""
    same([row[:2] for row in TABLE if " ".join(row[:2]) not in Shared.seen], [], "rows without a block")


AIRFLOW = '''
import sys, types
for name in ("airflow", "airflow.hooks", "airflow.hooks.base"):
    sys.modules[name] = types.ModuleType(name)
class BaseHook:
    def __init__(self, logger_name=None):
        pass
sys.modules["airflow.hooks.base"].BaseHook = BaseHook
'''


def test_python() -> None:
    """the blocks of Python: the hook of Airflow (with a double of its base class), its use, README.md's session"""
    write("sitecustomize.py", AIRFLOW)
    python = [block for document in DOCUMENTS for block in blocks(document) if block.language == "python"]
    for block in python:
        path = write(block.name or "block.py", block.text)
        printed = run(f"/usr/bin/python3 {path}", PYTHONPATH=f"{Shared.home}:{TOP}/client/python")[1]
        assert "print(" not in block.text or "DailyApiRequests" in printed, f"{block}: {printed}"
    same(len(python), 3, "blocks of Python")
    hook = next(block for block in python if "BaseHook" in block.text).text
    assert hook.count("\n") < 25, "the hook has grown"


def test_configuration() -> None:
    """the credential files are right, and what stands in [Access] of them is known"""
    folder = Shared.home / "check"
    found = [block for document in DOCUMENTS for block in blocks(document) if block.language == "ini" and "[Credential]" in block.text]
    same(len(found), 5, "credential files")
    make_key(write("keys/prod.key", ""))
    write("keys/crm.secret", SECRET)
    me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    for block in found:
        name = re.match(r"# (?:/etc/sftokend/)?credentials/(\w+\.conf)\n", block.text)
        assert name is not None, f"{block}: the first line names the file"
        text = block.text.replace("/etc/sftokend/keys", f"{Shared.home}/keys").replace("AllowUser=etl", f"AllowUser={me}")
        write(f"check/credentials/{name[1]}", text, 0o644)
        run(f"sftokend --user --config {folder} --state {folder}/state --runtime {folder}/run --check")
        (folder / "credentials" / name[1]).unlink()
    for document, word in (("docs/cookbook.md", "value: /run/sftoken/sftokend/io.sftoken.Broker"), ("docs/cookbook.md", "sftoken wait --wait 60")):
        assert word in (TOP / document).read_text() and word.removeprefix("value: ") in \
            (TOP / "container/kubernetes/job.yaml").read_text() + (TOP / "systemd/examples/salesforce-export.service").read_text(), word


def test_inline() -> None:
    """each `sftoken VERB` in a sentence is a verb that there is, each document that is linked to exists"""
    verbs = set()
    for document in DOCUMENTS + ("docs/languages.md",):
        text = (TOP / document).read_text()
        verbs |= set(re.findall(r"`(?:sudo )?sftoken (?:--user )?([a-z]+)", text))
        missing = [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not ((TOP / document).parent / link).exists()]
        same(missing, [], f"links of {document}")
    for verb in sorted(verbs):
        run(f"sftoken {verb} --help")


def test_words_of_doctor() -> None:
    """docs/salesforce.md has what `doctor` says of the org, word for word"""
    said: set[str] = set()
    for source in ("daemon/mint/doctor_words.c", "daemon/mint/doctor_judge.c"):
        text = re.sub(r'"\s*\n\s*"', "", (TOP / source).read_text())
        said |= {match.replace('\\"', '"') for match in re.findall(r'"(in Salesforce: (?:[^"\\]|\\.)*)"', text)}
    assert len(said) >= 9, sorted(said)
    document = (TOP / "docs/salesforce.md").read_text()
    same([sentence for sentence in sorted(said) if f"| {sentence} |" not in document], [], "what doctor says and the document does not")
    table = re.findall(r"\| (in Salesforce: .*) \|", document)
    same([sentence for sentence in table if sentence not in said], [], "what the document says and doctor does not")


def run_all() -> int:
    with Standin() as Shared.salesforce, Daemon(Shared.salesforce) as Shared.daemon, tempfile.TemporaryDirectory(prefix="sft.", dir="/tmp") as home:
        Shared.home = Path(home)
        (Shared.home / "run").mkdir(0o700)
        (Shared.home / "container").symlink_to(TOP / "container")
        for name, text in FAKES.items():
            write(f"bin/{name}", f"#!/bin/sh\n{text}", 0o700)
        Shared.daemon.add_settings("[Limits]\nDemandGap=0\nCheckInterval=100ms\nMaxRequestsPerHour=100000\n")
        Shared.daemon.add_jwt("prod")
        Shared.daemon.add_client_credentials("crm")
        Shared.daemon.add_refresh_token("anna", rotating=None)
        Shared.daemon.start()
        os.environ.pop("SFTOKEN_CREDENTIAL", None)
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run_all() else 0)
