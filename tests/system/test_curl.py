# SPDX-License-Identifier: Apache-2.0
"""sftoken curl: the real curl with a token that nobody sees, and once more with a new one after a 401."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

from harness import SANITIZERS, Daemon, Standin, run_tests, same, wait_for

LIMITS = "/services/data/v60.0/limits"
# A curl that tells how it was called, then is the real one.
SPY = """#!/usr/bin/python3
import json, os, sys
with open({out!r}, "a") as f:
    f.write(json.dumps({{"argv": sys.argv[1:], "environment": dict(os.environ)}}) + "\\n")
os.execv({curl!r}, ["curl", *sys.argv[1:]])
"""


class Shared:
    salesforce: Standin
    daemon: Daemon
    spied: Path


def curl(*words: str, check: Optional[int] = 0, data: Optional[str] = None, path: str = "",
         ca: bool = True) -> subprocess.CompletedProcess[str]:
    """sftoken curl WORDS..., and curl is told to trust the stand-in."""
    env = {"PATH": f"{path}:/usr/bin:/bin" if path else f"{Shared.spied.parent}:/usr/bin:/bin", "SFTOKEN_SOCKET": Shared.daemon.broker_path, **SANITIZERS,
           **({"CURL_CA_BUNDLE": str(Shared.salesforce.ca)} if ca else {})}
    result = subprocess.run([str(Shared.daemon.cli_program), "curl", *words], env=env, input=data, capture_output=True, text=True, timeout=60, check=False)
    if check is not None:
        same(result.returncode, check, f"{words}: {result.stdout}{result.stderr}")
    return result


def token(name: str = "crm") -> dict[str, Any]:
    return dict(json.loads(Shared.daemon.cli("get", name, "--json").stdout))


def seen(since: int) -> list[tuple[str, str, int]]:
    """What came to the REST side of the stand-in."""
    return [(e["method"], e["path"], e["status"]) for e in Shared.salesforce.requests(since) if e["path"].startswith("/services/data")]


def last_seq() -> int:
    return max((int(e["seq"]) for e in Shared.salesforce.requests()), default=0)


def spied() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Shared.spied.with_suffix(".json").read_text().splitlines()]


def test_path() -> None:
    """A path is joined to the address of the org; output, options and exit status are curl's; the credential may be left to the environment"""
    url = token()["instanceUrl"]
    assert "DailyApiRequests" in curl("crm", LIMITS, "-s").stdout
    assert curl("crm", LIMITS, "-s", "-i").stdout.startswith("HTTP/1.1 200")
    same(curl("crm", LIMITS, "-s", "-o", "/dev/null", "-w", "%{http_code} %{url_effective}").stdout, f"200 {url}{LIMITS}")
    assert "DailyApiRequests" in curl("crm", f"{url}{LIMITS}", "-s").stdout
    curl("crm", LIMITS, "-s", ca=False, check=60)
    curl("crm", "/services/data/v60.0/nothing", "-sf", check=22)
    curl("nobody", LIMITS, check=66)
    # --json belongs to curl behind the path
    before = last_seq()
    curl("crm", "/services/data/v60.0/composite", "-s", "--json", '{"a": 1}')
    same([s[0] for s in seen(before)], ["POST"])


def test_progress() -> None:
    """Nothing of how far it is in a pipe or a log, but errors; with an option of curl that asks for it, it comes"""
    same(curl("crm", LIMITS).stderr, "")
    assert "curl: (60)" in curl("crm", LIMITS, ca=False, check=60).stderr
    assert "100" in curl("crm", LIMITS, "-#").stderr and "> GET " in curl("crm", LIMITS, "-v").stderr
    assert "Total" in curl("crm", LIMITS, "--progress-meter").stderr


def test_token_is_nowhere() -> None:
    """The token is in no argument and no variable of curl"""
    Shared.spied.with_suffix(".json").write_text("")
    curl("crm", LIMITS, "-s")
    calls = spied()
    same(len(calls), 1)
    assert token()["accessToken"] not in json.dumps(calls) and "Bearer" not in json.dumps(calls), calls
    assert calls[0]["argv"][-2:] == [token()["instanceUrl"] + LIMITS, "-s"], calls


def test_retry() -> None:
    """A 401 is reported, and the request goes once more with the new token; the first body is not shown"""
    old = token()
    Shared.salesforce.kill_token(old["accessToken"])
    before = last_seq()
    result = curl("crm", LIMITS, "-s")
    assert "DailyApiRequests" in result.stdout and "INVALID_SESSION_ID" not in result.stdout, result
    same(result.stderr, "")
    same([s[2] for s in seen(before)], [401, 200])
    assert token()["generation"] > old["generation"]
    # with the headers in the output, too, and with a status of curl's own for 401
    for options in (("-s", "-i"), ("-sf",), ("-s", "-L"), ("-sS", "-X", "GET"), ("-sG", "-d", "q=1")):
        Shared.salesforce.kill_token(token()["accessToken"])
        result = curl("crm", LIMITS, *options)
        assert "DailyApiRequests" in result.stdout and " 401 " not in result.stdout and "INVALID" not in result.stdout, (options, result)


def test_killed_twice() -> None:
    """With the limits as they come: a session that is ended twice within a minute costs a wait of seconds, and no 401"""
    shared = Shared.daemon
    with Daemon(Shared.salesforce) as daemon:
        daemon.add_client_credentials("twice")
        Shared.daemon = daemon.start()
        try:
            for _ in range(3):
                old = token("twice")
                Shared.salesforce.kill_token(old["accessToken"])
                result = curl("twice", LIMITS, "-s")
                assert "DailyApiRequests" in result.stdout and "INVALID_SESSION_ID" not in result.stdout, result
                same(result.stderr, "")
                assert token("twice")["generation"] > old["generation"]
        finally:
            Shared.daemon = shared


def test_errors_of_the_first_try() -> None:
    """What curl says of a 401 is not shown when the second try succeeds; else it is, in its order, and all else of its errors as it comes"""
    refused = "curl: (22) The requested URL returned error: 401\n"
    for options in (("-f",), ("--fail", "-#"), ("-f", "-v")):
        Shared.salesforce.kill_token(token()["accessToken"])
        result = curl("crm", LIMITS, *options)
        assert "DailyApiRequests" in result.stdout and "curl: (" not in result.stderr, (options, result)
    assert result.stderr.count("> GET ") == 2 and result.stderr.index("401") < result.stderr.index("< HTTP/1.1 200"), result.stderr
    # refused twice: both, one after the other
    Shared.salesforce.kill_token(token()["accessToken"])
    Shared.salesforce.fault("status", path=LIMITS, count=2, status=401)
    same(curl("crm", LIMITS, "-f", check=22).stderr, 2 * refused)
    Shared.salesforce.clear_faults()
    # no second try: the token is alive, or the request changes something
    Shared.salesforce.fault("status", path=LIMITS, count=1, status=401)
    lines = curl("crm", LIMITS, "-f", check=22).stderr.splitlines(keepends=True)
    assert lines[0] == refused and "accepts this token" in lines[1], lines
    Shared.salesforce.clear_faults()
    old = token()
    Shared.salesforce.kill_token(old["accessToken"])
    result = curl("crm", "/services/data/v60.0/composite", "-f", "-d", "a=1", check=22)
    assert result.stderr.startswith(refused) and "--retry-unsafe" in result.stderr, result.stderr
    Shared.daemon.cli("get", "crm", "--rejected", str(old["generation"]))
    # another failure, with more than one line of it
    result = curl("crm", LIMITS, "-v", ca=False, check=60)
    assert result.stderr.index("* ") < result.stderr.index("curl: (60)") < result.stderr.index("More details here"), result.stderr


def test_unsafe() -> None:
    """What changes something is not repeated, but for --retry-unsafe; its answer is shown, the refusal reported; data and headers from standard input are gone"""
    post = ("/services/data/v60.0/composite", "-s", "-d", "a=1")
    for words, data, why in ((post, None, "--retry-unsafe"), ((*post[:2], "-X", "DELETE"), None, "--retry-unsafe"), ((*post[:2], "-T", "-"), "x", "standard input"),
                             (("--retry-unsafe", *post[:2], "-d", "@/dev/stdin"), "x", "standard input"), (("--retry-unsafe", *post[:2], "-F", "a=</dev/fd/0"), "x", "standard input"),
                             ((*post[:2], "-G", "-d", "@-"), "x", "standard input"), ((LIMITS, "-s", "-H", "@-"), "X-A: b", "standard input")):
        old = token()
        Shared.salesforce.kill_token(old["accessToken"])
        before = last_seq()
        result = curl("crm", *words, data=data)
        assert "INVALID_SESSION_ID" in result.stdout and why in result.stderr and str(old["generation"]) in result.stderr, (words, result)
        same([s[2] for s in seen(before)], [401], str(words))
        assert json.loads(Shared.daemon.cli("get", "crm", "--json", "--rejected", str(old["generation"])).stdout)["generation"] > old["generation"]
    Shared.salesforce.kill_token(token()["accessToken"])
    before = last_seq()
    result = curl("crm", "--retry-unsafe", *post)
    same([s[2] for s in seen(before)][0], 401)
    same(len(seen(before)), 2)
    assert "INVALID_SESSION_ID" not in result.stdout, result


def test_refused_twice() -> None:
    """A second 401 is shown as it is, and nothing is repeated forever; a token that the server accepts is no reason to ask again"""
    Shared.salesforce.fault("status", path=LIMITS, count=2, status=401)
    before = last_seq()
    result = curl("crm", LIMITS, "-s", "-w", "%{http_code}", check=None)
    assert 1 <= len(seen(before)) <= 2, seen(before)
    assert "401" in result.stdout, result
    Shared.salesforce.clear_faults()


def test_other_addresses() -> None:
    """The token goes to no other address: not by a URL, another port, a user part, a second URL or an option that could"""
    url = token()["instanceUrl"]
    bad = [("https://evil.example/x",), (url.replace("127.0.0.1", "127.0.0.2") + LIMITS,), (url + "0" + LIMITS,), (url + "@evil.example/",), (url + "\\@evil.example/",),
           (url.replace("https", "http") + LIMITS,), (url.replace("https://", "https://a:b@") + LIMITS,)]
    bad += [(LIMITS, *words) for words in (("https://evil.example/",), ("-s", "evil.example"), ("--silent", "https://evil.example/"), ("--url", "https://evil.example/"),
                                           ("--next", "https://evil.example"), ("-:",), ("--location-trusted",), ("--location-t",), ("-K", "file"), ("--config", "file"),
                                           ("-sK", "file"), ("-o", "/dev/null", "https://evil.example/"), ("--URL", "https://evil.example/"), ("--basic", "https://evil.example/"),
                                           ("--", "https://evil.example/"), ("--HEADER", "-o", "https://evil.example/"))]
    Shared.spied.with_suffix(".json").write_text("")
    before = last_seq()
    for words in bad:
        result = curl("crm", *words, check=64)
        assert "token" in result.stderr and not result.stdout, (words, result)
    same((spied(), seen(before)), ([], []))
    # what belongs to an option is none
    curl("crm", LIMITS, "-s", "-e", "https://evil.example/", "-H", "X-Y: https://evil.example/", "-d", "https://evil.example/", "-G")


def test_usage() -> None:
    """A path is needed; curl must be there"""
    for words in (("crm",), (), ("crm", "services/data")):
        assert "sftoken curl --help" in curl(*words, check=64).stderr
    assert "apt install curl" in curl("crm", LIMITS, path="/nonexistent", check=None).stderr or shutil.which("curl", path="/usr/bin:/bin")


def test_options_before_the_path() -> None:
    """Options of curl before the path: where they go, with the corrected command line, in which nothing stands that may be secret"""
    rows = [
        ("crm -X GET /x", "option -X: curl's options go behind the path: sftoken curl crm /x -X GET"), ("crm -s /x", "sftoken curl crm /x -s"), ("-s /x", "sftoken curl /x -s"),
        ("-sS /x", "sftoken curl /x -sS"), ("-s crm /x", "sftoken curl CRED /PATH -s ..."), ("crm --retry 3 /x -i", "sftoken curl crm /x --retry ..."),
        ("crm -i -X GET -d secret -v /x?a&b", "sftoken curl crm '/x?a&b' -i -X GET -d ... -v"), ("crm -usecret:x /x", "option -u: curl's options go behind the path: sftoken curl crm /x ..."),
        ("crm --wait 5 -f /x", "sftoken curl crm --wait 5 /x -f"), ("crm -o /tmp/a /x", "sftoken curl CRED /PATH -o ..."), ("crm -X GET", "sftoken curl CRED /PATH -X ..."),
        ("crm --data=secret /x", "option --data: curl's options go behind the path: sftoken curl crm /x ..."),
        ("crm --wiat 5 /x", "option --wiat: did you mean --wait? Curl's options go behind the path: "), ("crm -X secret /x", "sftoken curl crm /x -X ..."), ("crm -X GET /it's", "curl CRED /PATH -X ..."),
    ]
    for words, text in rows:
        result = curl(*words.split(), check=64)
        same(len(result.stderr.splitlines()), 1, result.stderr)
        assert text + "\n" in result.stderr or text[-1] == " " and text in result.stderr, (words, result.stderr)
        assert "secret" not in result.stderr, result.stderr


def test_streaming() -> None:
    """What comes is passed on at once, and a reader who goes ends curl"""
    out, into = os.pipe()
    env = {"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": Shared.daemon.broker_path, **SANITIZERS, "CURL_CA_BUNDLE": str(Shared.salesforce.ca)}
    process = subprocess.Popen([str(Shared.daemon.cli_program), "curl", "crm", LIMITS, "-sN"], env=env, stdout=into, stderr=subprocess.PIPE)
    os.close(into)
    os.close(out)
    process.communicate(timeout=30)
    same(process.returncode, 23)


def test_full() -> None:
    """An answer that could not be written is an error of curl's, said once, also when it was read whole before, and when it is a refusal that was kept back"""
    env = {"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": Shared.daemon.broker_path, **SANITIZERS, "CURL_CA_BUNDLE": str(Shared.salesforce.ca)}
    Shared.salesforce.fault("oauth_error", path="/services/data/v60.0/refused", count=1, error="x", status=401)
    for path in (LIMITS, "/services/data/v60.0/refused"):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([str(Shared.daemon.cli_program), "curl", "crm", path, "-s"], env=env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        same(result.returncode, 23, f"{path}: {result.stderr}")
        same(result.stderr.count("No space left on device"), 1, result.stderr)
    Shared.salesforce.clear_faults()


def test_closed_output() -> None:
    """Standard output that is closed is an error of curl's, and nothing of ours takes its place"""
    env = {"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": Shared.daemon.broker_path, **SANITIZERS, "CURL_CA_BUNDLE": str(Shared.salesforce.ca)}
    for redirections, text in ((">&-", "Bad file descriptor"), ("<&- >&-", "Bad file descriptor"), ("<&- >&- 2>&-", "")):
        result = subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirections}', str(Shared.daemon.cli_program), "curl", "crm", LIMITS, "-s"], env=env, capture_output=True,
                                text=True, timeout=60, check=False)
        same((result.returncode, result.stdout, text in result.stderr), (23, "", True), f"{redirections}: {result.stderr}")


def test_output_that_does_not_wait() -> None:
    """Standard output that another program has made non-blocking loses nothing"""
    out, into = os.pipe()
    os.set_blocking(into, False)
    filled = 0
    try:
        while True:
            filled += os.write(into, b"x" * 4096)
    except BlockingIOError:
        pass
    env = {"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": Shared.daemon.broker_path, **SANITIZERS, "CURL_CA_BUNDLE": str(Shared.salesforce.ca)}
    before = last_seq()
    process = subprocess.Popen([str(Shared.daemon.cli_program), "curl", "crm", LIMITS, "-s"], env=env, stdout=into, stderr=subprocess.PIPE)
    os.close(into)
    wait_for(lambda: seen(before), "the request has come")
    with os.fdopen(out, "rb") as reader:
        got = reader.read()
    process.communicate(timeout=30)
    same(process.returncode, 0)
    assert b"DailyApiRequests" in got[filled:], got[filled:]


if __name__ == "__main__":
    if not shutil.which("curl"):
        print("SKIP curl: curl is not installed")
        sys.exit(0)
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        # a token that dies young is no news here
        daemon.add_settings("[Limits]\nCheckInterval=100ms\nMinRenewDelay=0s\n")
        daemon.add_client_credentials("crm")
        daemon.start()
        Shared.salesforce, Shared.daemon, Shared.spied = salesforce, daemon, daemon.directory / "spy" / "curl"
        Shared.spied.parent.mkdir()
        Shared.spied.write_text(SPY.format(out=str(Shared.spied.with_suffix(".json")), curl=shutil.which("curl")))
        Shared.spied.chmod(0o755)
        Shared.spied.with_suffix(".json").write_text("")
        failed = run_tests()
    sys.exit(1 if failed else 0)
