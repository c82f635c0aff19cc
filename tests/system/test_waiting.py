# SPDX-License-Identifier: Apache-2.0
"""The line on which `wait` and `watch` say what they wait for: on a terminal alone, and gone when they end. And the names that one may have meant."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import Any

from harness import Daemon, Standin, run_tests, same, wait_for
from login_program import Program

ERASE = "\r\x1b[K"


class Shared:
    salesforce: Standin
    daemon: Daemon


def start(*words: str, terminal: bool = True, **options: Any) -> Program:
    return Program([str(Shared.daemon.cli_program), *words], {"SFTOKEN_SOCKET": Shared.daemon.broker_path}, terminal=terminal, **options)


def left(text: str) -> str:
    """What stands on the terminal in the end."""
    lines = [line.rsplit(ERASE, 1)[-1] for line in text.replace("\r\n", "\n").split("\n")]
    return "\n".join(lines)


def test_wait() -> None:
    """wait: the reason and a clock on one line, which goes when there is a token"""
    Shared.salesforce.force_error("app-late", "inactive_user")
    program = start("wait", "late")
    program.wait_text("waiting 0:0")
    wait_for(lambda: program.read() or len(set(re.findall(r"waiting (\d+:\d\d)", program.text))) >= 2, "a clock that moves")
    assert "inactive" in program.text and "\n" not in program.text, program.text
    Shared.salesforce.force_error("app-late", None)
    Shared.daemon.cli("refresh", "late", check=None)
    out, _ = program.end(0, timeout=60)
    same(left(out), "")


def test_wait_ends() -> None:
    """A wait that ends in vain, or by a signal, leaves no line; the error stands alone"""
    Shared.salesforce.force_error("app-never", "inactive_user")
    program = start("wait", "never", "--wait", "2")
    out, _ = program.end(76)
    assert "waiting 0:0" in out and "waiting" not in left(out) and "inactive" in left(out), out
    program = start("wait", "never")
    program.wait_text("waiting")
    os.kill(program.process.pid, signal.SIGINT)
    out, _ = program.end(-signal.SIGINT)
    same(left(out), "")


def test_watch() -> None:
    """watch: until when the token is good, between one token and the next; gone at the end"""
    program = start("watch", "crm")
    program.wait_text("waiting for the next one")
    first = Shared.daemon.cli("get", "crm").stdout.strip()
    Shared.daemon.cli("refresh", "crm")
    wait_for(lambda: program.read() or program.text.count("waiting for the next one") >= 2, "the second line")
    second = Shared.daemon.cli("get", "crm").stdout.strip()
    os.kill(program.process.pid, signal.SIGTERM)
    out, _ = program.end(-signal.SIGTERM)
    same(left(out).split(), [first, second])
    assert re.search(r"good until \d\d:\d\d:\d\d", out), out


def test_watch_waits() -> None:
    """watch says that it waits for a first token, and leaves no line"""
    Shared.salesforce.force_error("app-never", "inactive_user")
    program = start("watch", "never")
    program.wait_text('watching "never": there is no token yet')
    os.kill(program.process.pid, signal.SIGINT)
    out, _ = program.end(-signal.SIGINT)
    same(left(out), "")


def test_quiet() -> None:
    """No line with -q, with --json, or where standard error is no terminal"""
    for words in (("watch", "crm", "-q"), ("watch", "crm", "--json")):
        program = start(*words)
        wait_for(lambda: program.read() or "\n" in program.text, "a token")
        os.kill(program.process.pid, signal.SIGTERM)
        out, _ = program.end(-signal.SIGTERM)
        assert "waiting" not in out and "\x1b" not in out, out
    result = Shared.daemon.cli("wait", "never", "--wait", "1", check=76)
    assert "\x1b" not in result.stderr and "waiting" in result.stderr, result.stderr
    program = start("wait", "never", "--wait", "2", "-q")
    same(program.end(76)[0], "")


def test_narrow() -> None:
    """On a narrow terminal the line is cut, so that it can be erased"""
    program = start("wait", "never", "--wait", "2", columns=30)
    out, _ = program.end(76)
    shown = [line for line in re.findall(r"waiting[^\r\n\x1b]*", out)]
    assert shown and all(len(line) < 30 for line in shown), shown


def test_did_you_mean() -> None:
    """A name that is nearly right is named, alias or name, for callers and administrators; never one that the caller may not use"""
    daemon = Shared.daemon
    for words in (("get", "cmr"), ("refresh", "cmr"), ("exec", "crmm", "--", "true"), ("show", "crn"), ("doctor", "crmm"), ("curl", "crn", "/x")):
        assert 'did you mean "crm"?' in daemon.cli(*words, check=66).stderr, words
    assert 'did you mean "production"?' in daemon.cli("get", "prodution", check=66).stderr
    assert "did you mean" not in daemon.cli("get", "xyz", check=66).stderr
    same(daemon.cli("get", "cmr", "-q", check=66).stderr, "")
    if os.geteuid() == 0:
        result = daemon.cli("get", "cmr", user=65533, check=66)
        assert "did you mean" not in result.stderr and "crm" not in result.stderr, result.stderr
        assert 'did you mean "late"?' in daemon.cli("get", "latte", user=65533, check=66).stderr


def test_options_and_keys() -> None:
    """Options, and keys and sections of the configuration"""
    daemon = Shared.daemon
    assert "did you mean --format?" in daemon.cli("get", "--fromat", "token", check=64).stderr
    assert "did you mean --generation?" in daemon.cli("report", "--genaration=1", check=64).stderr
    assert "did you mean" not in daemon.cli("get", "--kind", "x", check=64).stderr
    for text, wanted in (("[Credential]\nUsrname=a@b\n", "did you mean Username=?"), ("[Credental]\nGrantType=device\n", "did you mean [Credential]?"),
                         ("[Credential]\nGrantType=jwt_bearrer\n", "did you mean jwt_bearer?")):
        daemon.write_credential("wrong", text)
        assert wanted in daemon.cli("reload", check=78).stderr or wanted in daemon.cli("check", str(daemon.config), "--user", check=78, environment={
            "XDG_RUNTIME_DIR": str(daemon.directory), "XDG_STATE_HOME": str(daemon.directory)}).stderr, text
    (daemon.credentials / "wrong.conf").unlink()


if __name__ == "__main__":
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings("[Limits]\nMinRenewDelay=0s\n" + ("[Listener broker]\nMode=0666\n" if os.geteuid() == 0 else ""))
        daemon.add_client_credentials("crm", extra="Alias=production")
        for name in ("late", "never"):
            daemon.add_client_credentials(name, access="AllowUser=65533")
            salesforce.force_error(f"app-{name}", "inactive_user")
        daemon.start()
        Shared.salesforce, Shared.daemon = salesforce, daemon
        failed = run_tests()
    sys.exit(1 if failed else 0)
