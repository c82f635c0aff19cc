# SPDX-License-Identifier: Apache-2.0
"""What sftokend does, shown on a stand-in for Salesforce: `./dev demo`.

    demo.py ROOT        the installed tree, build/root

Everything happens in a temporary directory and on loopback; nothing stays behind.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Optional

TOP = Path(__file__).resolve().parent.parent
os.environ["SFTOKEN_ROOT"] = str(Path(sys.argv[1]).resolve())
os.environ["SFTOKEN_VARIANT"] = "release"
sys.path[:0] = [str(TOP / "system"), str(TOP)]

from harness import Daemon, Standin, wait_for  # noqa: E402

SESSION_S = 30


def say(text: str = "") -> None:
    print(text, flush=True)


def title(text: str) -> None:
    say(f"\n== {text}")


def short(token: str) -> str:
    """Enough of a token to tell two apart."""
    return token[:18] + "..." + token[-4:]


def run(daemon: Daemon, *arguments: str, stdin: str = "", source: str = "") -> str:
    """Shows a command as a person would type it, and what it prints. stdin: what it reads, shown as the name of a file."""
    say("$ sftoken " + " ".join(arguments) + (f" < {source}" if source else ""))
    result = daemon.cli(*arguments, check=None, stdin=stdin)
    for line in (result.stdout + result.stderr).rstrip().splitlines():
        say("  " + line)
    if result.returncode:
        say(f"  (exit status {result.returncode})")
    return result.stdout


def run_on_terminal(daemon: Daemon, *arguments: str) -> None:
    """The same as on a person's terminal: aligned, times in words."""
    say("$ sftoken " + " ".join(arguments))
    leader, follower = pty.openpty()
    environment = {"PATH": "/usr/bin:/bin", "TERM": "dumb", "SFTOKEN_SOCKET": daemon.broker_path, "SFTOKEN_MANAGER": daemon.manager_path}
    process = subprocess.Popen([str(daemon.cli_program), *arguments], env=environment, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    output = b""
    try:
        while data := os.read(leader, 65536):
            output += data
    except OSError:
        pass  # a terminal ends so when nobody has it open any more
    os.close(leader)
    process.wait()
    for line in output.decode().splitlines():
        say("  " + line)


class Watch(threading.Thread):
    """`sftoken watch` running beside the story: prints each new token when it comes."""

    def __init__(self, daemon: Daemon, credential: str) -> None:
        super().__init__(daemon=True)
        self.tokens: list[dict[str, object]] = []
        self.credential = credential
        environment = {"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": daemon.broker_path}
        self.process = subprocess.Popen([str(daemon.cli_program), "watch", credential, "--json"], env=environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.started = time.monotonic()

    def run(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            token = json.loads(line)
            self.tokens.append(token)
            say(f"  [watch {self.credential}, {time.monotonic() - self.started:4.1f} s] generation {token['generation']}: "
                f"{short(str(token['accessToken']))}, {token['expiresInSeconds']} s left")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.join(5)


class Caller(threading.Thread):
    """A job that asks ten times a second and counts what it gets."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self.command = [str(daemon.cli_program), "get", "crm", "-q"]
        self.environment = {"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": daemon.broker_path}
        self.stopping = threading.Event()
        self.asked = self.failed = 0
        self.slowest = 0.0

    def run(self) -> None:
        while not self.stopping.wait(0.1):
            started = time.monotonic()
            result = subprocess.run(self.command, env=self.environment, stdout=subprocess.DEVNULL, check=False)
            self.slowest = max(self.slowest, time.monotonic() - started)
            self.asked += 1
            self.failed += result.returncode != 0

    def stop(self) -> None:
        self.stopping.set()
        self.join(10)


def configure(daemon: Daemon) -> str:
    """Three credentials; the refresh token of the third, which is in no file."""
    daemon.add_client_credentials("crm", extra=f"SessionTimeout={SESSION_S}s\nRequired=yes")
    daemon.add_jwt("prod", extra=f"SessionTimeout={SESSION_S}s\nAlias=production\nRequired=yes")
    grant = daemon.add_refresh_token("anna", extra=f"SessionTimeout={SESSION_S}s")
    daemon.to_import.clear()  # in front of the viewer
    for name in ("crm", "prod", "anna"):
        say(f"  credentials/{name}.conf:")
        for line in (daemon.credentials / f"{name}.conf").read_text().partition("[Access]")[0].strip().splitlines():
            say("    " + line)
    return str(grant["refresh_token"])


def kill(daemon: Daemon, name: str) -> None:
    old = daemon.kill(name)
    new = wait_for(lambda: (p := daemon.child(name)) and p != old and p, f"a new {name}")
    say(f"  kill -9 of the {name} (pid {old}); the parent has started another (pid {new})")


def lose_an_answer(salesforce: Standin, daemon: Daemon) -> None:
    """Salesforce replaces anna's refresh token, and nobody hears of it."""
    title("The answer to a renewal is lost: Salesforce has replaced the refresh token, and the line breaks before it says so")
    salesforce.fault("drop_after", client_id="app-anna")
    run(daemon, "refresh", "anna")
    seen = max(r["seq"] for r in salesforce.requests())
    run_on_terminal(daemon, "show", "anna")
    say(f"$ sftoken get anna\n  {short(daemon.cli('get', 'anna').stdout.strip())}    (the old token still works)")
    say(f"  requests with the old refresh token since, each of which would have ended that token: {len(salesforce.token_requests('app-anna', since=seen))}")
    run(daemon, "import", "anna", "--kind", "refresh_token", source="new-token.txt",
        stdin=salesforce.new_grant("anna@example.com", "app-anna", True)["refresh_token"])
    wait_for(lambda: "lost" not in daemon.cli("show", "anna").stdout, "an end of the doubt")
    say(f"$ sftoken get anna\n  {short(daemon.cli('get', 'anna').stdout.strip())}")


def story(salesforce: Standin, daemon: Daemon) -> None:
    title("Three credentials: one file each; the secrets are elsewhere")
    refresh_token = configure(daemon)

    title("The daemon starts: parent, mint (has the secrets) and front (talks to callers, has none)")
    daemon.start()
    say(f"  {daemon.program} is ready, pid {daemon.pid}")

    title("A job asks for a token")
    token = daemon.cli("get", "crm").stdout.strip()
    say(f"$ sftoken get crm\n  {short(token)}    (shortened here)")
    say(f"$ sftoken get production --format header\n  {short(daemon.cli('get', 'production', '--format', 'header').stdout.strip())}")
    say("$ sftoken exec crm -- sh -c 'echo $SF_ORG_INSTANCE_URL'\n  "
        + daemon.cli("exec", "crm", "--", "sh", "-c", "echo $SF_ORG_INSTANCE_URL").stdout.strip())

    title("A refresh token is given once; each renewal replaces it, and the store keeps it sealed")
    run(daemon, "import", "anna", "--kind", "refresh_token", source="token.txt", stdin=refresh_token)
    say(f"$ sftoken get anna\n  {short(daemon.cli('get', 'anna').stdout.strip())}")
    run_on_terminal(daemon, "list")

    title(f"Sessions live {SESSION_S} s here. Each token is replaced at half of its life; a watcher is told, nobody waits")
    watch = Watch(daemon, "crm")
    watch.start()
    caller = Caller(daemon)
    caller.start()
    wait_for(lambda: len(watch.tokens) >= 3, "two renewals", 3 * SESSION_S)

    title("Parts of the daemon are killed while a job asks ten times a second")
    seen = max(r["seq"] for r in salesforce.requests())
    kill(daemon, "front")
    time.sleep(0.5)
    kill(daemon, "mint")
    time.sleep(1.5)
    caller.stop()
    watch.stop()
    say(f"  the job asked {caller.asked} times: {caller.failed} failed, the slowest answer took {caller.slowest * 1000:.0f} ms")
    early = [r for r in salesforce.token_requests(since=seen) if r["age_fraction"] is not None and r["age_fraction"] < 0.4]
    say(f"  requests to Salesforce for a token that was not due: {len(early)}")

    title("Salesforce is down: what is still valid is served")
    salesforce.fault("html", path="*", forever=True, status=503)
    run(daemon, "refresh", "crm")
    say(f"$ sftoken get crm\n  {short(daemon.cli('get', 'crm').stdout.strip())}")
    salesforce.clear_faults()

    lose_an_answer(salesforce, daemon)

    title("A mistake in the configuration changes nothing and is told with file and line")
    path = daemon.credentials / "crm.conf"
    good = path.read_text()
    path.write_text(good.replace("GrantType=client_credentials", "GrantType=client_credential"))
    run(daemon, "reload")
    path.write_text(good)
    run(daemon, "reload")

    if caller.failed or any(problem for problem in salesforce.problems()):
        raise SystemExit(f"the demo went wrong: {caller.failed} failed calls, {salesforce.problems()}")


def main() -> None:
    say("sftokend: one owner for each Salesforce credential, and a live token for everybody who may have one.")
    say("This demo talks to a stand-in for Salesforce on this machine; nothing leaves it.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    daemon: Optional[Daemon] = None
    with Standin(session_timeout_s=SESSION_S) as salesforce, Daemon(salesforce, options=["--log-level", "notice"]) as daemon:
        story(salesforce, daemon)
        title("Done")
        status = daemon.stop()
        say(f"  the daemon ended with status {status}; its directory {daemon.directory} is removed")


if __name__ == "__main__":
    main()
