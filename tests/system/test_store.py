# SPDX-License-Identifier: Apache-2.0
"""The store under a running daemon: second daemons, copies, backups, keys, full and failing disks, and what must not be found in it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from harness import MANAGER, SANITIZERS, SECRET, Daemon, Skip, Standin, VarlinkError, expect, main, make_key, mode, same, wait_for
from killer import Killer, used
from privileged import ask, become_root
from rotating import (CALM, good, kill_mint, no_alarms, outcomes, posts, refresh, shown, status, token, wait_first, wait_mint, wait_state, warnings)
from test_confine import dressed, key_pieces

SETTINGS = f"[Limits]\n{CALM}BackoffFirst=50ms\nBackoffMax=100ms\nDemandGap=0\n"
EXTRA = "SessionTimeout=2h\nIntrospect=no"


@contextmanager
def pair() -> Iterator[tuple[Standin, Daemon]]:
    """A daemon with "crm", which rotates, and "cc", which is an assertion grant; both have a token."""
    with Standin(max_grants=0) as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings(SETTINGS)
        daemon.add_refresh_token("crm", extra=EXTRA)
        daemon.add_client_credentials("cc", extra="Introspect=no")
        daemon.start()
        wait_first(daemon, "crm")
        wait_first(daemon, "cc")
        yield salesforce, daemon


def give_away(daemon: Daemon, *paths: Path) -> None:
    """To the daemon's user, if that is another one."""
    for path in paths if daemon.user is not None else ():
        os.chown(path, daemon.user, daemon.user)


def run_once(daemon: Daemon, *, state: Path | None = None) -> tuple[int, str, float]:
    """Another sftokend with the same configuration and a runtime directory of its own, which must end: status, what it said, seconds."""
    arguments = [str(state or daemon.state) if a == str(daemon.state) else a if a != str(daemon.runtime) else str(daemon.directory / "run2")
                 for a in daemon.arguments()]
    begun = time.monotonic()
    result = subprocess.run(arguments, env={"PATH": "/usr/bin:/bin", **SANITIZERS}, capture_output=True, text=True, timeout=30, check=False, user=daemon.user,
                            group=daemon.user)
    return result.returncode, result.stderr, time.monotonic() - begun


# -- two daemons (T19) ---------------------------------------------------------------------------


def test_second_daemon() -> None:
    """Same path, symlinked directory, bind mount, hard-linked file: the second ends at once and says why; 0 POSTs, the first goes on"""
    with pair() as (salesforce, daemon):
        before = len(salesforce.token_requests())
        link, bound, hard = (daemon.directory / n for n in ("link", "bound", "hard"))
        link.symlink_to(daemon.state)
        bound.mkdir(mode=0o700)
        hard.mkdir(mode=0o700)
        subprocess.run(["mount", "--bind", str(daemon.state), str(bound)], check=True)
        try:
            for state, code, word in ((daemon.state, 73, str(daemon.pid)), (link, 73, str(daemon.pid)), (bound, 73, str(daemon.pid))):
                returned, said, took = run_once(daemon, state=state)
                same(returned, code, f"{state}: {said}")
                assert word in said, f"{state}: {said}"
                # 1 s; sanitizers and a busy machine may take longer, but no time-out of anything lies in between
                assert took < 4, f"{state}: {took:.1f} s"
        finally:
            subprocess.run(["umount", str(bound)], check=True)
        shutil.copy2(daemon.state / "store.key", hard / "store.key")
        give_away(daemon, hard, hard / "store.key")
        os.link(daemon.state / "store", hard / "store")
        returned, said, took = run_once(daemon, state=hard)
        assert returned == 78 and "hard links" in said and took < 4, (returned, said, took)
        (hard / "store").unlink()
        same(len(salesforce.token_requests()), before)
        good(daemon, salesforce, "crm")
        no_alarms(salesforce)


def test_newer_format() -> None:
    """A store of a newer format version is refused with exit 78 and stays byte-identical; given back its version it works"""
    with pair() as (salesforce, daemon):
        same(daemon.stop(), 0)
        store = daemon.state / "store"
        original = store.read_bytes()
        for version in (2, 255):
            changed = bytearray(original)
            for block in (0, 512):
                changed[block + 8:block + 12] = version.to_bytes(4, "little")
            store.write_bytes(changed)
            returned, said, _ = run_once(daemon)
            assert returned == 78 and f"format version {version}" in said, (returned, said)
            same(store.read_bytes() == bytes(changed), True, "the file is as it was")
        store.write_bytes(original)
        daemon.start()
        good(daemon, salesforce, "crm")
        no_alarms(salesforce)


# -- copies and backups --------------------------------------------------------------------------


def suspicious(salesforce: Standin, daemon: Daemon) -> None:
    """No refresh token is spent, access tokens and assertion grants go on, everybody is told; adopt ends it."""
    sent = posts(salesforce, "crm")
    for _ in range(2):
        same(status(daemon)["store"], "suspect")
        assert "sftoken adopt" in warnings(daemon) and "sftoken adopt" in daemon.cli("status").stdout, warnings(daemon)
        assert token(daemon, "crm")["accessToken"] and token(daemon, "cc")["accessToken"]
        error = expect(VarlinkError, lambda: refresh(daemon, "crm"))
        assert "adopt" in str(error) or "adopt" in shown(daemon, "crm"), error
        cc = token(daemon, "cc")["generation"]
        assert refresh(daemon, "cc") > cc
        kill_mint(daemon)
    same(daemon.stop(), 0)
    daemon.start()
    same(status(daemon)["store"], "suspect")
    same(posts(salesforce, "crm"), sent, "spends of a suspect store")
    same(salesforce.alarms(), [])
    daemon.cli("adopt")
    same(status(daemon)["store"], "ok")
    assert "adopt" not in warnings(daemon)


def test_copy() -> None:
    """A copy of the state directory, started elsewhere while the first runs on: suspect until it is adopted"""
    with pair() as (salesforce, daemon), Daemon(salesforce) as clone:
        same(daemon.stop(), 0)
        subprocess.run(["cp", "-a", str(daemon.state), str(clone.state)], check=True)
        for path in daemon.config.rglob("*.conf"):
            target = clone.config / path.relative_to(daemon.config)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        daemon.start()
        clone.start()
        suspicious(salesforce, clone)
        same(status(daemon)["store"], "ok")
        good(daemon, salesforce, "crm")
        no_alarms(salesforce)


def restored(in_place: bool) -> None:
    with pair() as (salesforce, daemon):
        same(daemon.stop(), 0)
        backup = daemon.directory / "backup"
        subprocess.run(["cp", "-a", str(daemon.state), str(backup)], check=True)
        daemon.start()
        for _ in range(2):
            good(daemon, salesforce, "crm")
        same(daemon.stop(), 0)
        if in_place:
            (daemon.state / "store").write_bytes((backup / "store").read_bytes())
        else:
            shutil.rmtree(daemon.state)
            subprocess.run(["cp", "-a", str(backup), str(daemon.state)], check=True)
        daemon.start()
        suspicious(salesforce, daemon)
        # what it has is two generations old: who adopts it all the same hears that it is dead
        expect(VarlinkError, lambda: refresh(daemon, "crm"))
        wait_state(daemon, "crm", "login_required")


def test_restored_backup() -> None:
    """A backup put back after the token was rotated: suspect, 0 replays"""
    restored(False)


def test_restored_in_place() -> None:
    """The same with the bytes written into the same file: found by what this boot remembers"""
    restored(True)


# -- keys ----------------------------------------------------------------------------------------


def test_keys() -> None:
    """A wrong and a missing key: exit 78 with what to do, nothing changed; Key=file: and Key=credential: work"""
    with pair() as (salesforce, daemon):
        same(daemon.stop(), 0)
        key, store = daemon.state / "store.key", daemon.state / "store"
        kept, before = key.read_bytes(), store.read_bytes()
        key.write_bytes(bytes(len(kept)))
        returned, said, _ = run_once(daemon)
        assert returned == 78 and "another key" in said, (returned, said)
        key.unlink()
        returned, said, _ = run_once(daemon)
        assert returned == 78 and "restore the key" in said, (returned, said)
        assert store.read_bytes() == before and not key.exists(), "something was changed"
        key.write_bytes(kept)
        key.chmod(0o600)
        give_away(daemon, key)
        daemon.start()
        good(daemon, salesforce, "crm")
        assert "store.key" in daemon.cli("status").stdout or "key of the store" in warnings(daemon)
        same(daemon.stop(), 0)
        for reference in ("file", "credential"):
            shutil.rmtree(daemon.state)
            secret = os.urandom(32).hex()
            given = daemon.write_secret("given.key", secret)
            daemon.environment["CREDENTIALS_DIRECTORY"] = str(daemon.directory)
            value = f"file:{given}" if reference == "file" else "credential:given.key"
            daemon.add_settings(f"[Store]\nKey={value}\n", "key.conf")
            daemon.start()
            new = salesforce.new_grant("crm@example.com", "app-crm", True)
            daemon.give("crm", "refresh_token", new["refresh_token"])
            wait_state(daemon, "crm", "valid")
            kill_mint(daemon)
            good(daemon, salesforce, "crm")
            assert not (daemon.state / "store.key").exists() and "key of the store" not in warnings(daemon)
            same(daemon.stop(), 0)
            daemon.write_secret("given.key", os.urandom(32).hex())
            expect(AssertionError, daemon.start)
            assert "another key" in daemon.log()[-400:], daemon.log()
            daemon.stop()
            daemon.log_path.unlink()
            daemon.write_secret("given.key", secret)
        daemon.start()
        good(daemon, salesforce, "crm")


# -- full and failing disks ----------------------------------------------------------------------


@contextmanager
def small_disk(daemon: Daemon, mib: int) -> Iterator[Path]:
    """The state directory on a file system of that size (a compaction needs 2 MiB beside the old file); the path of a file that fills it."""
    daemon.state.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700,uid={daemon.user or 0}", "sftokend-test", str(daemon.state)], check=False).returncode:
        raise Skip("no tmpfs can be mounted here")
    try:
        yield daemon.state / "filler"
    finally:
        daemon.stop()
        subprocess.run(["umount", "-l", str(daemon.state)], check=True)


def fill(path: Path) -> None:
    """Until there is no room for another page."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while os.write(fd, bytes(4096)):
            pass
    except OSError as error:
        same(error.errno, errno.ENOSPC)
    finally:
        os.close(fd)


def set_enabled(daemon: Daemon, number: int) -> None:
    with daemon.manager() as m:
        for i in range(2 * number):
            m.call(MANAGER + ".SetEnabled", {"credential": "other", "enabled": i % 2 == 1})


def test_full_disk() -> None:
    """A full disk: no refresh token is spent while INTENT cannot be written, serving goes on, everybody is told; with room it heals by itself"""
    with Standin(max_grants=0) as salesforce, Daemon(salesforce, options=("--log-level", "warning")) as daemon, small_disk(daemon, 3) as filler:
        daemon.add_settings(SETTINGS)
        daemon.add_refresh_token("crm", extra=EXTRA)
        for name in ("cc", "other"):
            daemon.add_client_credentials(name, extra="Introspect=no")
        daemon.start()
        first = wait_first(daemon, "crm")
        token(daemon, "cc")
        token(daemon, "other")
        fill(filler)
        # the journal has room of its own: it must be used up, too
        while status(daemon)["store"] == "ok":
            set_enabled(daemon, 50)
        same(status(daemon)["store"], "readonly")
        assert "cannot be written" in warnings(daemon) and "cannot be written" in daemon.cli("status").stdout
        daemon.wait_log("store.state from=ok to=readonly why=")
        same(daemon.log().count("store.state"), 1)
        sent = posts(salesforce, "crm")
        for _ in range(3):
            expect(VarlinkError, lambda: refresh(daemon, "crm"))
            same(token(daemon, "crm")["accessToken"], first["accessToken"])
        cc = token(daemon, "cc")["generation"]
        assert refresh(daemon, "cc") > cc, "assertion grants go on"
        daemon.cli("import", "crm", "--kind", "refresh_token", stdin="5Aep861never", check=75)
        same(posts(salesforce, "crm"), sent, "spends without an INTENT")
        kill_mint(daemon)
        expect(VarlinkError, lambda: refresh(daemon, "crm"))
        same(token(daemon, "crm")["accessToken"], first["accessToken"])
        same(posts(salesforce, "crm"), sent, "spends without an INTENT")
        filler.unlink()
        wait_for(lambda: status(daemon)["store"] == "ok", "it heals", 15)
        good(daemon, salesforce, "crm")
        kill_mint(daemon)
        good(daemon, salesforce, "crm")
        no_alarms(salesforce)


def mint(daemon: Daemon) -> int:
    pid = daemon.child("mint")
    assert pid
    return pid


def test_no_intent_no_spend() -> None:
    """EIO at the write or the sync of INTENT: nothing is sent; the store says readonly and heals by a new file"""
    with pair() as (salesforce, daemon):
        for call in ("pwrite64", "fdatasync"):
            sent = posts(salesforce, "crm")
            with Killer(mint(daemon), call, "1+", "error=EIO"):
                expect(VarlinkError, lambda: refresh(daemon, "crm"))
                same(status(daemon)["store"], "readonly", call)
                same(posts(salesforce, "crm"), sent, f"spends after EIO of {call}")
                assert token(daemon, "crm")["accessToken"]
            wait_for(lambda: status(daemon)["store"] == "ok", f"it heals after EIO of {call}", 15)
            good(daemon, salesforce, "crm")
            kill_mint(daemon)
            good(daemon, salesforce, "crm")
        no_alarms(salesforce)


def test_result_not_written() -> None:
    """EIO at the RESULT: the new token is not lost, not even when the mint is killed then"""
    with pair() as (salesforce, daemon):
        for call in ("pwrite64", "fdatasync"):
            with Killer(mint(daemon), call, 100, "error=EIO") as counting:
                refresh(daemon, "crm")
            before_intent = counting.trace.partition("spend.intent")[0].count(f"\n{call}(") + counting.trace.startswith(f"{call}(")
            generation = token(daemon, "crm")["generation"]
            with Killer(mint(daemon), call, before_intent + 1, "error=EIO"):
                after = refresh(daemon, "crm")
                assert after > generation and token(daemon, "crm")["generation"] == after
                same(status(daemon)["store"], "readonly", call)
                daemon.kill("mint")
            wait_mint(daemon, None)
            assert "is lost" not in warnings(daemon), f"{call}: {warnings(daemon)}"
            wait_for(lambda: status(daemon)["store"] == "ok", f"it heals after EIO of {call}", 15)
            assert good(daemon, salesforce, "crm") > after
        no_alarms(salesforce)


def test_heal_fails() -> None:
    """The first try to heal fails at its beginning or at its end: the old file is what counts, and the next try does it"""
    with pair() as (salesforce, daemon):
        for call in ("openat2", "renameat"):
            with Killer(mint(daemon), "fdatasync", 1, "error=EIO"):
                expect(VarlinkError, lambda: refresh(daemon, "crm"))
            same(status(daemon)["store"], "readonly", call)
            with Killer(mint(daemon), call, 1, "error=EIO") as killer:
                wait_for(lambda k=killer: "INJECTED" in k.path.read_text(errors="replace"), f"{call} fails", 15)  # type: ignore[misc]
            sent = posts(salesforce, "crm")
            if status(daemon)["store"] == "readonly":
                expect(VarlinkError, lambda: refresh(daemon, "crm"))
                same(posts(salesforce, "crm"), sent, call)
            wait_for(lambda: status(daemon)["store"] == "ok", f"it heals after EIO of {call}", 20)
            good(daemon, salesforce, "crm")
        same(outcomes(daemon, "crm")[0], "new_token")
        no_alarms(salesforce)


# -- secrets -------------------------------------------------------------------------------------


def written(daemon: Daemon) -> dict[str, str]:
    """Everything that the programs wrote or show."""
    texts = {"log": daemon.log(), "status": daemon.cli("status").stdout, "status --json": daemon.cli("status", "--json").stdout}
    for folder in (daemon.state, daemon.runtime):
        for path in folder.rglob("*"):
            if path.is_file():
                texts[str(path)] = path.read_bytes().decode("latin-1")
    for name in ("crm", "jwt"):
        texts[f"show {name}"] = daemon.cli("show", name).stdout + daemon.cli("show", name, "--json").stdout
    for name, pid in (("parent", daemon.pid), *((n, daemon.child(n)) for n in ("mint", "front"))):
        texts[f"arguments of {name}"] = Path(f"/proc/{pid}/cmdline").read_bytes().decode("latin-1")
        texts[f"environment of {name}"] = ask("environment", pid)
    return texts


def test_canaries() -> None:
    """Imported and rotated refresh tokens, client secret, key and access tokens: in no log, file, reply, argument or environment, in no usual dress"""
    with Standin(max_grants=0) as salesforce, Daemon(salesforce) as daemon:
        daemon.add_settings(SETTINGS + "CheckInterval=100ms\n")
        daemon.add_refresh_token("crm", extra=EXTRA)
        daemon.write_credential("crm", "\n".join("ClientSecret=stored:" if line.startswith("ClientSecret=") else line
                                                 for line in (daemon.credentials / "crm.conf").read_text().splitlines()) + "\n")
        key = daemon.directory / "given.key"
        salesforce.configure(users={"jwt@example.com": {}}, apps={"app-jwt": {"cert_pem": make_key(key), "approved": ["jwt@example.com"]}})
        daemon.write_credential("jwt", f"[Credential]\nGrantType=jwt_bearer\nLoginUrl={salesforce.url}\nClientId=app-jwt\n"
                                       "Username=jwt@example.com\nPrivateKey=stored:\n")
        daemon.start()
        daemon.give("crm", "client_secret", SECRET)
        daemon.give("jwt", "private_key", key.read_text())
        tokens = [wait_first(daemon, "crm")["accessToken"], token(daemon, "jwt")["accessToken"]]
        for kind, args in (("truncate", {"n": 60}), ("oauth_error", {"error": "server_error"}), ("html", {"status": 503}), ("duplicate_keys", {})):
            salesforce.fault(kind, client_id="app-crm", **args)
            expect(VarlinkError, lambda: refresh(daemon, "crm"))
            if "is lost" in warnings(daemon):
                daemon.give("crm", "refresh_token", str(salesforce.new_grant("crm@example.com", "app-crm", True)["refresh_token"]))
                wait_state(daemon, "crm", "valid")
        daemon.cli("import", "crm", "--kind", "refresh_token", stdin="5Aep861 with a space", check=64)
        texts = [written(daemon)]
        with Killer(mint(daemon), "fdatasync", "2+", "error=EIO"):
            try:
                refresh(daemon, "crm")
            except VarlinkError:
                pass
            texts.append(written(daemon))
        kill_mint(daemon)
        tokens.append(token(daemon, "crm")["accessToken"])
        texts.append(written(daemon))
        words: set[str] = set(key_pieces(key)) | set(dressed(SECRET))
        for family in salesforce.grants("app-crm"):
            for one in family["tokens"]:
                words |= set(dressed(one["token"]))
        for access in tokens:
            words |= {access, access.split("!")[-1][:24]}
        for where in texts:
            for name, text in where.items():
                for word in words:
                    assert word not in text, f"{word!r} is in {name}: ...{text[max(0, text.index(word) - 100):][:200]}..."
        assert any("store.keep" in t or "/store" in t for t in texts[1]), "nothing was looked at"


def test_modes() -> None:
    """State directory 0700; store, key, lock and marks 0600, one name each, whatever the umask"""
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        daemon.add_refresh_token("crm", extra=EXTRA)
        old = os.umask(0)
        try:
            daemon.start()
        finally:
            os.umask(old)
        wait_first(daemon, "crm")
        kill_mint(daemon)
        same(mode(daemon.state), 0o700)
        found = {p.name: p.stat() for folder in (daemon.state, daemon.runtime) for p in folder.iterdir() if p.is_file()}
        assert {"store", "store.key", "lock", "store.mark"} <= set(found), found
        for name, st in found.items():
            same((st.st_mode & 0o7777, st.st_nlink), (0o600, 1), name)
        assert used(daemon.state / "store") > 1024


if __name__ == "__main__":
    become_root()
    main()
