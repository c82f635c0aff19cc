#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Unmodified @salesforce/core, which Salesforce's own CLI is made of, uses the token that `sftoken exec --as sf` gives it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "system")]

from harness import Daemon, Standin, expect, main, same     # noqa: E402
from node import NodeError, Script, program                 # noqa: E402

ORGANIZATION = "SELECT Id, Name FROM Organization"


class World:
    """The stand-in, a daemon with the credential crm, and a script under `sftoken exec crm --as sf`."""

    def __enter__(self) -> World:
        self.salesforce = Standin(strict=False).start()     # the library's requests are no business of strict mode
        self.daemon = Daemon(self.salesforce)
        self.daemon.add_jwt("crm")
        self.daemon.start()
        self.js = self.script()
        return self

    def script(self) -> Script:
        environment = {"SFTOKEN_SOCKET": self.daemon.broker_path, "SF_DISABLE_DNS_CHECK": "true", "SF_DISABLE_TELEMETRY": "true",
                       "SF_DISABLE_LOG_FILE": "true"}
        return Script("salesforce_core.js", ca=self.salesforce.ca, environment=environment,
                      under=[str(self.daemon.cli_program), "exec", "crm", "--as", "sf", "--"])

    def __exit__(self, *how: Any) -> None:
        self.js.__exit__(*how)
        try:
            self.daemon.__exit__(*how)
        finally:
            self.salesforce.stop()


def test_org() -> None:
    """Org.create() without a name is the org of the environment, and query() works"""
    with World() as world:
        org = world.js.call("create")
        same(org["instanceUrl"], world.salesforce.url, "instanceUrl")
        same(org["usesAccessToken"], True, "it knows that it has an access token only")
        found = world.js.call("query", ORGANIZATION)
        same((found["totalSize"], found["records"][0]["Name"]), (1, "Stand-in"), "the organization")
        assert found["records"][0]["Id"].startswith(org["orgId"][:15]), (found, org)


def test_requests() -> None:
    """the version list, a refreshAuth() with a good token and a plain request work too"""
    with World() as world:
        world.js.call("create")
        same(world.js.call("apiVersion"), "63.0", "the newest version")
        world.js.call("refreshAuth")
        assert "DailyApiRequests" in world.js.call("request", "/services/data/v60.0/limits")
        same(len(world.salesforce.token_requests()), 1, "token requests: the library makes none")


def test_renewed() -> None:
    """a process with a refused token gets the daemon's next one, and its new Org works; the next `sftoken exec` begins with that one"""
    with World() as world:
        world.js.call("create")
        world.js.call("query", ORGANIZATION)
        world.salesforce.kill_token(client_id="app-crm")
        error = expect(NodeError, lambda: world.js.call("query", ORGANIZATION))
        assert isinstance(error, NodeError) and "INVALID_SESSION_ID" in error.name + error.message, error
        generation = world.js.call("renew", str(world.daemon.cli_program))
        same(world.js.call("query", ORGANIZATION)["totalSize"], 1, "rows after the renewal")
        with world.daemon.broker() as c:
            same(c.get("crm")["generation"], generation, "generation")
        with world.script() as second:
            second.call("create")
            same(second.call("query", ORGANIZATION)["totalSize"], 1, "rows in the next process")
        same(len(world.salesforce.token_requests()), 2, "token requests")


if __name__ == "__main__":
    print(f"# {program('node')}")
    main()
