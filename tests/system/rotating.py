# SPDX-License-Identifier: Apache-2.0
"""What the tests of refresh tokens ask the daemon and the stand-in, for tests/soak too."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Optional

from harness import MANAGER, Closed, Daemon, Standin, VarlinkError, same, wait_for

# Nothing is planned that the test has not asked for, and nothing that it asks for is put off.
CALM = "MaxRequestsPerHour=100000\nBreakerFailures=1000\nMinRenewDelay=0\nRestartFirst=10ms\nRestartMax=50ms\n"


def posts(salesforce: Standin, name: str) -> int:
    """Requests to the token endpoint for credential NAME."""
    return len(salesforce.token_requests(f"app-{name}"))


def info(daemon: Daemon, name: str) -> dict[str, Any]:
    with daemon.broker() as c:
        return c.info(name)


def token(daemon: Daemon, name: str, **parameters: Any) -> dict[str, Any]:
    with daemon.broker() as c:
        return c.get(name, **parameters)


def refresh(daemon: Daemon, name: str, wait_s: int = 30) -> int:
    """Manager.Refresh: the generation; VarlinkError when it was refused."""
    with daemon.manager(timeout=wait_s + 10) as c:
        return int(c.call(MANAGER + ".Refresh", {"credential": name, "waitSeconds": wait_s})["generation"])


def status(daemon: Daemon) -> dict[str, Any]:
    with daemon.manager() as c:
        return c.call(MANAGER + ".Status")


def warnings(daemon: Daemon) -> str:
    return "\n".join(status(daemon)["warnings"])


def history(daemon: Daemon, name: str) -> list[dict[str, Any]]:
    """Newest first."""
    with daemon.manager() as c:
        return list(c.call(MANAGER + ".History", {"credential": name})["attempts"])


def outcomes(daemon: Daemon, name: str) -> list[str]:
    """Of the attempts, newest first."""
    return [str(a["outcome"]) for a in history(daemon, name)]


def in_flight(salesforce: Standin, daemon: Daemon, seconds: float) -> None:
    """A renewal that the server has processed, and whose answer comes so much later; what the administrator who asked for it hears is not looked at."""
    def ask() -> None:
        try:
            refresh(daemon, "crm")
        except (VarlinkError, Closed):
            pass

    salesforce.fault("delay", client_id="app-crm", seconds=seconds, after=True)
    before = salesforce.counters()["refreshes"]
    threading.Thread(target=ask, daemon=True).start()
    wait_for(lambda: salesforce.counters()["refreshes"] == before + 1, "the token is spent")


def revoke(daemon: Daemon, name: str, forget: bool) -> None:
    with daemon.manager() as c:
        c.call(MANAGER + ".Revoke", {"credential": name, "forgetSecrets": forget})


def wait_state(daemon: Daemon, name: str, *states: str, timeout: float = 20.0) -> dict[str, Any]:
    """The credential when it is in one of these states."""
    found: dict[str, Any] = {}

    def there() -> bool:
        found.clear()
        found.update(info(daemon, name))
        return found["state"] in states

    try:
        wait_for(there, f"{name} is {' or '.join(states)}", timeout)
    except AssertionError as error:
        raise AssertionError(f"{error}: {found}") from None
    return found


def wait_first(daemon: Daemon, name: str) -> dict[str, Any]:
    """The token that follows an import."""
    wait_state(daemon, name, "valid")
    return token(daemon, name)


def answers(daemon: Daemon) -> bool:
    """Whether the mint does."""
    try:
        return bool(status(daemon))
    except (Closed, OSError, VarlinkError):
        return False


def wait_mint(daemon: Daemon, old: Optional[int]) -> int:
    """A mint that is not `old` and answers; its pid."""
    pid = wait_for(lambda: (p := daemon.child("mint")) and p != old and p, "a new mint", 30)
    wait_for(lambda: answers(daemon), "the mint answers", 30)
    assert isinstance(pid, int)
    return pid


def kill_mint(daemon: Daemon) -> int:
    """kill -9; the new mint answers."""
    return wait_mint(daemon, daemon.kill("mint"))


def shown(daemon: Daemon, name: str) -> str:
    """What a person sees: sftoken show."""
    return daemon.cli("show", name).stdout


def shown_json(daemon: Daemon, name: str) -> dict[str, Any]:
    return dict(json.loads(daemon.cli("show", name, "--json").stdout))


def no_alarms(salesforce: Standin) -> None:
    """No refresh token was used twice, and nothing was sent that strict mode refuses."""
    same(salesforce.alarms(), [], "uses of a refresh token that had been replaced")
    same(salesforce.problems(), [])


def good(daemon: Daemon, salesforce: Standin, name: str) -> int:
    """The refresh token that the daemon has is the server's current one: spending it gives a new access token, and no alarm. The generation."""
    before = len(salesforce.alarms())
    generation = refresh(daemon, name)
    same(len(salesforce.alarms()), before, f"alarms after a refresh of {name}")
    assert salesforce.is_live(token(daemon, name)["accessToken"]), name
    return generation


def until(deadline: float) -> float:
    """Seconds until that time.monotonic(), at least 0."""
    return max(0.0, deadline - time.monotonic())
