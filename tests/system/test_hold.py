# SPDX-License-Identifier: Apache-2.0
"""Callers who hold a session, against a server that ends the old session with each exchange of a refresh token, as rotation does."""

from __future__ import annotations

import os
import select
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any, Callable, Optional

from harness import SANITIZERS, Closed, Connection, Daemon, Standin, VarlinkError, expect, main, runs, same, wait_for
from renewal import in_parallel
from rotating import CALM, info, kill_mint, no_alarms, posts, refresh, token, wait_first

HOLD = "io.sftoken.Broker.HoldToken"
# Renewed in the middle of its life; a hold ends a tenth before its end.
LIFE_S, RENEWALS = 4, 10
SETTINGS = f"[Limits]\n{CALM}DemandGap=0\nRenewRefreshAt=50%\nRenewJitter=0%\n"


def start(salesforce: Standin, daemon: Daemon, *names: str, life_s: int = LIFE_S, extra: str = "") -> None:
    daemon.add_settings(SETTINGS)
    for name in names:
        daemon.add_refresh_token(name, extra=f"SessionTimeout={life_s}s\nIntrospect=no\n{extra}")
    daemon.start()
    for name in names:
        wait_first(daemon, name)


def a_server() -> Standin:
    return Standin(refresh_ends_sessions=True, login_limit=0)


class Pages:
    """A REST client that reads page after page in the session that its query was begun in."""

    def __init__(self, salesforce: Standin) -> None:
        self.url = salesforce.url + "/services/data/v60.0/limits"
        context = ssl.create_default_context(cafile=salesforce.ca)
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        self.read, self.invalid = 0, 0

    def page(self, access_token: str) -> bool:
        """False: INVALID_SESSION_ID."""
        request = urllib.request.Request(self.url, headers={"Authorization": f"Bearer {access_token}"})
        try:
            with self.opener.open(request, timeout=30):
                self.read += 1
                return True
        except urllib.error.HTTPError as error:
            assert error.code == 401 and b"INVALID_SESSION_ID" in error.read(), error
            self.invalid += 1
            return False


def hold(daemon: Daemon, name: str, seconds: Optional[int] = None) -> tuple[Connection, dict[str, Any]]:
    """The connection that holds, and the first reply."""
    c = daemon.broker()
    c.send(HOLD, {"credential": name, **({} if seconds is None else {"maxSeconds": seconds})}, more=True)
    return c, c.receive()


def heard(c: Connection) -> bool:
    return bool(c.buffer) or bool(select.select([c.socket], [], [], 0)[0])


def query_held(daemon: Daemon, pages: Pages, name: str) -> int:
    """Pages until the hold is about to end; the generation."""
    c, first = hold(daemon, name)
    with c:
        while not heard(c):
            pages.page(first["token"]["accessToken"])
        same(c.receive()["ending"], True, "the reply that comes ahead")
        pages.page(first["token"]["accessToken"])
    return int(first["generation"])


def query_plain(daemon: Daemon, pages: Pages, name: str) -> int:
    """The same without a hold; the generation."""
    got = token(daemon, name)
    end = time.monotonic() + LIFE_S * 0.7
    while time.monotonic() < end and pages.page(got["accessToken"]):
        pass
    return int(got["generation"])


def query_all(daemon: Daemon, pages: Pages, name: str, query: Callable[[Daemon, Pages, str], int]) -> str:
    generations: set[int] = set()
    while len(generations) <= RENEWALS:
        generations.add(query(daemon, pages, name))
    return f"{len(generations)} sessions, {pages.read} pages, {pages.invalid} x INVALID_SESSION_ID"


def test_pages() -> None:
    """A paging client over 10 renewals that holds its session sees no INVALID_SESSION_ID; the same client without a hold does"""
    with a_server() as salesforce, Daemon(salesforce, options=()) as daemon:
        start(salesforce, daemon, "held", "plain")
        held, plain = Pages(salesforce), Pages(salesforce)
        results = in_parallel({"held": lambda: query_all(daemon, held, "held", query_held),
                               "plain": lambda: query_all(daemon, plain, "plain", query_plain)})
        for name, result in results.items():
            if isinstance(result, BaseException):
                raise result
            print(f"# {name}: {result}")
        same(held.invalid, 0, "INVALID_SESSION_ID with a hold")
        assert plain.invalid >= RENEWALS // 2, f"without a hold the sessions outlived their renewals: {results}"
        no_alarms(salesforce)


def test_put_off() -> None:
    """A due renewal waits, others are served, a wish for more life is told how long; the end of the hold lets it begin"""
    with a_server() as salesforce, Daemon(salesforce) as daemon:
        start(salesforce, daemon, "crm", life_s=14)
        c, first = hold(daemon, "crm")
        before = posts(salesforce, "crm")
        assert 8 <= first["endsInSeconds"] <= 12, first
        daemon.wait_log("renewal.put_off")
        same(token(daemon, "crm")["generation"], first["generation"], "generation during the hold")
        error = expect(VarlinkError, lambda: token(daemon, "crm", minValidSeconds=13, waitSeconds=1))
        assert isinstance(error, VarlinkError) and error.name.endswith(".Unavailable"), error
        assert "holds the session" in error.parameters["message"], error.parameters
        same(posts(salesforce, "crm"), before, "requests during the hold")
        c.close()
        wait_for(lambda: info(daemon, "crm")["generation"] > first["generation"], "the renewal after the hold", 5)
        same(posts(salesforce, "crm"), before + 1, "requests after the hold")


def test_processes_die() -> None:
    """kill -9 of the mint and of the front: what is held stays held, and who comes again holds again"""
    with a_server() as salesforce, Daemon(salesforce) as daemon:
        start(salesforce, daemon, "crm", life_s=24)
        c, first = hold(daemon, "crm")
        before = posts(salesforce, "crm")
        daemon.wait_log("renewal.put_off")
        kill_mint(daemon)
        wait_for(lambda: daemon.log().count("renewal.put_off") > 1, "the new mint waits, too")
        same((posts(salesforce, "crm"), info(daemon, "crm")["generation"]), (before, first["generation"]), "after the end of the mint")
        old = daemon.kill("front")
        wait_for(lambda: daemon.child("front") not in (None, old), "a new front")
        assert c.is_closed(), "the connection to a front that was killed"
        again, second = wait_for(lambda: try_hold(daemon, "crm"), "a hold of the same session")  # type: ignore[misc]
        same((second["generation"], posts(salesforce, "crm")), (first["generation"], before), "after the end of the front")
        again.close()
        wait_for(lambda: info(daemon, "crm")["generation"] > first["generation"], "the renewal after the hold", 10)


def try_hold(daemon: Daemon, name: str) -> Any:
    try:
        return hold(daemon, name, 1)
    except (OSError, Closed, VarlinkError):
        return None


def test_over() -> None:
    """An administrator's refresh ends the session and the hold, which says so at once"""
    with a_server() as salesforce, Daemon(salesforce) as daemon:
        start(salesforce, daemon, "crm", life_s=3600)
        c, first = hold(daemon, "crm", 600)
        same((first["ending"], first["endsInSeconds"]), (False, 600), "the first reply")
        assert refresh(daemon, "crm") > first["generation"]
        same(c.receive(), {"generation": first["generation"], "endsInSeconds": 0, "ending": True}, "the last reply")
        c.close()


def test_other_grants() -> None:
    """JWT bearer: a renewal ends nothing, so it does not wait; RenewalEndsSession=yes makes it wait"""
    with Standin(login_limit=0) as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings(f"[Limits]\n{CALM}RenewAt=50%\nRenewJitter=0%\n")
        for name, extra in (("free", ""), ("bound", "RenewalEndsSession=yes")):
            daemon.add_jwt(name, extra=f"SessionTimeout=8s\nIntrospect=no\nRequired=yes\n{extra}")
        daemon.start()
        (a, free), (b, bound) = hold(daemon, "free"), hold(daemon, "bound")
        wait_for(lambda: info(daemon, "free")["generation"] > free["generation"], "the renewal that does not wait", 8)
        same(info(daemon, "bound")["generation"], bound["generation"], "the one that waits")
        a.close()
        b.close()
        wait_for(lambda: info(daemon, "bound")["generation"] > bound["generation"], "the renewal after the hold", 8)


def test_exec() -> None:
    """sftoken exec --hold: the session is held while the command runs, no process stays beside it, $SFTOKEN_HOLD_ENDS_AT says until when"""
    with a_server() as salesforce, Daemon(salesforce) as daemon:
        start(salesforce, daemon, "crm", life_s=14)
        env = {"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": daemon.broker_path, **SANITIZERS}
        command = [str(daemon.cli_program), "exec", "crm", "--hold", "--", "sh", "-c", 'echo "$SFTOKEN_HOLD_ENDS_AT $SFTOKEN_GENERATION"; exec cat']
        with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
            assert held.stdin and held.stdout
            ends_at, generation = map(int, held.stdout.readline().split())
            assert 7 <= ends_at - time.time() <= 13, ends_at - time.time()
            same(os.readlink(f"/proc/{held.pid}/exe").rsplit("/", 1)[-1].startswith("sftoken"), False, "it is the command itself")
            daemon.wait_log("renewal.put_off")
            same(info(daemon, "crm")["generation"], generation, "generation while the command runs")
            held.stdin.close()
            same(held.wait(20), 0, "status of the command")
        assert not runs(held.pid)
        wait_for(lambda: info(daemon, "crm")["generation"] > generation, "the renewal after the command", 5)
        wrong = daemon.cli("exec", "nobody", "--hold", "--", "true", check=66)
        assert "nobody" in wrong.stderr, wrong.stderr
        wrong = daemon.cli("exec", 'a"b', "--hold", "--", "true", check=66)
        assert 'a"b' in wrong.stderr, wrong.stderr
        wrong = daemon.cli("exec", "crm", "--hold", "--wait", "3", "--", "true", check=64)
        assert "--wait" in wrong.stderr, wrong.stderr


if __name__ == "__main__":
    main()
