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
MINT_LACKS = 3  # it is left without this part of what it has for itself: the other two have room, and so may a mint that starts
HANDLE = "0x81000001"
IMPORT_KEY = f"""set -e; cd /run; export TPM2TOOLS_TCTI=device:/dev/tpmrm0
tpm2_createprimary -Q -C o -G ecc -c primary
tpm2_import -Q -C primary -G rsa -i key.pem -u public -r private -a "userwithauth|sign|decrypt|noda"
tpm2_load -Q -C primary -u public -r private -c key
tpm2_evictcontrol -Q -C o -c key {HANDLE}
rm key.pem primary public private key"""
STORE_SETTINGS = "[Store]\nKey=credential:sftokend.store.key\n"
GROUP = Path("/sys/fs/cgroup/system.slice/sftokend.service")


class Shared:
    salesforce: Standin
    m: vm.VirtualMachine


def seal(name: str, value: str, key: str, path: str) -> None:
    """As sftokend(8) says it."""
    Shared.m.run("systemd-creds", "encrypt", f"--with-key={key}", f"--name={name}", "-", path, stdin=value)


def seal_all() -> None:
    """What the unit needs, for the TPM as it is now."""
    seal("crm.secret", SECRET, "tpm2", f"{SEALED}/crm.secret")
    seal("etl.key", (Shared.m.place / "etl.key").read_text(), "host+tpm2", f"{SEALED}/etl.key")
    seal("sftokend.store.key", "0123456789abcdef0123456789abcdef", "host+tpm2", STORE_KEY)


def use_sealed() -> None:
    """A new store, and two credentials whose secrets are sealed; nothing is started."""
    m = Shared.m
    m.ctl("stop", "sftokend")
    m.run("sh", "-c", f"rm -f /var/lib/sftokend/store* /etc/sftokend/keys/crm.secret; mkdir -p {SEALED} {Path(STORE_KEY).parent}")
    m.add_client_credentials("crm", reference="credential:crm.secret")
    m.add_jwt("etl", reference="credential:etl.key")
    seal_all()
    m.drop_in("[Service]\n" + CREDENTIALS)
    m.add_settings(STORE_SETTINGS)
    m.ctl("daemon-reload")


def up() -> None:
    """The service has both tokens, whatever the tests before have left, and if there were none."""
    m = Shared.m
    if m.run("test", "-e", STORE_KEY, check=None).returncode != 0:
        use_sealed()
    m.ctl("reset-failed", "sftokend", check=None)
    if m.ctl("start", "sftokend", check=None, timeout=SLOW).returncode != 0:
        seal_all()
        m.ctl("start", "sftokend", timeout=SLOW)
    assert token("crm") and token("etl")


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
    use_sealed()
    m.ctl("start", "sftokend", timeout=SLOW)
    tokens = token("crm"), token("etl")
    asked = requests()
    m.ctl("restart", "sftokend", timeout=SLOW)
    same((token("crm"), token("etl")), tokens)
    same(requests(), asked)
    m.run("test", "!", "-e", "/var/lib/sftokend/store.key")
    for text in (SECRET, (m.place / "etl.key").read_text().splitlines()[3]):
        same(m.run("grep", "-rlF", "--", text, "/etc", "/var", "/run/sftokend", check=None).stdout.split(), [])


def test_another_boot_chain() -> None:
    """PCR 7 is another one: nothing starts, systemd says why, and the store is left as it is; sealed anew, it goes on with the tokens that it had"""
    m = Shared.m
    up()
    m.ctl("stop", "sftokend")
    before = m.run("sha256sum", "/var/lib/sftokend/store").stdout
    m.run("tpm2_pcrextend", "7:sha256=" + "5a" * 32)
    mark = cursor()
    fails_to_start()
    said = said_since(mark)
    assert all(words in said for words in ("policy digest does not match", "Failed to set up credentials", "status=243/CREDENTIALS")), said
    same(m.run("sha256sum", "/var/lib/sftokend/store").stdout, before)
    seal_all()
    asked = requests()
    m.ctl("start", "sftokend", timeout=SLOW)
    assert token("crm") and token("etl")
    same(requests(), asked)


def test_no_tpm() -> None:
    """there is no TPM: the same, with its reason; when it is back, so are the tokens"""
    m = Shared.m
    up()
    asked = requests()
    m.run("mv", "/dev/tpmrm0", "/dev/away")  # a driver that is unbound here does not come back
    try:
        mark = cursor()
        fails_to_start()
        said = said_since(mark)
    finally:
        m.run("mv", "/dev/away", "/dev/tpmrm0")
    assert all(words in said for words in ("TCTI", "Failed to set up credentials", "status=243/CREDENTIALS")), said
    m.ctl("start", "sftokend", timeout=SLOW)
    assert token("crm") and token("etl")
    same(requests(), asked)


def test_key_in_the_tpm() -> None:
    """PrivateKey=handle: with the drop-in that the unit names for it: a key that stays in the TPM signs, inside the sandbox; a restart needs no signature"""
    m = Shared.m
    up()
    words = re.search(r"^# A key in a TPM \(PrivateKey=handle:...\) needs a drop-in: (.*)\.$", read("/usr/lib/systemd/system/sftokend.service"), re.M)
    assert words, "the unit does not say what a key in a TPM needs"
    pem = m.add_jwt("tpm", reference=f"handle:{HANDLE}")
    m.write("/run/key.pem", pem, 0o600)
    m.run("bash", "-c", IMPORT_KEY, timeout=SLOW)
    m.drop_in("[Service]\n" + words[1].replace(", ", "\n") + "\n", name="tpm.conf")
    try:
        m.ctl("daemon-reload")
        m.ctl("restart", "sftokend", timeout=SLOW)
        first, asked = token("tpm"), requests()
        m.ctl("restart", "sftokend", timeout=SLOW)
        same((token("tpm"), requests()), (first, asked))
    finally:
        m.run("rm", "/etc/sftokend/credentials/tpm.conf", "/etc/systemd/system/sftokend.service.d/tpm.conf")
        m.ctl("daemon-reload")
        m.ctl("restart", "sftokend", check=None, timeout=SLOW)


def number_in(text: str, name: str) -> int:
    """The first number behind that name, as memory.stat, memory.events and /proc/PID/status have them."""
    return int(next(line.split()[1] for line in text.splitlines() if line.split()[0].rstrip(":") == name))


def read(path: str) -> str:
    return Shared.m.run("cat", path).stdout


def killed() -> int:
    """How many processes the kernel has ended because of MemoryMax=."""
    return number_in(read(f"{GROUP}/memory.events"), "oom_kill")


def too_little() -> int:
    """A MemoryMax= at which one process must go, derived from what all use now; what is not charged to anybody yet (memory.current has it) is not counted."""
    stat = read(f"{GROUP}/memory.stat")
    all_of_it = sum(number_in(stat, name) for name in ("anon", "file", "kernel"))
    sizes = {name: {field: number_in(read(f"/proc/{pid}/status"), field) for field in ("VmRSS", "RssAnon")} for name, pid in Shared.m.pids().items()}
    print(f"# charged {all_of_it >> 10} KiB; " + ", ".join(f"{name} {seen['VmRSS']} KiB, its own {seen['RssAnon']}" for name, seen in sizes.items()))
    return all_of_it - (sizes["mint"]["RssAnon"] << 10) // MINT_LACKS


def lack_memory() -> None:
    """The kernel ends the mint and nobody else."""
    m = Shared.m
    before, processes = m.show("MainPID", "NRestarts"), m.pids()
    same(killed(), 0)
    m.ctl("set-property", "--runtime", "sftokend", f"MemoryMax={too_little()}", timeout=SLOW)
    wait_for(lambda: killed() and "child.died name=sftokend-mint" in m.journal(), "a mint that is killed", SLOW)
    assert token("crm")
    m.ctl("set-property", "--runtime", "sftokend", f"MemoryMax={MEMORY_MOST}")
    wait_for(lambda: m.pids().get("mint", processes["mint"]) != processes["mint"] and f"{MANY + 2} with a token" in m.value("StatusText"), "another mint", SLOW)
    after = m.pids()
    same((after["sftokend"], after["front"]), (processes["sftokend"], processes["front"]))
    same((m.show("MainPID", "NRestarts"), m.value("ActiveState")), (before, "active"))


def test_memory() -> None:
    """fifty credentials with tokens stay far below MemoryMax=16M; with too little the kernel ends the mint, callers are served on, the parent starts it again, and the unit stays up"""
    m = Shared.m
    up()
    text = read("/etc/sftokend/credentials/crm.conf")
    m.run("sh", "-c", f"for i in $(seq {MANY}); do cat >/etc/sftokend/credentials/many$i.conf <<'END'\n{text}\nEND\ndone")
    m.drop_in(f"[Service]\nMemoryMax={MEMORY_MOST}\nMemorySwapMax=0\n", name="memory.conf")
    m.add_settings("[Limits]\nStartSpread=1s\nMaxRequestsPerHour=10000\n", "many.conf")
    try:
        m.ctl("daemon-reload")
        m.ctl("restart", "sftokend", timeout=SLOW)
        wait_for(lambda: f"{MANY + 2} with a token" in m.value("StatusText"), "all tokens", SLOW)
        most = int(read(f"{GROUP}/memory.peak"))
        print(f"# {MANY + 2} credentials with tokens: at most {most >> 10} KiB")
        assert most < MEMORY_MOST, most
        lack_memory()
    finally:
        m.run("sh", "-c", "rm -rf /etc/sftokend/credentials/many*.conf /etc/sftokend/sftokend.conf.d/many.conf /etc/systemd/system/sftokend.service.d/memory.conf /run/systemd/system.control")
        m.ctl("daemon-reload")
        m.ctl("restart", "sftokend", check=None, timeout=SLOW)


def test_clock() -> None:
    """the clock is set three hours ahead, then a day back: the same token is served, with what is left of its life; nothing is requested"""
    m = Shared.m
    up()
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
    up()
    for line in ("AllowUnit=etl.service", "AllowExecutable=/usr/bin/etl"):
        m.run("sh", "-c", f"printf '[Access]\\n{line}\\n' >>/etc/sftokend/credentials/etl.conf")
        done = m.run("sftokend", "--check", check=78)
        key = line.partition("=")[0]
        reason = rf"{key}= .*SO_PEERPIDFD, Linux 6\.5"
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
