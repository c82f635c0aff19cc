# SPDX-License-Identifier: Apache-2.0
"""What a program that was taken over could reach: libraries, system calls, memory, descriptors; and where secrets must not appear."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

from harness import MANAGER, ROOT, VARIANT, Daemon, Standin, VarlinkError, expect, run_tests, same, wait_for
from privileged import ask, become_root

SERVICE_UID = 64001
PLANTED = "planted+client/secret=Qz7-canary-8Ke2"
SIGSYS = 31


class Shared:
    salesforce: Standin
    daemon: Daemon


def pid_of(name: str) -> int:
    if name == "parent":
        return Shared.daemon.pid
    pid = wait_for(lambda: Shared.daemon.child(name), f"a running {name}")
    assert isinstance(pid, int)
    return pid


def libraries(path: Path) -> set[str]:
    """Names of the shared libraries that ldd shows, without versions ("libc"), the loader and the vdso left out."""
    result = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=True,
                            env={"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(next(ROOT.glob("usr/lib/**/libsftoken.so.0")).parent)})
    names = {line.split()[0].split("/")[-1].split(".so")[0].split("-2")[0] for line in result.stdout.splitlines()}
    return {n for n in names if not n.startswith(("linux-vdso", "ld-linux"))}


def test_libraries() -> None:
    """ldd: no curl, ssl, crypto, json-c or systemd in the front; libc alone in libsftoken; no more than promised elsewhere"""
    front, mint = (libraries(ROOT / f"usr/libexec/sftokend/sftokend-{n}") for n in ("front", "mint"))
    for word in ("curl", "ssl", "crypto", "json-c", "systemd", "idn", "krb5", "ldap", "resolv", "nss"):
        assert not [n for n in front if word in n], f"{word} in {front}"
    assert {"libcurl", "libssl", "libcrypto", "libjson-c"} & mint, f"the search finds nothing: {mint}"
    if VARIANT == "release":
        same(libraries(next(ROOT.glob("usr/lib/**/libsftoken.so.0"))), {"libc"})
        same(libraries(ROOT / "usr/bin/sftoken") - {"libsftoken", "libjson-c", "libc"}, set())
        same(front - {"libevent_core", "libevent_core-2.1", "libseccomp", "libc"}, set())
        for library in ("curl", "event", "json"):
            assert not [n for n in libraries(ROOT / "usr/sbin/sftokend") if library in n]


def test_forbidden_calls() -> None:
    """An injected openat, socket, connect, kill, execve or clone: the front dies by SIGSYS, is restarted and logged; callers are served"""
    same(ask("inject_call", pid_of("front"), "getpid", []), pid_of("front"), "an allowed call (so that the test can fail)")
    calls: list[tuple[str, list[int]]] = [("socket", [1, 1, 0]), ("kill", [os.getpid(), 0]), ("connect", [0, 0, 0]), ("execve", [0, 0, 0]),
                                          ("io_uring_setup", [1, 0])]
    if VARIANT == "release":
        calls += [("openat", [0xffffff9c, 0, 0]), ("ptrace", [0, 0, 0]), ("clone", [0, 0, 0]), ("process_vm_readv", [1, 0, 0])]
    mint = pid_of("mint")
    for call, arguments in calls:
        old, logged = pid_of("front"), len(Shared.daemon.log())
        same(ask("inject_call", old, call, arguments), -1000 - SIGSYS, call)
        wait_for(lambda: (p := Shared.daemon.child("front")) and p != old and p, f"a new front after {call}")
        with Shared.daemon.broker() as c:
            assert c.get("crm")["accessToken"]
        wait_for(lambda: re.search(rf"child\.died .*pid={old} .*SIGSYS", Shared.daemon.log()[logged:]), f"{call} in the log")
    same(pid_of("mint"), mint, "pid of the mint")


def test_status_files() -> None:
    """No new privileges, seccomp in the front, no capabilities, no core dumps, not dumpable; the umask keeps files private"""
    for name in ("mint", "front"):
        pid = pid_of(name)
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        same(status["NoNewPrivs"], "1", name)
        same((status["CapEff"], status["CapPrm"], status["CapAmb"]), ("0" * 16,) * 3, name)
        same(status["Umask"], "0077", name)
        if name == "front":
            same(status["Seccomp"], "2")
        assert re.search(r"Max core file size +0 +0 ", ask("limits", pid)), name
        if VARIANT == "release":
            # the kernel gives the files of a process that is not dumpable to root
            same(os.stat(f"/proc/{pid}/environ").st_uid, 0, f"{name} is dumpable")
            assert status["Uid"].split()[0] != "0"


def test_descriptors() -> None:
    """The front holds sockets and the loop's own descriptors, nothing else; each socket is listened at by one child"""
    daemon = Shared.daemon
    allowed = re.compile(r"socket:\[\d+\]|anon_inode:\[(eventpoll|timerfd|eventfd)\]")
    held = ask("descriptors", pid_of("front"))
    for number, target in held.items():
        if target.startswith("pipe:"):
            same(list(held.values()).count(target), 2, "ends of a pipe, which must be the loop's own, for signals")
        elif int(number) > 2:
            assert allowed.fullmatch(target), f"{number}: {target}"
    for name in ("mint", "front"):
        for number, target in ask("descriptors", pid_of(name)).items():
            assert not (int(number) > 2 and target.startswith("/") and str(daemon.credentials) in target), f"{name} {number}: {target}"
    sockets = [ask("listening", pid_of(name)) for name in ("mint", "front")]
    same([len(found) for found in sockets], [1, 1], "listening sockets of mint and front")
    assert sockets[0] != sockets[1], "mint and front listen at the same socket"


def key_pieces(path: Path) -> list[str]:
    """Pieces of 12 characters of the body of a PEM file."""
    body = [line for line in path.read_text().splitlines() if line and not line.startswith("-")]
    return [line[i:i + 12] for line in body for i in range(0, len(line) - 11, 12)]


def dressed(secret: str) -> list[str]:
    """A secret as itself and in every usual dress."""
    raw = secret.encode()
    forms = {secret, raw.hex(), raw.hex().upper(), urllib.parse.quote_plus(secret), urllib.parse.quote(secret, safe=""), secret[4:20]}
    for shift in range(3):
        # what stays the same of its base64 wherever it begins within three bytes
        text = base64.b64encode(b"\0" * shift + raw).decode()[4 if shift else 0:-4]
        forms |= {text, text.replace("+", "-").replace("/", "_")}
    return sorted(forms)


# The sanitizers map terabytes.
if VARIANT == "release":
    def test_memory() -> None:
        """A full dump of the front's memory, its locked arena too, holds no client secret and no key; the mint's does, so the search can fail"""
        key = Shared.daemon.directory / "prod.key"
        der = base64.b64decode("".join(line for line in key.read_text().splitlines() if not line.startswith("-")))
        # primes and exponents lie in the second half; as OpenSSL keeps numbers, little-endian, and as the file has them
        pieces = [der[i:i + 24] for i in range(len(der) // 2, len(der) - 24, 37)]
        words = [PLANTED, PLANTED[8:24], *key_pieces(key), *[p.decode("latin-1") for p in pieces], *[p[::-1].decode("latin-1") for p in pieces]]
        with Shared.daemon.broker() as c:
            token = c.get("crm")["accessToken"]
        front = ask("find_in_memory", pid_of("front"), [*words, token])
        same(front["found"], [token], f"in the front's memory {front['bytes']}")
        same(front["bytes"]["left"], 0, "bytes that could not be read")
        mint = ask("find_in_memory", pid_of("mint"), [PLANTED, *words])
        assert PLANTED in mint["found"], f"the search does not find what is there: {mint['bytes']}"
        print(f"# front {front['bytes']}, mint {mint['bytes']}; {len(mint['found'])} of {len(words)} pieces in the mint")
        # what was dumped through standard error stands in the log now
        Shared.daemon.log_path.write_text("")


def all_written() -> dict[str, str]:
    """Everything that the programs wrote or show."""
    daemon = Shared.daemon
    texts: dict[str, str] = {"log": daemon.log()}
    for folder in (daemon.state, daemon.runtime):
        for path in folder.rglob("*"):
            if path.is_file():
                texts[str(path)] = path.read_bytes().decode("latin-1") if os.access(path, os.R_OK) else ""
    for verb in (["list"], ["show", "crm"], ["show", "prod"], ["show", "bad"], ["list", "--json"]):
        texts[" ".join(verb)] = daemon.cli(*verb).stdout
    texts["status"] = daemon.cli("status", "--manager", daemon.manager_path).stdout
    for name in ("parent", "mint", "front"):
        pid = pid_of(name)
        texts[f"arguments of {name}"] = Path(f"/proc/{pid}/cmdline").read_bytes().decode("latin-1")
        texts[f"environment of {name}"] = ask("environment", pid)
    return texts


def test_canaries() -> None:
    """The planted secret and key are in no log at debug level, file, status, reply, argument or environment: while minting, failing, reloading, dying"""
    daemon, salesforce = Shared.daemon, Shared.salesforce
    words = [*dressed(PLANTED), *dressed("wrong-" + PLANTED), *key_pieces(daemon.directory / "prod.key")]
    replies: list[str] = []
    texts: list[dict[str, str]] = [all_written()]

    def failing(credential: str) -> None:
        with daemon.manager() as m:
            error = expect(VarlinkError, lambda: m.call(MANAGER + ".Refresh", {"credential": credential}))
            replies.append(str(error))

    with daemon.broker() as c, daemon.manager() as m:
        for credential in ("crm", "prod"):
            m.call(MANAGER + ".Refresh", {"credential": credential})
            salesforce.fault("hang", client_id=f"app-{credential}")
            m.send(MANAGER + ".Refresh", {"credential": credential, "waitSeconds": 1})
            texts.append(all_written())
            replies.append(str(expect(VarlinkError, m.receive)))
            wait_for(lambda: c.info(credential)["state"] == "backoff", "the end of the hanging attempt")
            for kind, args in (("html", {}), ("duplicate_keys", {}), ("redirect", {}), ("oauth_error", {"error": "invalid_client"})):
                salesforce.fault(kind, client_id=f"app-{credential}", **args)
                failing(credential)
        replies.append(str(expect(VarlinkError, lambda: c.get("bad"))))
        m.call(MANAGER + ".Reload")
        broken = daemon.write_credential("broken", "[Credential]\nGrantType=jwt_bearer\nClientSecret=" + PLANTED + "\n")
        replies.append(str(expect(VarlinkError, lambda: m.call(MANAGER + ".Reload"))))
        broken.unlink()
    for name in ("mint", "front"):
        old = daemon.kill(name)
        wait_for(lambda: (p := daemon.child(name)) and p != old, f"a new {name}")
    with daemon.broker() as c:
        assert c.get("crm")["accessToken"]
    texts.append({**all_written(), "replies": "\n".join(replies)})
    for written in texts:
        for where, text in written.items():
            for word in words:
                assert word not in text, f"{word!r} in {where}: ...{text[max(0, text.index(word) - 200):][:300]}..."
    assert "token.minted" in daemon.log() and "app-crm" not in "".join(replies), "nothing was looked at"


def test_tokens_are_not_logged() -> None:
    """No access token stands in the log, in a file or in status"""
    with Shared.daemon.broker() as c:
        tokens = [c.get(name)["accessToken"] for name in ("crm", "prod")]
    for where, text in all_written().items():
        for token in tokens:
            for word in (token, token[20:50], token.split("!")[1][:24]):
                assert word not in text, f"a token in {where}"


def run() -> int:
    become_root()
    with Standin() as salesforce, Daemon(salesforce, user=SERVICE_UID) as daemon:
        Shared.salesforce, Shared.daemon = salesforce, daemon
        for path in (daemon.directory, daemon.config, daemon.credentials):
            os.chown(path, SERVICE_UID, SERVICE_UID)
        # the front dies often here
        daemon.add_settings("[Network]\nTimeout=3s\nConnectTimeout=2s\n[Limits]\nRestartFirst=10ms\nRestartMax=50ms\nMaxRequestsPerHour=1000\nBackoffFirst=1h\nBackoffMax=1h\n")
        daemon.add_client_credentials("crm", secret=PLANTED, extra="Required=yes")
        daemon.add_client_credentials("bad", secret="wrong-" + PLANTED)
        salesforce.add_app("app-bad", secret="right")
        daemon.add_jwt("prod", extra="Required=yes")
        daemon.start()
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
