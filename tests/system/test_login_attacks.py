# SPDX-License-Identifier: Apache-2.0
"""What strangers try at the listener of a real login: the 25 attacks of attacks.py and those on the relay page, with the daemon and the stand-in behind it. Each
login that was attacked is then completed by the person's own browser."""

from __future__ import annotations

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from attacks import ATTACKS, RELAY_ATTACKS, Attack, post, relay_nonce
from harness import Daemon, Standin, run_tests, same, wait_for
from people import USER, CliLogin, Kept, add_login, free_port, log_in, told_nothing
from rotating import CALM, history, no_alarms

LANES = 5  # logins side by side, for the time that the limits of the listener take
# those of ATTACKS that a listener with a relay page has to stand, too
RELAYED = ("wrong state", "rebound host", "two hosts or none", "other paths", "injected markup", "second request behind", "error without state")


class Shared:
    salesforce: Standin
    daemon: Daemon


def attacked(name: str, attacks: list[Attack]) -> None:
    """One login, these attacks, and then its real end."""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    before = len(salesforce.token_requests(f"app-{name}"))
    kept = Kept(daemon, name)
    with CliLogin(daemon, name) as login:
        target = login.target()
        url = login.browse()  # the person is on the page of Salesforce all the time
        for attack in attacks:
            try:
                attack.run(target)
            except AssertionError as error:
                raise AssertionError(f"{attack.name}: {error}") from None
            assert login.process.poll() is None, f"{attack.name}: the login has ended"
            kept.check(attack.name)
            time.sleep(1.1 if attack.reaches else 0.1)  # a new second of misses
        same(len(salesforce.token_requests(f"app-{name}")), before, "something of the attacks went to Salesforce")
        page = (post(target, urlsplit(url).fragment, relay_nonce(target)).body if urlsplit(url).fragment
                else salesforce.visit(url).words)
        written, errors = login.end(0)
    assert "You are logged in" in page and USER in written, written + errors
    same(sorted(set(errors.splitlines())), sorted(errors.splitlines()), "told once, however often it was tried")
    assert len(errors.splitlines()) <= 3, errors


def test_attacks() -> None:
    """The 25 attacks on logins in flight: the login goes on, nothing reaches Salesforce, the credential is as it was; the real redirect completes each"""
    same(len(ATTACKS), 25)
    salesforce, daemon = Shared.salesforce, Shared.daemon
    # the slow ones first, one in each lane
    attacks = sorted(ATTACKS, key=lambda a: (not a.reaches, a.name))
    for i in range(LANES):
        add_login(daemon, salesforce, f"lane-{i}", reload=False)
    daemon.cli("reload")
    for i in range(LANES):
        log_in(daemon, f"lane-{i}")
    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(lambda i: attacked(f"lane-{i}", attacks[i::LANES]), range(LANES)))
    for i in range(LANES):
        same([a["outcome"] for a in history(daemon, f"lane-{i}") if a["kind"] == "login"], ["new_token"] * 2)


def test_attacks_on_the_relay() -> None:
    """User-agent flow: the attacks on its page and its POST; the real fragment completes the login"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    add_login(daemon, salesforce, "relay", "user_agent", extra="AllowUserAgent=yes")
    log_in(daemon, "relay")
    attacked("relay", RELAY_ATTACKS + [a for a in ATTACKS if a.name in RELAYED])


def test_second_listener() -> None:
    """A second login at the same port while the first listens: it says so, is completed by paste, and the first still gets its own answer"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    port = free_port()
    add_login(daemon, salesforce, "fixed", redirect=f"http://localhost:{port}/OauthRedirect")
    with CliLogin(daemon, "fixed") as first:
        first.target()
        with CliLogin(daemon, "fixed", terminal=True) as second:
            second.wait_text(f"port {port} is taken")
            url = second.browse()
            # its browser comes to the listener of the first, which refuses it
            same(first.target().get(url.partition("?")[2]).status, 400)
            second.type(url + "\r")
            assert USER in second.end(0)[0]
        assert "You are logged in" in first.finish()
        first.end(0)


def test_port_taken() -> None:
    """Another program has the port, and gets the code: without the verifier it is worth nothing; the login is completed by paste"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        port = thief.getsockname()[1]
        add_login(daemon, salesforce, "taken", redirect=f"http://localhost:{port}/OauthRedirect")
        with CliLogin(daemon, "taken", terminal=True) as login:
            login.wait_text(f"port {port} is taken")
            login.type(login.browse() + "\r")
            assert USER in login.end(0)[0]
        with CliLogin(daemon, "taken") as login:
            # no terminal: nothing can be pasted, and it says what can be done
            assert f"port {port} is taken" in login.end(75)[1]


def test_answer_comes_twice() -> None:
    """The browser sends its answer again (reload, prefetch): one code is spent once, the login succeeds once"""
    salesforce, daemon = Shared.salesforce, Shared.daemon
    salesforce.fault("delay", seconds=0.5, client_id="app-lane-0")
    before = len(salesforce.token_requests("app-lane-0"))
    with CliLogin(daemon, "lane-0") as login:
        target, url = login.target(), login.browse()
        request = f"GET {target.path}?{urlsplit(url).query} HTTP/1.1\r\nHost: {target.authority}\r\n\r\n".encode()
        with target.connect() as one, target.connect() as two:
            one.sendall(request)
            wait_for(lambda: len(salesforce.token_requests("app-lane-0")) > before, "the code at the server")
            two.sendall(request)
            login.end(0)
    same(len(salesforce.token_requests("app-lane-0")), before + 1)


def test_nothing_secret_is_told() -> None:
    """None of all that is in a log, output, history or argument"""
    told_nothing(Shared.daemon, Shared.salesforce, "relay", "fixed", "taken", *(f"lane-{i}" for i in range(LANES)))
    no_alarms(Shared.salesforce)


def run() -> int:
    with Standin(max_grants=0, rotation=True) as salesforce, Daemon(salesforce) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        daemon.add_settings(f"[Limits]\n{CALM}")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
