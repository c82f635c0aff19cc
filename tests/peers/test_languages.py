#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/languages.md, taken from there, against the real daemon and the stand-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Optional, Sequence

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

from harness import ROOT, TOP, Daemon, Standin, expect, run_tests, same      # noqa: E402
from markdown import blocks, extract                                        # noqa: E402
from node import NodeError, Script, modules, program                        # noqa: E402

DOCUMENT = "docs/languages.md"
ORGANIZATION = "SELECT Id, Name FROM Organization"
LIMITS = "/services/data/v60.0/limits"
# So that a session may be ended again at once.
SETTINGS = "[Limits]\nDemandGap=0\nCheckInterval=100ms\nMaxRequestsPerHour=100000\n"


class Shared:
    salesforce: Standin
    daemon: Daemon
    folder: Path
    files: dict[str, Path]
    ran: set[str] = set()


def environment() -> dict[str, str]:
    """What the example programs of all languages find the daemon and the stand-in's authority by."""
    ca, folder = Shared.salesforce.ca, str(Shared.folder)
    return {"PATH": f"{ROOT}/usr/bin:/usr/local/bin:/usr/bin:/bin", "HOME": folder, "LC_ALL": "C.UTF-8", "SFTOKEN_SOCKET": Shared.daemon.broker_path,
            "CURL_CA_BUNDLE": ca, "REQUESTS_CA_BUNDLE": ca, "NODE_EXTRA_CA_CERTS": ca, "SSL_CERT_FILE": ca,
            "PYTHONPATH": f"{TOP}/client/python:{HERE}/doubles", "NODE_PATH": str(modules()), "NO_COLOR": "1",
            "GOCACHE": f"{folder}/go-cache", "GOFLAGS": "-buildvcs=false", "GO111MODULE": "off", "GOTOOLCHAIN": "local",
            "SF_DISABLE_DNS_CHECK": "true", "SF_DISABLE_TELEMETRY": "true", "SF_DISABLE_LOG_FILE": "true", "LD_LIBRARY_PATH": f"{ROOT}/usr/lib",
            "PKG_CONFIG_LIBDIR": f"{ROOT}/usr/lib/pkgconfig", "PKG_CONFIG_SYSROOT_DIR": str(ROOT)}


def run(*command: str, status: int = 0, folder: Optional[Path] = None, **more: str) -> str:
    """What it prints."""
    done = subprocess.run(command, env={**environment(), **more}, cwd=folder, capture_output=True, text=True, timeout=200, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == status, f"{command}: status {done.returncode}, wanted {status}\n{done.stdout}{done.stderr}"
    return done.stdout


def example(name: str) -> str:
    Shared.ran.add(name)
    return str(Shared.files[name])


def expire() -> None:
    """The session ends at the server; the daemon does not know."""
    assert Shared.salesforce.kill_token(client_id="app-prod") == 1


def statuses(since: int = 0) -> list[int]:
    return [entry["status"] for entry in Shared.salesforce.requests(since, path=LIMITS)]


def reads_limits(*command: str) -> None:
    """The program prints the limits with one request, and with two when the session has ended; the third session is a new one again."""
    for ended, wanted in ((False, [200]), (True, [401, 200])):
        before = len(statuses())
        if ended:
            expire()
        same(json.loads(run(*command))["DailyApiRequests"]["Max"], 15000, "limits")
        same(statuses()[before:], wanted, f"requests of {command}")


def test_shell() -> None:
    """shell: with a live token, and after a 401; by hand"""
    reads_limits("sh", example("sh/curl.sh"))
    reads_limits("sh", example("sh/limits.sh"), "prod")
    # what another sftoken has left in the environment is not taken instead
    run("sftoken", "exec", "prod", "--", "sh", str(Shared.files["sh/limits.sh"]), "other", status=66)
    reply = json.loads(run("sh", example("sh/by-hand.sh")))
    same(reply["parameters"]["token"]["credential"], "prod", "by hand")


def test_python() -> None:
    """Python: requests, the double of simple-salesforce, a held session, errors with exit status"""
    python = sys.executable
    before = len(statuses())
    assert "DailyApiRequests" in run(python, example("python/limits.py"), "prod")
    expire()
    assert "DailyApiRequests" in run(python, str(Shared.files["python/limits.py"]), "prod")
    same(statuses()[before:], [200, 401, 200], "requests")
    expire()
    same(run(python, example("python/query.py"), "prod"), "Stand-in\n", "a query, whose session had ended")
    assert run(python, example("python/pages.py"), "prod").startswith("005"), "pages"
    same(run(python, example("python/careful.py"), "prod"), f"{Shared.salesforce.url} True\n", "careful")
    run(python, str(Shared.files["python/careful.py"]), "other", status=66)


def test_jsforce() -> None:
    """Node: unmodified jsforce with refreshFn outlives its session, again and again; without one it does not"""
    folder = Path(example("js/query.js")).parent
    example("js/sftoken.js")
    same(run(program("node"), "query.js", "prod", folder=folder), "Stand-in\n", "as a program")
    with Script("documented.js", ca=Shared.salesforce.ca, environment={"EXAMPLES": str(folder), "SFTOKEN_SOCKET": Shared.daemon.broker_path}) as js:
        same(js.call("connect", "prod"), Shared.salesforce.url, "instanceUrl")
        for _ in range(3):
            same(js.call("query", ORGANIZATION)["totalSize"], 1, "rows")
            expire()
        error = expect(NodeError, lambda: js.call("queryAlone", ORGANIZATION))
        same(getattr(error, "name"), "INVALID_SESSION_ID", "the error without refreshFn")
        same(js.call("query", ORGANIZATION)["totalSize"], 1, "rows")
        error = expect(NodeError, lambda: js.call("connect", "other"))
        assert "NoSuchCredential" in str(error), error


def test_salesforce_core() -> None:
    """Node: @salesforce/core under sftoken exec --as sf"""
    command = ("sftoken", "exec", "prod", "--as", "sf", "--", program("node"), example("js/org.js"))
    same(run(*command), "Stand-in\n", "the organization")


def test_java() -> None:
    """Java 17: a single file, run as it is"""
    trust = f"{Shared.folder}/trust.p12"
    run("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", Shared.salesforce.ca, "-keystore", trust, "-storepass", "changeit")
    folder = Shared.folder / "classes"
    run("javac", "--release", "17", "-d", str(folder), example("java/Limits.java"))
    reads_limits("java", f"-Djavax.net.ssl.trustStore={trust}", "-Djavax.net.ssl.trustStorePassword=changeit", "-cp", str(folder), "Limits", "prod")


def test_go() -> None:
    """Go: a single file"""
    binary = str(Shared.folder / "limits")
    run("go", "build", "-o", binary, example("go/limits.go"))
    reads_limits(binary, "prod")
    assert run("gofmt", "-l", str(Shared.files["go/limits.go"])) == "", "gofmt would write it in another way"


def test_c() -> None:
    """C: the example of libsftoken is the one that stands in client/example"""
    source = example("c/limits.c")
    same(Path(source).read_text(), (TOP / "client/example/limits.c").read_text(), "the two files")
    binary = str(Shared.folder / "limits-c")
    run("sh", "-c", f"cc {source} $(pkg-config --cflags --libs libsftoken) -o {binary}")
    assert run(binary, "prod").startswith(f"GET {Shared.salesforce.url}{LIMITS} as prod@example.com"), "the request"
    expire()
    run(binary, "prod", "rejected")


def test_all() -> None:
    """no block of the document is left out"""
    same(sorted(set(Shared.files) - Shared.ran), [], "examples that no test runs")
    same([str(block) for block in blocks(DOCUMENT) if not block.name], [], "blocks without a name")


def run_all() -> int:
    with Standin(strict=False) as Shared.salesforce, Daemon(Shared.salesforce) as Shared.daemon, tempfile.TemporaryDirectory() as folder:
        Shared.folder = Path(folder)
        Shared.files = extract(DOCUMENT, Shared.folder)
        Shared.daemon.add_settings(SETTINGS)
        Shared.daemon.add_jwt("prod")
        Shared.daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run_all() else 0)
