#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sftokend.service on Debian's own kernel: a TPM, limits of memory, a kernel without SO_PEERPIDFD and memfd_secret, a clock that jumps."""

from __future__ import annotations

import json
import re
import resource
import sys
from pathlib import Path

import vm
from harness import SECRET
from standin import Standin
from tap import run_tests, same, wait_for

SLOW = 120.0  # an emulated machine beside other work
SEALED = "/etc/sftokend/sealed"
STORE_KEY = "/etc/credstore.encrypted/sftokend.store.key"
CREDENTIALS = "LoadCredentialEncrypted=crm.secret:/etc/sftokend/sealed/crm.secret\nLoadCredentialEncrypted=etl.key:/etc/sftokend/sealed/etl.key\n"
MEMORY_MOST = 16 << 20  # bytes, with what follows
MANY = 50  # more credentials with a token
TOO_SMALL = 7 << 19  # for the mint, not for the other two
# Why AllowUnit= is refused: the kernel, or a version of the daemon that knows it on no kernel.
REASONS = ("SO_PEERPIDFD, Linux 6.5", "is not available in this version")
GROUP = Path("/sys/fs/cgroup/system.slice/sftokend.service")


class Shared:
    salesforce: Standin
    m: vm.VirtualMachine


def seal(name: str, value: str, key: str, path: str) -> None:
    """As sftokend(8) says it."""
    Shared.m.run("systemd-creds", "encrypt", f"--with-key={key}", f"--name={name}", "-", path, stdin=value)


def fails_to_start() -> dict[str, str]:
    """It is started and does not come up; what systemd says of it."""
    m = Shared.m
    assert m.ctl("restart", "sftokend", check=None, timeout=SLOW).returncode != 0
    seen = m.show("ActiveState", "Result", "ExecMainStatus")
    m.ctl("stop", "sftokend")
    m.ctl("reset-failed", "sftokend", check=None)
    return seen


def said_since(mark: str) -> str:
    return Shared.m.run("journalctl", "--no-pager", "-o", "cat", f"--after-cursor={mark}", "-u", "sftokend").stdout


def cursor() -> str:
    out = Shared.m.run("journalctl", "--no-pager", "-n", "1", "--show-cursor", "-o", "cat").stdout
    return out.rsplit("-- cursor: ", 1)[1].strip()


def requests() -> int:
    return len(Shared.salesforce.token_requests())


def token(name: str = "crm") -> str:
    return Shared.m.sftoken("get", name, "--wait", "60").stdout.strip()


def memory(name: str) -> int:
    return int(Shared.m.run("cat", str(GROUP / name)).stdout)


def test_machine() -> None:
    """the machine is the target: Debian's kernel 6.1, systemd 252, the memory controller, a TPM 2.0"""
    m = Shared.m
    release = m.run("uname", "-r").stdout
    assert release.startswith("6.1."), release
    assert m.run("systemctl", "--version").stdout.startswith("systemd 252"), "another systemd"
    assert "memory" in m.run("cat", "/sys/fs/cgroup/cgroup.controllers").stdout.split()
    m.run("test", "-c", "/dev/tpmrm0")


def test_start() -> None:
    """start, get; a restart keeps the token and asks for none; without memfd_secret the log says that secrets are in locked memory, and nothing is worse than that"""
    m = Shared.m
    m.add_client_credentials("crm")
    m.ctl("start", "sftokend", timeout=SLOW)
    first = token()
    assert first
    m.ctl("restart", "sftokend", timeout=SLOW)
    same(token(), first)
    same(requests(), 1)
    log = m.journal()
    assert "memory=locked" in log, log
    assert "RLIMIT_MEMLOCK" not in m.sftoken("status").stdout


def test_sealed_by_the_tpm() -> None:
    """a client secret sealed with the TPM, a private key and the key of the store with TPM and host: the service starts and mints; a restart asks for nothing; no secret is on the disk"""
    m = Shared.m
    m.ctl("stop", "sftokend")
    m.run("sh", "-c", f"rm /var/lib/sftokend/store*; mkdir -p {SEALED} {Path(STORE_KEY).parent}; rm /etc/sftokend/keys/crm.secret")
    m.add_client_credentials("crm", reference="credential:crm.secret")
    key = m.add_jwt("etl", reference="credential:etl.key")
    seal("crm.secret", SECRET, "tpm2", f"{SEALED}/crm.secret")
    seal("etl.key", key, "host+tpm2", f"{SEALED}/etl.key")
    seal("sftokend.store.key", "0123456789abcdef0123456789abcdef", "host+tpm2", STORE_KEY)
    m.drop_in("[Service]\n" + CREDENTIALS)
    m.add_settings("[Store]\nKey=credential:sftokend.store.key\n")
    m.ctl("daemon-reload")
    m.ctl("start", "sftokend", timeout=SLOW)
    tokens = token("crm"), token("etl")
    asked = requests()
    m.ctl("restart", "sftokend", timeout=SLOW)
    same((token("crm"), token("etl")), tokens)
    same(requests(), asked)
    m.run("test", "!", "-e", "/var/lib/sftokend/store.key")
    for text in (SECRET, key.splitlines()[3]):
        same(m.run("grep", "-rlF", "--", text, "/etc", "/var", "/run/sftokend", check=None).stdout.split(), [])


def test_another_boot_chain() -> None:
    """PCR 7 is another one: nothing starts, systemd says why, and the store is left as it is; sealed anew, it goes on with the tokens that it had"""
    m = Shared.m
    before = m.run("sha256sum", "/var/lib/sftokend/store").stdout
    m.run("tpm2_pcrextend", "7:sha256=" + "5a" * 32)
    mark = cursor()
    fails_to_start()
    said = said_since(mark)
    assert all(words in said for words in ("policy digest does not match", "Failed to set up credentials", "status=243/CREDENTIALS")), said
    same(m.run("sha256sum", "/var/lib/sftokend/store").stdout, before)
    seal("crm.secret", SECRET, "tpm2", f"{SEALED}/crm.secret")
    key = (m.place / "etl.key").read_text()
    seal("etl.key", key, "host+tpm2", f"{SEALED}/etl.key")
    seal("sftokend.store.key", "0123456789abcdef0123456789abcdef", "host+tpm2", STORE_KEY)
    asked = requests()
    m.ctl("start", "sftokend", timeout=SLOW)
    assert token("crm") and token("etl")
    same(requests(), asked)


def test_no_tpm() -> None:
    """there is no TPM: the same, with its reason; when it is back, so are the tokens"""
    m = Shared.m
    asked = requests()
    m.run("mv", "/dev/tpmrm0", "/dev/away")  # a driver that is unbound here does not come back
    mark = cursor()
    fails_to_start()
    said = said_since(mark)
    assert all(words in said for words in ("TCTI", "Failed to set up credentials", "status=243/CREDENTIALS")), said
    m.run("mv", "/dev/away", "/dev/tpmrm0")
    m.ctl("start", "sftokend", timeout=SLOW)
    assert token("crm") and token("etl")
    same(requests(), asked)


def test_memory() -> None:
    """fifty credentials with tokens stay far below MemoryMax=16M; with too little the kernel ends the mint, callers are served on, the parent starts it again, and the unit stays up"""
    m = Shared.m
    text = m.run("cat", "/etc/sftokend/credentials/crm.conf").stdout
    m.run("sh", "-c", f"for i in $(seq {MANY}); do cat >/etc/sftokend/credentials/many$i.conf <<'END'\n{text}\nEND\ndone")
    m.drop_in(f"[Service]\n{CREDENTIALS}MemoryMax={MEMORY_MOST}\nMemorySwapMax=0\n")
    m.add_settings("[Store]\nKey=credential:sftokend.store.key\n[Limits]\nRestartFirst=0s\nStartSpread=1s\nMaxRequestsPerHour=10000\n")
    m.ctl("daemon-reload")
    m.ctl("restart", "sftokend", timeout=SLOW)
    wait_for(lambda: f"{MANY + 2} with a token" in m.value("StatusText"), "all tokens", SLOW)
    most = memory("memory.peak")
    print(f"# {MANY + 2} credentials with tokens: at most {most >> 10} KiB, now {memory('memory.current') >> 10} KiB")
    assert most < MEMORY_MOST, most
    before = m.show("MainPID", "NRestarts")
    same(killed(), 0)
    m.ctl("set-property", "--runtime", "sftokend", f"MemoryMax={TOO_SMALL}")
    wait_for(lambda: killed() and "child.died" in m.journal(), "a child that is killed", SLOW)
    assert token("crm")
    m.ctl("set-property", "--runtime", "sftokend", f"MemoryMax={MEMORY_MOST}")
    wait_for(lambda: m.sftoken("get", "crm", check=None).returncode == 0 and set(m.pids()) == {"sftokend", "mint", "front"}, "all three", SLOW)
    same(m.show("MainPID", "NRestarts"), before)
    same(m.value("ActiveState"), "active")


def killed() -> int:
    """How many processes the kernel has ended because of MemoryMax=."""
    events = dict(line.split() for line in Shared.m.run("cat", str(GROUP / "memory.events")).stdout.splitlines())
    return int(events["oom_kill"])


def test_clock() -> None:
    """the clock is set three hours ahead, then a day back: the same token is served, with what is left of its life; nothing is requested"""
    m = Shared.m
    asked, first = requests(), token("crm")
    for step in ("+3 hours", "-1 day"):
        m.run("date", "-s", step)
        told = json.loads(m.sftoken("get", "crm", "--format", "json").stdout)
        same(told["accessToken"], first)
        assert 3600 < told["expiresInSeconds"] <= 7200, told["expiresInSeconds"]
    same(requests(), asked)


def test_what_the_kernel_cannot_prove() -> None:
    """AllowUnit= and AllowExecutable= are refused with 78 and the key: who a caller is cannot be proved before Linux 6.5, and nothing weaker is done"""
    m = Shared.m
    for line in ("AllowUnit=etl.service", "AllowExecutable=/usr/bin/etl"):
        m.run("sh", "-c", f"printf '[Access]\\n{line}\\n' >>/etc/sftokend/credentials/etl.conf")
        done = m.run("sftokend", "--check", check=78)
        key = line.partition("=")[0]
        reason = rf"{key}= .*({'|'.join(REASONS)})"
        assert re.search(reason, done.stdout + done.stderr), done
        if key == "AllowUnit":
            mark = cursor()
            same(fails_to_start()["ExecMainStatus"], "78")  # not tried again: RestartPreventExitStatus=
            assert re.search(reason, said_since(mark))
        m.run("sed", "-i", f"/^{key}=/d", "/etc/sftokend/credentials/etl.conf")
    m.ctl("start", "sftokend", timeout=SLOW)
    assert token("etl")


def test_nothing_else() -> None:
    """in all of that nobody was refused a system call, and the stand-in has nothing to complain of"""
    log = Shared.m.journal()
    same([line for line in log.splitlines() if "SIGSYS" in line], [])
    same(Shared.salesforce.problems(), [])


def run() -> int:
    vm.enter()
    with Standin() as Shared.salesforce, vm.VirtualMachine(Shared.salesforce) as Shared.m:
        failed = run_tests()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"# {used.ru_utime + used.ru_stime:.0f} s of processor time")
    return failed


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
