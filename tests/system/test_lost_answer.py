# SPDX-License-Identifier: Apache-2.0
"""A refresh token was sent and its answer is lost: nothing is sent again while there is something to lose, and everybody is told."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import threading
import time
import urllib.parse
import urllib.request
from typing import Any, Sequence

from harness import Daemon, Standin, VarlinkError, children, expect, main, runs, same, wait_for
from in_unit import STARTER
from rotating import (CALM, good, in_flight, info, kill_mint, no_alarms, outcomes, posts, refresh, shown, token, wait_first, wait_mint, wait_state, warnings)

LIFE_S = 8
SETTINGS = f"[Network]\nTimeout=3s\nConnectTimeout=3s\n[Limits]\n{CALM}BackoffFirst=50ms\nBackoffMax=100ms\nPermanentRetry=1s\nDemandGap=0\nDefaultMinValid=0\n"


def started(salesforce: Standin, daemon: Daemon, life_s: int = LIFE_S, name: str = "crm", begin: Sequence[str] = (), **grant: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A running daemon with one credential that has its first token: the grant at the stand-in and the token. No renewal comes by itself
    before the token is nearly over. begin: the program that executes the daemon."""
    daemon.add_settings(SETTINGS + "RenewRefreshAt=90%\nRenewJitter=0%\nRenewMargin=0\n")
    made = daemon.add_refresh_token(name, extra=f"SessionTimeout={life_s}s\nIntrospect=no", **grant)
    daemon.spawn([*begin, *daemon.arguments()])
    daemon.wait_ready()
    daemon.import_all()
    return made, wait_first(daemon, name)


def lose(salesforce: Standin, daemon: Daemon, kind: str = "drop_after", **args: Any) -> VarlinkError:
    """A renewal whose answer does not come."""
    salesforce.fault(kind, client_id="app-crm", **args)
    error = expect(VarlinkError, lambda: refresh(daemon, "crm"))
    assert isinstance(error, VarlinkError)
    return error


def explained(daemon: Daemon) -> None:
    """status, show, the log and the error of a refresh say what happened, until when the token works, what will be tried, what to do."""
    sentence = re.compile(r"the answer to the renewal of \d\d:\d\d:\d\d UTC is lost; the token works until \d\d:\d\d:\d\d UTC, then the old refresh token is "
                          r"tried once; if it is refused, sftoken import a new one")
    seen = {"status": warnings(daemon), "sftoken status": " ".join(daemon.cli("status").stdout.split()),
            "sftoken show": " ".join(shown(daemon, "crm").split()), "log": daemon.log()}
    for where, text in seen.items():
        assert sentence.search(text), f"{where} does not explain it: {text[-1500:]}"


def test_lost() -> None:
    """Dropped after processing: one POST while the old access token lives, which is served to its end; explained; one replay; then login_required"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        grant, first = started(salesforce, daemon)
        ends = time.time() + first["expiresInSeconds"]
        second = salesforce.current_token(grant["grant"])
        assert second
        lose(salesforce, daemon)
        explained(daemon)
        same(outcomes(daemon, "crm")[0], "unknown")
        expect(VarlinkError, lambda: refresh(daemon, "crm"))
        while time.time() < ends - 0.3:
            got = token(daemon, "crm")
            same((got["accessToken"], got["validity"]), (first["accessToken"], "fresh"))
            time.sleep(0.05)
        same(len(salesforce.refresh_token(second)["posts"]), 1, "POSTs with that token while the old access token lives")
        state = wait_state(daemon, "crm", "login_required", timeout=10)
        used = salesforce.refresh_token(second)["posts"]
        same(len(used), 2, "POSTs with that token")
        assert used[1] - used[0] > first["expiresInSeconds"] - 3, f"replayed after {used[1] - used[0]:.1f} s"
        assert "was lost" in state["lastError"] and "sftoken import" in state["lastError"], state["lastError"]
        same(len(salesforce.alarms()), 1, "the one replay that had to be tried")
        daemon.cli("get", "crm", check=80)
        time.sleep(1.5)
        kill_mint(daemon)
        daemon.cli("get", "crm", check=80)
        same(len(salesforce.refresh_token(second)["posts"]), 2, "POSTs with that token")
        new = salesforce.new_grant("crm@example.com", "app-crm", True)
        daemon.give("crm", "refresh_token", new["refresh_token"])
        assert wait_first(daemon, "crm")["generation"] > first["generation"]
        same(salesforce.problems(), [])


def test_import_heals() -> None:
    """While the outcome is unknown, an import ends it at once: the new token is spent, the old one never again"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        _, first = started(salesforce, daemon, 7200)
        lose(salesforce, daemon)
        new = salesforce.new_grant("crm@example.com", "app-crm", True)
        daemon.give("crm", "refresh_token", new["refresh_token"])
        wait_for(lambda: token(daemon, "crm")["generation"] > first["generation"], "a new token")
        same((warnings(daemon).count("lost"), info(daemon, "crm")["lastError"]), (0, None))
        good(daemon, salesforce, "crm")
        no_alarms(salesforce)


def test_survives_restarts() -> None:
    """The unknown outcome is remembered by a new mint and by a new daemon, and explained there; nothing is sent"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        _, first = started(salesforce, daemon, 7200)
        lose(salesforce, daemon)
        sent = posts(salesforce, "crm")
        kill_mint(daemon)
        explained(daemon)
        same(daemon.stop(), 0)
        daemon.log_path.write_text("")
        daemon.start()
        assert "is lost" in warnings(daemon) and "is lost" in shown(daemon, "crm")
        same(token(daemon, "crm")["accessToken"], first["accessToken"])
        expect(VarlinkError, lambda: refresh(daemon, "crm"))
        daemon.cli("disable", "crm")
        daemon.cli("enable", "crm")
        daemon.cli("reload")
        same(token(daemon, "crm")["accessToken"], first["accessToken"])
        same(posts(salesforce, "crm"), sent)
        no_alarms(salesforce)


def test_not_rotated() -> None:
    """The same without rotation: the replay succeeds, and nothing was lost"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        _, first = started(salesforce, daemon, rotating=False)
        lose(salesforce, daemon)
        wait_for(lambda: info(daemon, "crm")["state"] == "valid" and token(daemon, "crm")["generation"] > first["generation"], "the replay", 15)
        same(posts(salesforce, "crm"), 3)
        same(info(daemon, "crm")["lastError"], None)


def test_gateway_before_processing() -> None:
    """502, 504 and 500 of a gateway that never passed it on: unknown, one POST each; the replay at the end of the access token succeeds"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings(SETTINGS + "RenewRefreshAt=90%\nRenewJitter=0%\nRenewMargin=0\n")
        names = {"a502": 502, "a504": 504, "a500": 500}
        for name in names:
            daemon.add_refresh_token(name, extra=f"SessionTimeout={LIFE_S}s\nIntrospect=no")
        daemon.start()
        firsts = {name: wait_first(daemon, name) for name in names}
        for name, code in names.items():
            salesforce.fault("gateway", client_id=f"app-{name}", status=code)
            expect(VarlinkError, lambda name=name: refresh(daemon, name))  # type: ignore[misc]
            same(outcomes(daemon, name)[0], "unknown", name)
            assert "is lost" in shown(daemon, name), name
        same({name: posts(salesforce, name) for name in names}, dict.fromkeys(names, 2))
        for name, first in firsts.items():
            wait_for(lambda n=name, f=first: info(daemon, n)["state"] == "valid" and token(daemon, n)["generation"] > f["generation"],  # type: ignore[misc]
                     f"the replay of {name}", 15)
            same(posts(salesforce, name), 3, name)
            good(daemon, salesforce, name)
        same(len(salesforce.alarms()), 0)


def behind_token(salesforce: Standin) -> int:
    """How many bytes of an answer end behind its member refresh_token: measured with a grant of another app, whose answers are as long."""
    salesforce.configure(users={"crm@example.org": {}}, apps={"app-two": {}}, strict=False)
    grant = salesforce.new_grant("crm@example.org", "app-two", True)
    form = urllib.parse.urlencode({"grant_type": "refresh_token", "refresh_token": grant["refresh_token"], "client_id": "app-two"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                         urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=salesforce.ca)))
    with opener.open(salesforce.url + "/services/oauth2/token", form.encode(), timeout=30) as answer:
        body = answer.read().decode()
    salesforce.configure(strict=True)
    salesforce.clear_log()
    member = json.dumps(json.loads(body)["refresh_token"])
    return body.index(member) + len(member)


def test_salvaged() -> None:
    """The answer is cut off, but the new refresh token stands whole in what came: it is stored, nothing is unknown, the next renewal spends it"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        grant, first = started(salesforce, daemon, 7200)
        n = behind_token(salesforce)
        for length in (True, False):
            before = len(salesforce.grants(grant=grant["grant"])[0]["tokens"])
            salesforce.fault("truncate", client_id="app-crm", n=n, length=length)
            error = expect(VarlinkError, lambda: refresh(daemon, "crm"))
            same(getattr(error, "short", None), "Unavailable")
            family = salesforce.grants(grant=grant["grant"])[0]
            same(len(family["tokens"]), before + 1, "refresh tokens: the server has replaced one")
            same(outcomes(daemon, "crm")[0], "transient", f"length {length}")
            assert "spend.salvaged credential=crm" in daemon.log() and "is lost" not in warnings(daemon), warnings(daemon)
            kill_mint(daemon)
            good(daemon, salesforce, "crm")
        assert first["generation"] < token(daemon, "crm")["generation"]
        no_alarms(salesforce)


def test_cut_within_token() -> None:
    """The same one byte earlier, within the token: unknown"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        started(salesforce, daemon, 7200)
        lose(salesforce, daemon, "truncate", n=behind_token(salesforce) - 1)
        explained(daemon)


def mint_dies(rotating: bool) -> None:
    """Killed while the answer is on its way."""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        _, first = started(salesforce, daemon, rotating=rotating)
        salesforce.fault("delay", client_id="app-crm", seconds=1, after=True)
        sent = posts(salesforce, "crm")
        threading.Thread(target=lambda: expect(Exception, lambda: refresh(daemon, "crm")), daemon=True).start()
        salesforce.wait_requests(sent + 1, client_id="app-crm")
        wait_for(lambda: salesforce.counters()["refreshes"] == 2, "the token is spent")
        kill_mint(daemon)
        explained(daemon)
        same(token(daemon, "crm")["accessToken"], first["accessToken"])
        expect(VarlinkError, lambda: refresh(daemon, "crm"))
        same(posts(salesforce, "crm"), sent + 1, "POSTs before the end of the old access token")
        if rotating:
            same(salesforce.wait_replies()["lost_replies"], 1)
            wait_state(daemon, "crm", "login_required", timeout=15)
        else:
            wait_for(lambda: token(daemon, "crm", waitSeconds=5)["generation"] > first["generation"], "the replay", 15)
        same(posts(salesforce, "crm"), sent + 2)


def test_killed_between() -> None:
    """kill -9 of the mint between INTENT and RESULT: the same as a lost answer"""
    mint_dies(True)


def test_killed_between_without_rotation() -> None:
    """The same without rotation: the replay brings a new token"""
    mint_dies(False)


def test_term_waits() -> None:
    """TERM while the answer is on its way: the daemon waits for it, stores it, and ends within 5 s; the next one spends the new token"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        _, first = started(salesforce, daemon, 7200)
        in_flight(salesforce, daemon, 1.5)
        begun = time.monotonic()
        same(daemon.stop(), 0)
        took = time.monotonic() - begun
        assert 0.5 < took < 5.5, f"{took:.1f} s"
        same(salesforce.wait_replies()["lost_replies"], 0)
        daemon.start()
        assert "is lost" not in warnings(daemon), warnings(daemon)
        assert token(daemon, "crm")["generation"] > first["generation"], "the access token of that answer is kept, too"
        good(daemon, salesforce, "crm")
        no_alarms(salesforce)


def test_interrupt_of_group() -> None:
    """Ctrl-C at a terminal reaches the whole process group of the daemon while the answer is on its way: it is waited for all the same, and stored"""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        with Standin() as salesforce, Daemon(salesforce) as daemon:
            # a unit leads a group already
            _, first = started(salesforce, daemon, 7200, begin=() if STARTER else ("/usr/bin/setsid",))
            pids = children(daemon.pid)
            in_flight(salesforce, daemon, 1.5)
            minted = daemon.log().count("token.minted")
            os.killpg(os.getpgid(daemon.pid), number)
            if number == signal.SIGHUP:
                daemon.wait_log("config.reloaded")
                same((children(daemon.pid), daemon.stop()), (pids, 0))
            else:
                assert daemon.process is not None
                daemon.process.wait(20)
                wait_for(lambda: not any(runs(pid) for pid in pids.values()), "the end of all of it", 20)
                same(daemon.process.returncode, 0 if number == signal.SIGINT else -signal.SIGQUIT)
                daemon.process = None
            same(daemon.log().count("token.minted"), minted + 1, f"answers that were waited for after {number.name}")
            daemon.start()
            assert "spend.unknown" not in daemon.log() and "child.died" not in daemon.log(), daemon.log()
            assert token(daemon, "crm")["generation"] > first["generation"]
            no_alarms(salesforce)


def test_term_gives_up() -> None:
    """An answer that takes longer than StopTimeout= is not waited for: the daemon ends, and the outcome is unknown"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings("[Limits]\nStopTimeout=2s\n", "stop.conf")
        started(salesforce, daemon, 7200)
        in_flight(salesforce, daemon, 10)
        begun = time.monotonic()
        same(daemon.stop(), 0)
        assert 1.5 < time.monotonic() - begun < 5, f"{time.monotonic() - begun:.1f} s"
        daemon.start()
        explained(daemon)


def test_parent_dies() -> None:
    """kill -9 of the parent while the answer is on its way: the mint stores it before it ends, and a new daemon waits for that"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        _, first = started(salesforce, daemon, 7200)
        pids = children(daemon.pid)
        in_flight(salesforce, daemon, 1.5)
        assert daemon.process
        daemon.process.kill()
        daemon.process.wait()
        assert runs(pids["sftokend-mint"]), "the mint has not waited"
        daemon.start()
        assert not runs(pids["sftokend-mint"]), "two mints"
        same(salesforce.wait_replies()["lost_replies"], 0)
        assert "is lost" not in warnings(daemon), warnings(daemon)
        assert token(daemon, "crm")["generation"] > first["generation"]
        good(daemon, salesforce, "crm")
        no_alarms(salesforce)


def test_front_dies() -> None:
    """kill -9 of the front while the answer is on its way changes nothing"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        _, first = started(salesforce, daemon, 7200)
        in_flight(salesforce, daemon, 1)
        daemon.kill("front")
        wait_for(lambda: served(daemon) > first["generation"], "the new token")
        good(daemon, salesforce, "crm")
        no_alarms(salesforce)


def served(daemon: Daemon) -> int:
    try:
        return int(token(daemon, "crm")["generation"])
    except OSError:
        return 0


def test_reload_meanwhile() -> None:
    """A reload that changes or removes the credential while the answer is on its way: it is stored first, and nothing is lost"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        _, first = started(salesforce, daemon, 7200)
        path = daemon.credentials / "crm.conf"
        text = path.read_text()
        in_flight(salesforce, daemon, 1)
        path.write_text(text.replace("SessionTimeout=7200s", "SessionTimeout=7000s"))
        daemon.cli("reload")
        wait_for(lambda: token(daemon, "crm")["generation"] > first["generation"], "the new token")
        good(daemon, salesforce, "crm")
        in_flight(salesforce, daemon, 1)
        path.unlink()
        daemon.cli("reload")
        same(salesforce.wait_replies()["lost_replies"], 0)
        path.write_text(text)
        daemon.cli("reload")
        good(daemon, salesforce, "crm")
        no_alarms(salesforce)


def test_stopped_mint() -> None:
    """A mint that was stopped (SIGSTOP) beyond Timeout= while the answer came reads it when it goes on, or says unknown: never a replay"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        started(salesforce, daemon, 7200)
        in_flight(salesforce, daemon, 0.5)
        mint = daemon.child("mint")
        assert mint
        os.kill(mint, signal.SIGSTOP)
        time.sleep(4)
        os.kill(mint, signal.SIGCONT)
        wait_mint(daemon, None)
        wait_for(lambda: outcomes(daemon, "crm")[0] in ("new_token", "unknown") and len(outcomes(daemon, "crm")) > 3, "the end of the attempt")
        if outcomes(daemon, "crm")[0] == "new_token":
            good(daemon, salesforce, "crm")
        no_alarms(salesforce)


if __name__ == "__main__":
    main()
