# SPDX-License-Identifier: Apache-2.0
"""Renewals watched over many sessions: the same checks in a short form (test_renewal.py) and a long one (tests/soak)."""

from __future__ import annotations

import ctypes
import ssl
import threading
import time
import urllib.request
from typing import Any, Callable

from harness import Connection, Daemon, Standin, make_key, same
from load import Error, LibraryCaller, Options, library

# So much later than the answer of the stand-in may a caller have its token: scheduling on a machine that does other things.
SLACK_S = 1.0


class Library:
    """One handle of libsftoken, for gets one after the other."""

    def __init__(self, path: str) -> None:
        self.caller = LibraryCaller(library(), path, "")
        self.lib = self.caller.lib

    def get(self, credential: str) -> None:
        """A get with default parameters; AssertionError if it fails."""
        options = Options(ctypes.sizeof(Options), credential.encode(), 0, -1, -1, 0, 0, None)
        token, error = ctypes.c_void_p(), Error()
        if self.lib.sftoken_get(self.caller.handle, ctypes.byref(options), ctypes.byref(token), ctypes.byref(error)) < 0:
            raise AssertionError(f"a get of {credential} failed: {error.text.decode()}")
        self.lib.sftoken_token_free(token)

    def close(self) -> None:
        self.lib.sftoken_close(self.caller.handle)


def in_parallel(jobs: dict[str, Callable[[], str]]) -> dict[str, Any]:
    """Runs the jobs side by side: they mostly wait. What each returned or raised."""
    results: dict[str, Any] = {}

    def run(name: str, job: Callable[[], str]) -> None:
        try:
            results[name] = job()
        except BaseException as error:  # noqa: BLE001 - is raised again by the test that it belongs to
            results[name] = error

    threads = [threading.Thread(target=run, args=item) for item in jobs.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class Together:
    """Jobs that last several sessions: all run side by side as soon as the first of them is asked for, so that the tests share their time."""

    def __init__(self, jobs: dict[str, Callable[[], str]]) -> None:
        self.jobs = jobs
        self.results: dict[str, Any] = {}

    def result(self, name: str) -> None:
        """Raises what the job raised, or prints what it saw."""
        if not self.results:
            self.results = in_parallel(self.jobs)
        found = self.results[name]
        if isinstance(found, BaseException):
            raise found
        print(f"# {found}")


class User(threading.Thread):
    """Uses the tokens: a call of the REST API now and then, which extends a session where use does. Counts what was refused."""

    def __init__(self, salesforce: Standin, daemon: Daemon, names: list[str], pause_s: float) -> None:
        super().__init__(daemon=True)
        self.daemon_path, self.names, self.pause_s = daemon.broker_path, names, pause_s
        self.url = salesforce.url + "/services/data/v60.0/limits"
        self.context = ssl.create_default_context(cafile=salesforce.ca)
        self.stopping = threading.Event()
        self.good = 0
        self.errors: list[str] = []

    def one(self, name: str) -> None:
        with Connection(self.daemon_path) as c:
            token = c.get(name)["accessToken"]
        request = urllib.request.Request(self.url, headers={"Authorization": f"Bearer {token}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context))
        try:
            with opener.open(request, timeout=30):
                self.good += 1
        except OSError as error:
            self.errors.append(f"{name}: {error}")

    def run(self) -> None:
        while not self.stopping.wait(self.pause_s):
            for name in self.names:
                self.one(name)

    def stop(self) -> None:
        self.stopping.set()
        self.join(60)


def add_many(salesforce: Standin, daemon: Daemon, number: int, session_s: int) -> list[str]:
    """number credentials, every second one JWT bearer with a key that they share."""
    certificate = make_key(daemon.directory / "key")
    secret = daemon.write_secret("secret", "s3cret")
    apps: dict[str, Any] = {}
    names = [f"c{i:02}" for i in range(number)]
    for i, name in enumerate(names):
        how = (f"GrantType=jwt_bearer\nUsername={name}@example.com\nPrivateKey=file:{daemon.directory}/key" if i % 2 else
               f"GrantType=client_credentials\nClientSecret=file:{secret}")
        daemon.write_credential(name, f"[Credential]\n{how}\nLoginUrl={salesforce.url}\nClientId=app-{name}\nSessionTimeout={session_s}s\n"
                                      "Required=yes\n")
        apps[f"app-{name}"] = {"secret": "s3cret", "run_as": f"{name}@example.com", "cert_pem": certificate}
    salesforce.configure(users={f"{n}@example.com": {} for n in names}, apps=apps, login_limit=0)
    return names


def renewals_on_time(number: int, session_s: int, cycles: int) -> str:
    """Every renewal reaches the stand-in between 44 % (with sessions of 60 s) and 52 % of the life of the token; all gets succeed meanwhile.
    What was seen."""
    with Standin(session_timeout_s=session_s) as salesforce, Daemon(salesforce, options=()) as daemon:
        daemon.add_settings(f"[Limits]\nStartSpread={session_s // 4}s\nRequiredWait={session_s}s\nMaxRequestsPerHour=1000\n")
        names = add_many(salesforce, daemon, number, session_s)
        daemon.start()
        handle = Library(daemon.broker_path)
        gets = 0
        give_up = time.monotonic() + session_s * (cycles * 0.5 + 3)
        counts: dict[str, int] = {}
        while min((counts.get(f"app-{n}", 0) for n in names)) < cycles + 1:
            assert time.monotonic() < give_up, f"not enough cycles: {counts}"
            for name in names:
                handle.get(name)
                gets += 1
            counts = {}
            for r in salesforce.token_requests():
                counts[r["client_id"]] = counts.get(r["client_id"], 0) + 1
            time.sleep(0.1)
        handle.close()
        ages = [r["age_fraction"] for r in salesforce.token_requests() if r["age_fraction"] is not None]
        # exp of introspection and Date are whole seconds: a life may be believed a second too short, and half of that counts. That is the
        # 44 % of a session of 60 s
        lowest = 0.45 - 0.6 / session_s
        wrong = sorted(a for a in ages if not lowest <= a <= 0.52)
        same(wrong, [], f"of {len(ages)} renewals came at the wrong age")
        assert len(ages) >= number * cycles
        assert {r["grant_type"] for r in salesforce.token_requests()} == {"client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"}
        same(salesforce.problems(), [])
        return f"{len(ages)} renewals at {min(ages):.3f} to {max(ages):.3f} of the life, {gets} gets"


def reuse(mode: str, session_s: float, sessions: int, latency_s: float = 0.3) -> str:
    """The server gives the same token while it lives: a caller every 100 ms never fails and never waits longer than one answer of it."""
    with Standin(reuse=mode, session_timeout_s=session_s, latency_s=latency_s, login_limit=0) as salesforce, \
            Daemon(salesforce, options=()) as daemon:
        extra = f"SessionTimeout={int(session_s)}s\nRequired=yes"
        daemon.add_settings("[Limits]\nMaxRequestsPerHour=30\n")
        daemon.add_client_credentials("cc", extra=extra)
        daemon.add_jwt("jwt", extra=extra)
        daemon.start()
        started = time.monotonic()
        callers = [LibraryCaller(library(), daemon.broker_path, name, pause=0.1) for name in ("cc", "jwt")]
        for caller in callers:
            caller.start()
        user = User(salesforce, daemon, ["cc", "jwt"] if mode == "extended_by_use" else [], session_s / 10)
        user.start()
        time.sleep(session_s * sessions)
        for thread in (*callers, user):
            thread.stop()
        took = time.monotonic() - started
        for caller in callers:
            same(caller.errors[:3], [], f"failed gets of {mode}")
            assert caller.slowest <= latency_s + SLACK_S, f"{mode}: a get took {caller.slowest:.2f} s"
            assert caller.calls > took * 5, f"only {caller.calls} calls in {took:.0f} s"
        same(user.errors, [], "calls of the API that were refused")
        most = requests_in_a_session(salesforce, session_s)
        assert most <= 8, f"{mode}: {most} requests to the token endpoint in one session"
        same(salesforce.problems(), [])
        calls, slowest = sum(c.calls for c in callers), max(c.slowest for c in callers)
        return f"{mode}: {calls} gets, {user.good} calls of the API, the slowest {slowest * 1000:.0f} ms, at most {most} requests in {session_s:g} s"


def requests_in_a_session(salesforce: Standin, session_s: float) -> int:
    """The largest number of requests for one app within any session_s seconds."""
    most = 0
    for app in ("app-cc", "app-jwt"):
        times = [r["t"] for r in salesforce.token_requests(app)]
        for i, begin in enumerate(times):
            most = max(most, sum(1 for t in times[i:] if t < begin + session_s))
    return most
