# SPDX-License-Identifier: Apache-2.0
"""The mint is killed at every system call of a refresh, an import and a compaction, or at any time; what then is on disk is judged by the
stand-in. For test_crash.py and tests/soak."""

from __future__ import annotations

import random
import re
import subprocess
import threading
import time
from collections import Counter
from typing import Any, Callable, Iterable, Iterator

from harness import MANAGER, Closed, Daemon, Standin, VarlinkError, same, wait_for
from killer import NEVER, Killer, inode, used
from rotating import CALM, answers, good, kill_mint, refresh, token, wait_first, wait_mint, wait_state, warnings

LOST = (Closed, OSError, VarlinkError)


class Scene:
    """A daemon with one rotating credential, and what was seen so far."""

    def __init__(self, salesforce: Standin, daemon: Daemon) -> None:
        self.salesforce, self.daemon = salesforce, daemon
        daemon.add_settings(f"[Network]\nTimeout=3s\nConnectTimeout=3s\n[Limits]\n{CALM}BackoffFirst=10ms\nBackoffMax=20ms\n")
        self.grant = daemon.add_refresh_token("crm", extra="SessionTimeout=2h\nIntrospect=no")
        daemon.start()
        self.generation = wait_first(daemon, "crm")["generation"]
        self.calls: Counter[str] = Counter()
        self.unknown = self.received = self.planned = 0

    def mint(self) -> int:
        pid = self.daemon.child("mint")
        assert pid
        return pid

    def give(self) -> None:
        """A new grant, and its first token."""
        before = token(self.daemon, "crm")["generation"]
        self.grant = self.salesforce.new_grant("crm@example.com", "app-crm", True)
        for _ in range(50):
            done = subprocess.run([str(self.daemon.cli_program), "import", "crm", "--kind", "refresh_token"], input=self.grant["refresh_token"], text=True,
                                  capture_output=True, check=False, env={"SFTOKEN_SOCKET": self.daemon.broker_path})
            if done.returncode == 0:
                break
            time.sleep(0.1)
        same(done.returncode, 0, f"import: {done.stderr}")
        wait_for(lambda: token(self.daemon, "crm")["generation"] > before, "the token of the new grant")

    def judge(self, killer: Killer) -> None:
        """After the death: the token on disk is the server's current one, or the state says unknown and nothing had been lost that was written."""
        self.calls[killer.last_call()] += 1
        wait_mint(self.daemon, killer.pid)
        self.salesforce.wait_replies()
        where = f"killed at {killer.last_call()}:\n{killer.trace[-3000:]}"
        same(self.salesforce.alarms(), [], where)
        if "is lost" in warnings(self.daemon):
            assert not killer.result_written(), f"a RESULT that was written is forgotten, {where}"
            self.unknown += 1
            replies = self.salesforce.grants(grant=self.grant["grant"])[0]["tokens"][-1]["reply"]
            self.received += bool(replies and replies["taken"])
            self.give()
            after = token(self.daemon, "crm")["generation"]
        else:
            try:
                after = good(self.daemon, self.salesforce, "crm")
            except VarlinkError as error:
                raise AssertionError(f"{error}, {where}") from error
        assert after > self.generation, f"generation {after} after {self.generation}, {where}"
        self.generation = after
        same(self.salesforce.alarms(), [], where)

    def __str__(self) -> str:
        return (f"{sum(self.calls.values())} deaths ({', '.join(f'{n} at {c}' for c, n in self.calls.most_common(12))}); {self.unknown} unknown, "
                f"{self.received} of them between the last byte and RESULT")


def each_point(scene: Scene, step: int, act: Callable[[], None], before: Callable[[], None] = lambda: None) -> Iterator[Killer]:
    """act() under a killer at each of the calls that it makes; those that died. Which calls there are is seen in a run that nobody kills."""
    before()
    with Killer(scene.mint(), "getppid", NEVER) as whole:
        act()
        time.sleep(0.05)  # what follows the answer belongs to it
    planned = whole.points(step)
    for call, when in planned:
        before()
        with Killer(scene.mint(), call, when) as killer:
            act()
            wait_for(lambda: killer.killed or killer.process.poll() is None, "strace")
            time.sleep(0.02)
        if killer.killed:
            scene.planned += 1
            yield killer
    assert scene.planned >= 0.8 * len(planned), f"{scene.planned} deaths at {len(planned)} points"


def refreshes(step: int) -> str:
    """kill -9 at the system calls of a refresh."""
    with Standin(max_grants=0) as salesforce, Daemon(salesforce) as daemon:
        scene = Scene(salesforce, daemon)

        def act() -> None:
            try:
                scene.generation = refresh(daemon, "crm", 10)
            except LOST:
                pass

        for killer in each_point(scene, step, act):
            scene.judge(killer)
        same(salesforce.problems(), [])
        return str(scene)


def imports(step: int) -> str:
    """kill -9 at the system calls of an import and of the refresh that follows it."""
    with Standin(max_grants=0) as salesforce, Daemon(salesforce) as daemon:
        scene = Scene(salesforce, daemon)
        acknowledged = 0
        pid = 0

        def before() -> None:
            nonlocal pid
            pid = scene.mint()

        def settle(old: Any) -> None:
            """It died before it acknowledged: the old token may stand there or the new one. Whichever it is must be good."""
            wait_mint(daemon, pid)
            if not salesforce.refresh_token(scene.grant["refresh_token"])["posts"] and "is lost" not in warnings(daemon):
                good(daemon, salesforce, "crm")
            if not salesforce.refresh_token(scene.grant["refresh_token"])["posts"]:
                scene.grant = old

        def act() -> None:
            nonlocal acknowledged
            old, scene.grant = scene.grant, salesforce.new_grant("crm@example.com", "app-crm", True)
            try:
                with daemon.manager() as m:
                    m.call(MANAGER + ".ImportSecret", {"credential": "crm", "kind": "refresh_token", "value": scene.grant["refresh_token"]})
                acknowledged += 1
            except LOST:
                settle(old)
            else:
                wait_for(lambda: salesforce.refresh_token(scene.grant["refresh_token"])["posts"] or daemon.child("mint") != pid, "its use")

        for killer in each_point(scene, step, act, before):
            scene.judge(killer)
            used_now = salesforce.grants(grant=scene.grant["grant"])[0]["refreshes"]
            assert used_now, f"an import that was acknowledged is forgotten, killed at {killer.last_call()}:\n{killer.trace[-3000:]}\n{daemon.log()[-3000:]}"
        same(salesforce.problems(), [])
        return f"{scene}; {acknowledged} imports acknowledged"


def set_enabled(daemon: Daemon, values: Iterable[bool]) -> int:
    """Manager.SetEnabled, each a record; how many were acknowledged before the mint died."""
    done = 0
    try:
        with daemon.manager() as m:
            for value in values:
                m.call(MANAGER + ".SetEnabled", {"credential": "crm", "enabled": value})
                done += 1
    except LOST:
        pass
    return done


def fill(scene: Scene) -> None:
    """So many records that the next few make the store compact."""
    store = scene.daemon.state / "store"
    before = used(store)
    set_enabled(scene.daemon, (False, True) * 4)
    room = (used(store) - before) // 8
    assert room > 0, "enable and disable write nothing"
    left = (store.stat().st_size - used(store)) // room
    set_enabled(scene.daemon, [i % 2 == 1 for i in range(max(0, int(left) - 6) // 2 * 2)])


def compactions(step: int) -> str:
    """kill -9 at the system calls of a compaction, and of the few writes before it."""
    with Standin(max_grants=0) as salesforce, Daemon(salesforce, options=("--log-level", "warning")) as daemon:
        scene = Scene(salesforce, daemon)
        store = daemon.state / "store"
        old = compacted = 0

        def before() -> None:
            nonlocal old
            fill(scene)
            old = inode(store)

        def act() -> None:
            """To and fro, until it has been compacted."""
            nonlocal compacted
            for _ in range(40):
                if inode(store) != old or set_enabled(daemon, (False, True)) < 2:
                    break
            compacted += inode(store) != old

        for killer in each_point(scene, step, act, before):
            wait_mint(daemon, killer.pid)
            set_enabled(daemon, (True,))
            wait_state(daemon, "crm", "valid")
            scene.judge(killer)
            assert not (daemon.state / "store.new").exists(), "a half-made file was left behind"
        same(scene.unknown, 0, "unknown outcomes where nothing was spent")
        assert compacted, "it was never compacted"
        return f"{scene}; {compacted} compactions came through"


# -- T21 -----------------------------------------------------------------------------------------


class Spender(threading.Thread):
    """Refreshes one credential again and again, whatever happens to the mint."""

    def __init__(self, daemon: Daemon, name: str) -> None:
        super().__init__(daemon=True)
        self.daemon_, self.credential = daemon, name
        self.stopping = threading.Event()
        self.generations: list[int] = []

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.generations.append(refresh(self.daemon_, self.credential, 5))
            except LOST:
                self.stopping.wait(0.02)


class Spends:
    """What the debug log says of the spends of each credential: the number of the last INTENT, and whether its RESULT was written."""

    def __init__(self, daemon: Daemon) -> None:
        self.path, self.offset = daemon.log_path, 0
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.done: dict[str, bool] = {}

    def read(self) -> None:
        with self.path.open("rb") as log:
            log.seek(self.offset)
            data = log.read()
        data = data[:data.rfind(b"\n") + 1]
        self.offset += len(data)
        for event, name, number in re.findall(r"^(spend\.intent|token\.minted) credential=(\w+) (?:number=(\d+))?", data.decode(errors="replace"), re.M):
            self.done[name] = event == "token.minted"
            if number:
                self.first.setdefault(name, int(number))
                self.last[name] = int(number)

    def forget(self, name: str) -> None:
        for table in (self.first, self.last, self.done):
            table.pop(name, None)  # type: ignore[attr-defined]

    def processed(self, name: str, start: int, newest: int) -> bool:
        """Whether the server has replaced the token whose fate is unknown. start: its number in its family when it was imported; newest: the server's.
        After a RESULT it is the INTENT of the newest token that the log does not tell of: then the request never left."""
        return name in self.last and not self.done[name] and start + self.last[name] - self.first[name] < newest


def lost_ones(daemon: Daemon, salesforce: Standin, grants: dict[str, Any], spends: Spends, seen: Counter[str]) -> None:
    """Whose answer is lost gets a new grant; why it was lost is counted. Who was killed before the server had heard of it gets its token again."""
    text = warnings(daemon)
    spends.read()
    for name in grants:
        if f"{name}: the answer to the renewal" not in text:
            continue
        family = salesforce.grants(grant=grants[name]["grant"])[0]
        same(family["live"], True, name)
        newest = family["tokens"][-1]
        if spends.processed(name, grants[name].get("start", 1), newest["number"]):
            seen["died after reading" if newest["reply"]["taken"] else "reply lost"] += 1
            grants[name] = salesforce.new_grant(f"{name}@example.com", f"app-{name}", True)
            again = grants[name]["refresh_token"]
        else:
            seen["not processed"] += 1
            grants[name]["start"] = newest["number"]
            again = family["current"]
        spends.forget(name)
        daemon.give(name, "refresh_token", again)


def random_kills(number: int, credentials: int = 8, latency_s: float = 0.1, seed: int | None = None) -> str:
    """T21: that many SIGKILLs at random times while all credentials are being refreshed."""
    seed = random.randrange(1 << 32) if seed is None else seed
    chance = random.Random(seed)
    with Standin(max_grants=0, latency_s=latency_s) as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings(f"[Limits]\n{CALM}BackoffFirst=10ms\nBackoffMax=20ms\n")
        names = [f"c{i}" for i in range(credentials)]
        grants = {n: daemon.add_refresh_token(n, extra="SessionTimeout=2h\nIntrospect=no") for n in names}
        daemon.start()
        for name in names:
            wait_first(daemon, name)
        seen: Counter[str] = Counter()
        spends = Spends(daemon)
        spenders = [Spender(daemon, n) for n in names]
        for spender in spenders:
            spender.start()
        for _ in range(number):
            time.sleep(chance.uniform(0, 3 * latency_s))
            kill_mint(daemon)
            salesforce.wait_replies()
            lost_ones(daemon, salesforce, grants, spends, seen)
            same(salesforce.alarms(), [], f"seed {seed}")
        for spender in spenders:
            spender.stopping.set()
        for spender in spenders:
            spender.join(30)
            same(spender.generations, sorted(set(spender.generations)), "generations")
        wait_for(lambda: answers(daemon), "the mint answers")
        lost_ones(daemon, salesforce, grants, spends, seen)
        for name in names:
            good(daemon, salesforce, name)
        counters = salesforce.wait_replies()
        same(seen["reply lost"], counters["lost_replies"], f"tokens lost, seed {seed}")
        # between the last byte and the RESULT lie decryption and parsing: whoever dies there has lost it, too, but that is short (1 or 2 of 60, 7 with four
        # other suites beside it); a RESULT that is not written at once is one for most kills
        assert seen["died after reading"] <= number // 4, f"seed {seed}: {seen}"
        same((counters["reuse_alarms"], salesforce.problems()), (0, []))
        return f"seed {seed}: {number} kills, {counters['refreshes']} refreshes, {dict(seen)}"
