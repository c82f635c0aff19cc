# SPDX-License-Identifier: Apache-2.0
"""Every command, format, option and exit status of sftoken."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
import time
from typing import Any

from harness import SANITIZERS, Daemon, Standin, run_tests, same

VERBS = ["get", "exec", "curl", "env", "list", "show", "watch", "wait", "report", "refresh", "setup", "import", "revoke", "adopt", "doctor", "enable", "disable", "reload",
         "status", "ping", "check", "completion", "help", "version"]


class Shared:
    salesforce: Standin
    daemon: Daemon


def cli(*arguments: str, **options: Any) -> str:
    return str(Shared.daemon.cli(*arguments, **options).stdout)


def token(credential: str = "crm") -> dict[str, Any]:
    return dict(json.loads(cli("get", credential, "--format", "json")))


def test_formats() -> None:
    """get: every format holds the same token in its own dress"""
    t = token()
    access, url = t["accessToken"], t["instanceUrl"]
    same(cli("get", "crm"), access + "\n")
    same(cli("get", "crm", "--format=token"), access + "\n")
    same(cli("get", "crm", "--format", "header"), f"Authorization: Bearer {access}\n")
    same(cli("get", "crm", "--format", "curl"), f'header = "Authorization: Bearer {access}"\n')
    same(json.loads(cli("get", "crm", "--json"))["accessToken"], access)
    oauth = json.loads(cli("get", "crm", "--format", "oauth"))
    same((oauth["access_token"], oauth["instance_url"], oauth["token_type"]), (access, url, "Bearer"))
    same(int(oauth["issued_at"]) // 1000, t["issuedAt"])
    process = json.loads(cli("get", "crm", "--format", "process"))
    same((process["Version"], process["AccessToken"], process["InstanceUrl"], process["Generation"]),
         (1, access, url, t["generation"]))
    same(process["Expiration"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t["expiresAt"])))
    sf = json.loads(cli("get", "crm", "--format", "sf"))
    same((sf["status"], sf["result"]["accessToken"], sf["result"]["instanceUrl"]), (0, access, url))


def test_env() -> None:
    """env: what a shell evaluates is the token, also where it holds an exclamation mark"""
    t = token()
    script = 'eval "$1"; printf "%s\\n" "$SF_ACCESS_TOKEN" "$SF_ORG_INSTANCE_URL" "$SFTOKEN_EXPIRES_AT" "$SFTOKEN_GENERATION"'
    for shell in ("sh", "bash"):
        output = subprocess.run([shell, "-c", script, "_", cli("env", "crm")], capture_output=True, text=True, check=True).stdout
        same(output.splitlines(), [t["accessToken"], t["instanceUrl"], str(t["expiresAt"]), str(t["generation"])])
    same(cli("get", "crm", "--format", "env"), cli("env", "crm"))


def test_exec() -> None:
    """exec: variables, --env, --socket-only, --as sf, and the command's own exit status"""
    t = token()
    show = ("exec", "crm", "--env", "URL=instanceUrl", "--env", "_a9=credential", "--", "env")
    variables = dict(line.split("=", 1) for line in cli(*show).splitlines() if "=" in line)
    same((variables["SF_ACCESS_TOKEN"], variables["SF_ORG_INSTANCE_URL"], variables["SFTOKEN_CREDENTIAL"],
          variables["SFTOKEN_SOCKET"]), (t["accessToken"], t["instanceUrl"], "crm", Shared.daemon.broker_path))
    same(variables["URL"], t["instanceUrl"])
    Shared.daemon.cli("exec", "crm", "--env", "X=noSuchField", "--", "env", check=64)
    only = cli("exec", "crm", "--socket-only", "--", "env")
    assert "SF_ACCESS_TOKEN" not in only and "SFTOKEN_CREDENTIAL=crm" in only
    assert f"SF_TARGET_ORG={t['accessToken']}" in cli("exec", "crm", "--as", "sf", "--", "env")
    Shared.daemon.cli("exec", "crm", "--", "sh", "-c", "exit 9", check=9)
    Shared.daemon.cli("exec", "crm", "--", "/no/such/program", check=127)
    Shared.daemon.cli("exec", "crm", "--", "/etc/passwd", check=126)
    Shared.daemon.cli("exec", "crm", check=64)
    Shared.daemon.cli("exec", "nobody", "--", "true", check=66)


def test_exec_as_sf() -> None:
    """exec --as sf: SF_TARGET_ORG beside the other variables; other names, --socket-only with it, and JWT-format tokens are refused, and no command runs"""
    t = token()
    variables = dict(line.split("=", 1) for line in cli("exec", "crm", "--as", "sf", "--env", "URL=instanceUrl", "--", "env").splitlines() if "=" in line)
    same((variables["SF_TARGET_ORG"], variables["SF_ACCESS_TOKEN"], variables["SF_ORG_INSTANCE_URL"], variables["URL"], variables["SFTOKEN_CREDENTIAL"]),
         (t["accessToken"], t["accessToken"], t["instanceUrl"], t["instanceUrl"], "crm"))
    assert "SF_TARGET_ORG" not in cli("exec", "crm", "--", "env")
    for credential, arguments, text in (("crm", ("--as", "sfdx"), "--as takes sf"), ("crm", ("--as", "sf", "--socket-only"), "contradict"),
                                        ("jwtformat", ("--as", "sf"), "JWT-format")):
        result = Shared.daemon.cli("exec", credential, *arguments, "--", "echo", "it ran", check=64)
        assert text in result.stderr and not result.stdout, result
    assert cli("exec", "jwtformat", "--", "printenv", "SF_ACCESS_TOKEN").count(".") == 2


def test_list_and_show() -> None:
    """list and show: tab-separated in a pipe, JSON with the wire's names"""
    rows = [line.split("\t") for line in cli("list").splitlines()]
    same([(r[0], r[1], r[2]) for r in rows], [("bad", rows[0][1], "client_credentials"), ("crm", "valid", "client_credentials"),
                                              ("jwtformat", "valid", "client_credentials"), ("prod", "valid", "jwt_bearer")])
    names = [c["name"] for c in json.loads(cli("list", "--json"))["credentials"]]
    same(names, ["bad", "crm", "jwtformat", "prod"])
    info = json.loads(cli("show", "production", "--json"))
    same((info["name"], info["aliases"], info["grantType"]), ("prod", ["production"], "jwt_bearer"))
    text = cli("show", "crm")
    assert "state\tvalid" in text and token()["accessToken"] not in text
    shown = cli("show", "bad")
    assert "inactive" in shown, shown


def test_credential_from_environment() -> None:
    """SFTOKEN_CREDENTIAL names the default; without it and with several there is none"""
    same(cli("get", environment={"SFTOKEN_CREDENTIAL": "crm"}), cli("get", "crm"))
    result = Shared.daemon.cli("get", check=66)
    assert "sftoken list" in result.stderr, result.stderr


def test_terminal() -> None:
    """On a terminal list is aligned, coloured, and says when in words; NO_COLOR is honoured"""
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        output = on_terminal(["list"], extra)
        assert re.search(r"CREDENTIAL +STATE +GRANT", re.sub(r"\x1b\[\d+m", "", output)), output
        assert re.search(r"in \d+ (s|min|h)", output), output
        same("\x1b[32mvalid" in output, coloured, output)
    output = on_terminal(["status"], {})
    assert "processes" in output and "crm" in output, output


def on_terminal(arguments: list[str], extra: dict[str, str]) -> str:
    leader, follower = pty.openpty()
    env = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "SFTOKEN_SOCKET": Shared.daemon.broker_path, "ASAN_OPTIONS": "detect_leaks=0", **extra}
    process = subprocess.Popen([str(Shared.daemon.cli_program), *arguments], stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    output = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        output += data
    os.close(leader)
    same(process.wait(), 0)
    return output.decode()


def test_watch() -> None:
    """watch prints the token and each new one, and ends when the reader goes"""
    process = subprocess.Popen([str(Shared.daemon.cli_program), "watch", "crm", "--json"], stdout=subprocess.PIPE, text=True,
                               env={"SFTOKEN_SOCKET": Shared.daemon.broker_path, "ASAN_OPTIONS": "detect_leaks=0"})
    assert process.stdout
    first = json.loads(process.stdout.readline())
    cli("refresh", "crm")
    second = json.loads(process.stdout.readline())
    assert second["generation"] > first["generation"]
    process.terminate()
    process.wait()
    process.stdout.close()


def test_wait() -> None:
    """wait returns at once when there is a token, 66 for a wrong name, and waits for an absent socket"""
    cli("wait", "crm")
    Shared.daemon.cli("wait", "nobody", check=66)
    started = time.monotonic()
    result = Shared.daemon.cli("wait", "crm", "--wait", "1", check=69, environment={"SFTOKEN_SOCKET": "/tmp/absent/socket"})
    assert time.monotonic() - started >= 1 and "sftokend" in result.stderr
    result = Shared.daemon.cli("wait", "bad", "--wait", "1", check=None)
    assert result.returncode in (75, 76), result


def test_report() -> None:
    """report: a live generation will be checked, an old one is nothing to do; --generation is needed"""
    generation = token("prod")["generation"]
    assert "will be checked" in cli("report", "prod", "--generation", str(generation), "--status", "401", "--code", "INVALID_SESSION_ID")
    assert str(generation) in cli("report", "prod", "--generation", str(generation - 5))
    same(json.loads(cli("report", "prod", "--generation", "1", "--json")), {"accepted": False, "generation": generation})
    Shared.daemon.cli("report", "prod", check=64)


def test_refresh_enable_disable() -> None:
    """refresh gives a newer generation; a disabled credential is not served (76), an enabled one is again"""
    before = token()["generation"]
    assert "generation" in cli("refresh", "crm")
    assert token()["generation"] > before
    assert json.loads(cli("refresh", "crm", "--json"))["generation"] == token()["generation"]
    cli("disable", "prod")
    result = Shared.daemon.cli("get", "prod", check=76)
    assert "disabled" in result.stderr, result.stderr
    same(json.loads(cli("show", "prod", "--json"))["state"], "disabled")
    cli("enable", "prod")
    assert cli("get", "prod")
    Shared.daemon.cli("refresh", "nobody", check=66)
    Shared.daemon.cli("refresh", check=64)


def test_reload() -> None:
    """reload counts what changed; with a mistake it says file and line, exits 78 and changes nothing"""
    daemon = Shared.daemon
    assert "0 added, 0 changed, 0 removed" in cli("reload")
    path = daemon.credentials / "crm.conf"
    good = path.read_text()
    path.write_text(good + "Nonsense=1\n")
    result = daemon.cli("reload", check=78)
    assert re.search(r"crm\.conf:\d+", result.stderr) and "Nonsense" in result.stderr, result.stderr
    assert cli("get", "crm")
    path.write_text(good.replace("[Credential]", "[Credential]\nAlias=sales"))
    assert "0 added, 1 changed, 0 removed" in cli("reload")
    same(cli("get", "sales"), cli("get", "crm"))
    path.write_text(good)
    reply = json.loads(cli("reload", "--json"))
    same((reply["added"], reply["changed"], reply["removed"], reply["changedNames"]), (0, 1, 0, ["crm"]))
    Shared.daemon.cli("get", "sales", check=66)


def test_status_and_ping() -> None:
    """status shows processes, files and sockets; ping names the version"""
    status = json.loads(cli("status", "--json"))
    same((status["parentPid"], status["mintPid"], status["frontPid"]),
         (Shared.daemon.pid, Shared.daemon.child("mint"), Shared.daemon.child("front")))
    assert status["ready"] is True
    text = cli("status")
    assert str(Shared.daemon.config / "credentials" / "crm.conf") in text and Shared.daemon.broker_path in text, text
    assert "answers at" in cli("ping")
    same(cli("ping", "-q"), "")


def test_check() -> None:
    """check prints the merged configuration with the origin of each value; a mistake is 78"""
    daemon = Shared.daemon
    text = cli("check", str(daemon.config), "--user", environment={"XDG_RUNTIME_DIR": str(daemon.directory), "XDG_STATE_HOME": str(daemon.directory)})
    assert "GrantType=client_credentials" in text and "crm.conf:" in text, text
    (daemon.credentials / "broken.conf").write_text("[Credential]\nGrantType=nonsense\n")
    result = daemon.cli("check", str(daemon.config), "--user", check=78,
                        environment={"XDG_RUNTIME_DIR": str(daemon.directory), "XDG_STATE_HOME": str(daemon.directory)})
    assert "broken.conf:2" in result.stderr, result.stderr
    # without a directory: that of the daemon which answers, here at its --socket, and with --user at $XDG_RUNTIME_DIR
    result = daemon.cli("check", check=78)
    assert "broken.conf:2" in result.stderr, result.stderr
    (daemon.directory / "of-user").mkdir()
    (daemon.directory / "of-user/sftokend").symlink_to(daemon.runtime)
    environment = {"XDG_RUNTIME_DIR": str(daemon.directory / "of-user"), "XDG_STATE_HOME": str(daemon.directory), "HOME": "/nonexistent"}
    result = daemon.cli("--user", "check", check=78, environment=environment)
    assert "broken.conf:2" in result.stderr, result.stderr
    (daemon.credentials / "broken.conf").unlink()
    # none answers: the usual one; what is said names what sftoken has
    result = daemon.cli("--user", "check", check=78, environment={"HOME": "/nonexistent"})
    assert "/nonexistent/.config/sftokend" in result.stderr and "sftoken check DIRECTORY" in result.stderr and "--" not in result.stderr, result.stderr


def test_exit_statuses() -> None:
    """Usage is 64, no daemon 69, LifetimeTooShort 76, an error of Salesforce 76; each message says what to do"""
    daemon = Shared.daemon
    rows = [
        (("get", "crm", "--no-such-option"), 64, "--help"), (("nonsense",), 64, "--help"), ((), 64, ""), (("get", "a", "b"), 64, "--help"),
        (("get", "crm", "--format", "nonsense"), 64, "header"), (("get", "crm", "--wait", "x"), 64, "number"),
        (("get", "crm", "--wait", "301"), 64, "--wait takes 0 to 300"), (("curl", "crm", "--wait", "301", "/"), 64, "--wait takes 0 to 300"),
        (("refresh", "crm", "--wait", "301"), 64, "--wait takes 0 to 300"),
        (("get", "crm", "--min-valid", "999999"), 76, "ask for less"),
        (("get", "nobody"), 66, "sftoken list"), (("get", "crm", "--user", "--system"), 64, "contradict"),
        (("get", "bad"), 76, "inactive"), (("get", "crm", "--reason", "x" * 300), 64, "reason"), (("get", "crm", "--reason", "x" * 70000), 64, "64 KiB"),
        (("login", "crm"), 64, '"crm" has GrantType=client_credentials: nobody logs in for it; use `sftoken get crm`'),
        (("login", "crm", "--flow", "device"), 64, "nobody logs in for it"),
        (("gett",), 64, 'did you mean "get"?'), (("staus",), 64, 'did you mean "status"?'), (("xyz",), 64, 'unknown command "xyz": see'),
        (("sett",), 64, 'did you mean "setup"?'), (("dia",), 64, 'did you mean "disable"?'), (("log",), 64, 'did you mean "login"?'), (("l",), 64, 'unknown command "l": see'),
        (("help", "gett"), 64, 'did you mean "get"?'), (("help", "get", "env"), 64, "too many"), (("get", "crm", "--allow"), 64, "did you mean --allow-stale?"),
        (("get", "crm", "--format", "jsno"), 64, 'header, env, curl, oauth, process or sf, not "jsno": did you mean json?'),
        (("watch", "crm", "--format=tok"), 64, "did you mean token?"), (("exec", "crm", "--as", "s", "--", "true"), 64, '--as takes sf, not "s": did you mean sf?'),
        (("login", "crm", "--flow", "devic"), 64, '--flow takes web_server, user_agent or device, not "devic": did you mean device?'),
        (("import", "crm", "--kind", "refresh"), 64, "did you mean refresh_token?"), (("setup", "new", "--grant", "jwt_berer"), 64, "did you mean jwt_bearer?"),
        (("exec", "crm", "--env", "1 x=accessToken", "--", "true"), 64, '"1 x" is no name of a variable'), (("exec", "crm", "--env", "=x", "--", "true"), 64, "is no name"),
        (("exec", "crm", "--env", "A-B=x", "--", "true"), 64, "letters, digits and _"), (("exec", "crm", "--env", "AB", "--", "true"), 64, "NAME=FIELD"),
        (("exec", "crm", "--env", "9=x", "--", "true"), 64, "no digit first"), (("exec", "crm", "--env", "Ä=x", "--", "true"), 64, "is no name"),
        (("get", "crm", "--kind", "refresh_token"), 64, "--help"), (("import", "crm"), 64, "--kind"),
    ]
    for arguments, status, text in rows:
        result = daemon.cli(*arguments, check=status)
        assert text in result.stderr, (arguments, result.stderr)
        if arguments:
            same(len(result.stderr.strip().splitlines()), 1, f"lines of {arguments}")
    result = daemon.cli("get", "crm", check=69, environment={"SFTOKEN_SOCKET": "/tmp/absent/socket"})
    assert "is sftokend running" in result.stderr
    same(daemon.cli("get", "nobody", "-q", check=66).stderr, "")


def test_which_daemon() -> None:
    """--socket, SFTOKEN_SOCKET, --user, --system and the user's socket before the system's"""
    daemon = Shared.daemon
    wanted = cli("get", "crm")
    away = {"SFTOKEN_SOCKET": "/tmp/absent/socket"}
    same(cli("get", "crm", "--socket", daemon.broker_path, environment=away), wanted)
    same(cli("status", "--manager", daemon.manager_path, "--json", environment=away)[:1], "{")
    same(cli("status", "--json", environment={**away, "SFTOKEN_MANAGER": daemon.manager_path})[:1], "{")
    runtime = daemon.directory / "xdg"
    runtime.mkdir(mode=0o700)
    (runtime / "sftokend").symlink_to(daemon.runtime)
    for arguments, extra in ((("get", "crm", "--user"), {}), (("get", "crm"), {"SFTOKEN_SOCKET": ""})):
        same(cli(*arguments, environment={**away, "XDG_RUNTIME_DIR": str(runtime), **extra}), wanted)
    nowhere = daemon.directory / "nowhere"
    nowhere.mkdir(mode=0o700)
    for arguments, name in ((("get", "crm"), "io.sftoken.Broker"), (("status",), "io.sftoken.Manager")):
        where = {"SFTOKEN_SOCKET": "", "XDG_RUNTIME_DIR": str(nowhere)}
        errors = daemon.cli(*arguments, check=69, environment=where).stderr
        assert f"{nowhere}/sftokend/{name}, nor at /run/sftokend/{name}" in errors, errors
        same(len(errors.splitlines()), 1)
        same(daemon.cli(*arguments, "-q", check=69, environment=where).stderr, "")
        with subprocess.Popen([str(daemon.cli_program), *arguments], stdout=subprocess.PIPE, text=True,
                              env={"PATH": "/usr/bin:/bin", **SANITIZERS, **where}) as late:
            time.sleep(0.2)  # it has chosen the system's by now, or will find this at once
            (nowhere / "sftokend").symlink_to(daemon.runtime)
            assert late.wait(20) == 0 and late.stdout and late.stdout.read()
        (nowhere / "sftokend").unlink()
    Shared.daemon.cli("get", "crm", "--system", check=69, environment={"XDG_RUNTIME_DIR": str(runtime)})


def test_full_disk() -> None:
    """Output that cannot be written is an error"""
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([str(Shared.daemon.cli_program), "get", "crm"], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                                env={"SFTOKEN_SOCKET": Shared.daemon.broker_path, "ASAN_OPTIONS": "detect_leaks=0"})
    same(result.returncode, 70)
    assert "No space left" in result.stderr


def closed(redirections: str, *words: str) -> subprocess.CompletedProcess[str]:
    """sftoken WORDS... as a shell runs it with these descriptors closed."""
    return subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirections}', str(Shared.daemon.cli_program), *words], capture_output=True, text=True, check=False, timeout=60,
                          env={"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": Shared.daemon.broker_path, **SANITIZERS})


def test_closed_descriptors() -> None:
    """Standard output that is closed is output that cannot be written; with 0 to 2 closed nothing of ours takes their place, and a command gets them closed, as from a shell"""
    for words in (("get", "crm"), ("get", "crm", "--json"), ("env", "crm"), ("list",), ("show", "crm"), ("report", "crm", "--generation", "1"), ("--version",), ("--help",)):
        for redirections in (">&-", "<&- >&-"):
            result = closed(redirections, *words)
            same((result.returncode, result.stderr), (70, "sftoken: cannot write to standard output: Bad file descriptor\n"), f"{words} {redirections}")
        same(closed("<&- >&- 2>&-", *words).returncode, 70, str(words))
    for redirections in ("<&-", "2>&-", "<&- 2>&-"):
        same(closed(redirections, "get", "crm").stdout, cli("get", "crm"), redirections)
    same(closed("<&- >&-", "get", "nobody").returncode, 66)
    show = "for i in 0 1 2; do test -e /proc/$$/fd/$i && echo $i >&9; done; exit 0"
    for redirections, still in (("9>&1", "0 1 2"), ("9>&1 <&-", "1 2"), ("9>&1 >&-", "0 2"), ("9>&1 <&- >&- 2>&-", "")):
        for hold in ((), ("--hold",)):
            result = closed(redirections, "exec", "crm", *hold, "--", "sh", "-c", show)
            same((result.returncode, result.stdout.split()), (0, still.split()), f"{redirections} {hold}: {result.stderr}")


def test_help() -> None:
    """Every command is in --help and has a help text with an example of its own"""
    text = cli("--help")
    listed = re.findall(r"^  ([a-z]+) ", text, re.M)
    same(sorted(set(listed) & set(VERBS)), sorted(VERBS))
    for verb in VERBS:
        assert re.search(rf"^  {verb} +\S", text, re.M), verb
        assert f"sftoken {verb}" in cli(verb, "--help").partition("example:")[2] or verb in ("get",), verb
    for verb in ("adopt", "revoke", "import"):  # what to make sure of first is for those who ask about the command
        assert len(cli(verb, "--help").partition("example:")[0].strip().splitlines()) > 3, verb
    same([line for line in text.splitlines() if len(line) > 120], [])
    same([line for line in "\n".join(cli(verb, "--help") for verb in VERBS).splitlines() if line != line.rstrip()], [])
    assert "credentials" not in cli("status", "--help"), cli("status", "--help")
    assert "report [CRED]" in cli("report", "--help")
    assert re.match(r"sftoken \d+\.\d+\.\d+\n", cli("--version"))
    same(cli("version"), cli("--version"))
    same(cli("help"), text)
    for verb in VERBS:
        same(cli("help", verb), cli(verb, "--help"), verb)


def test_no_token_in_messages() -> None:
    """Nothing but get, env, watch and exec prints a token"""
    tokens = [token("crm")["accessToken"], token("prod")["accessToken"]]
    for command in ("list", "list --json", "show crm", "show crm --json", "status", "status --json", "ping", "reload", "wait crm",
                    f"report crm --generation {token()['generation']}", "refresh crm", "get crm --min-valid 999999"):
        result = Shared.daemon.cli(*shlex.split(command), check=None)
        for text in tokens + [token("crm")["accessToken"]]:
            assert text not in result.stdout + result.stderr, command


def run() -> int:
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.add_jwt("prod", extra="Alias=production\nRequired=yes")
        daemon.add_client_credentials("jwtformat", app={"jwt_tokens": True}, extra="Required=yes")
        daemon.add_client_credentials("bad", app={"force_error": "inactive_user"}, extra="Required=yes")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
