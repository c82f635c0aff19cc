# SPDX-License-Identifier: Apache-2.0
"""A whole machine: Debian's own kernel in QEMU, with a TPM (swtpm), cgroup v2 with all controllers and the real systemd, in the manner of tests/systemd/machine.py.

    vm.enter()
    with Standin() as salesforce, VirtualMachine(salesforce) as m: ...

The installed Debian of the image is the initramfs, so that no disk is needed; the files of one run are appended to it. Commands come by a virtio port, where a shell script answers them. The stand-in runs
outside: systemd-socket-proxyd inside leads to it by QEMU's user network, so that both sides see it at 127.0.0.1. Always emulated (TCG), so that it runs where there is no /dev/kvm: slow, the same everywhere."""

from __future__ import annotations

import base64
import ctypes
import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Optional

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "systemd")]

import machine  # noqa: E402
from machine import CACHE, Machine, command  # noqa: E402
from standin import Standin  # noqa: E402
from tap import wait_for  # noqa: E402

PACKAGES = ("udev", "kmod", "iproute2", "tpm2-tools", "libtss2-esys-3.0.2-0", "libtss2-rc0", "libtss2-mu0", "libtss2-tcti-device0", "tpm2-openssl")
KERNEL = "linux-image-6.1.0-*-cloud-amd64"
# Everything else that the machine has is built into that kernel.
MODULES = ("drivers/virtio", "drivers/net/virtio_net.ko", "drivers/net/net_failover.ko", "net/core/failover.ko", "drivers/char/virtio_console.ko")
TOOLS = ("qemu-system-x86_64", "swtpm", "cpio")
BOOT_SECONDS = 240.0
OUTSIDE = "10.0.2.2"  # the loopback of the host, in QEMU's user network

AGENT = r"""#!/bin/bash
until [[ -c /dev/virtio-ports/agent ]]; do sleep 0.1; done
exec 3<>/dev/virtio-ports/agent
printf '0 aGVsbG8= \n' >&3
while IFS= read -r line <&3; do
	base64 -d <<<"$line" >/run/agent.script
	bash /run/agent.script >/run/agent.out 2>/run/agent.err </dev/null
	printf '%s %s %s\n' "$?" "$(base64 -w0 /run/agent.out)" "$(base64 -w0 /run/agent.err)" >&3
done
"""
AGENT_UNIT = "[Unit]\nDescription=Commands of the test\n[Service]\nExecStart=/usr/local/sbin/agent\nOOMScoreAdjust=-1000\n[Install]\nWantedBy=multi-user.target\n"


def enter() -> None:
    """Becomes root, fetches and makes what is missing, enters the namespaces; or prints SKIP and ends."""
    machine.become_root()
    reason = why_not()
    if reason:
        print(f"SKIP vm/{Path(sys.argv[0]).stem.removeprefix('test_')}: no machine can be emulated here: {reason}")
        sys.exit(0)
    kernel()
    machine.enter(more=PACKAGES, suite="vm")


def why_not() -> Optional[str]:
    """What forbids it here, None if nothing does."""
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        return f"{', '.join(absent)} is not installed"
    if os.uname().machine != "x86_64":
        return "the kernel is one for x86-64"
    return None if kernels_here() or newest_package() else f"no package {KERNEL} is known here, and none is in {CACHE}"


# --- what is made once ---

def newest_package() -> str:
    """The newest of Debian's kernels that the lists of packages know; "" if they know none."""
    found = command("apt-cache", "--names-only", "search", "^linux-image-6\\.1\\.0-[0-9]+-cloud-amd64$").stdout.split("\n")
    names = [line.split()[0] for line in found if line]
    return max(names, key=number, default="")


def number(package: str) -> int:
    """Which of Debian's builds it is: 56 for linux-image-6.1.0-56-cloud-amd64."""
    return int(package.split("-")[3])


def kernels_here() -> list[Path]:
    return sorted((p for p in CACHE.glob(KERNEL) if p.is_dir()), key=lambda p: number(p.name))


def kernel() -> Path:
    """A folder with the unpacked package of the kernel. One that is there already is used, so that it works without a network."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        there = kernels_here()
        if there:
            return there[-1]
        name = newest_package()
        unfinished = Path(tempfile.mkdtemp(prefix="new.", dir=CACHE))
        try:
            command("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name, cwd=unfinished)
            command("dpkg", "-x", str(next(unfinished.glob("*.deb"))), str(unfinished / "root"))
            os.rename(unfinished / "root", CACHE / name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return CACHE / name


def archive(folder: Path, target: Path, without: str = "") -> None:
    """A folder as the kernel unpacks it."""
    left_out = f"-path {shlex.quote(without)} -prune -o" if without else ""
    command("bash", "-o", "pipefail", "-c", f"cd {shlex.quote(str(folder))} && find . {left_out} -print0 | cpio --null -o -H newc --quiet --reproducible >{shlex.quote(str(target))}.new")
    os.rename(f"{target}.new", target)


def base(image: Path) -> list[Path]:
    """The archives that all runs have in common: the Debian, and the modules of the kernel."""
    package = kernel()
    debian, modules = image / "base.cpio", CACHE / f"{package.name}.cpio"
    with open(CACHE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not debian.exists():
            archive(image / "root", debian, "./var/cache")
        if not modules.exists():
            archive_modules(package, image, modules)
    return [debian, modules]


def archive_modules(package: Path, image: Path, target: Path) -> None:
    """The few that are needed, with the index that the image's depmod makes of them."""
    version = kernel_version(package)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        place = Path(folder) / "usr/lib/modules" / version
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo", *(f"kernel/{m}" for m in MODULES)):
            source, copy = package / "lib/modules" / version / name, place / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy)
            else:
                shutil.copy(source, copy)
        os.chmod(folder, 0o755)
        mounted = Path(folder) / "usr/lib/modules"
        command("unshare", "-m", "sh", "-ec", f"mkdir -p {image}/root/usr/lib/modules; mount --bind {mounted} {image}/root/usr/lib/modules; chroot {image}/root depmod {version}")
        archive(Path(folder), target)


def kernel_version(package: Path) -> str:
    return next((package / "lib/modules").iterdir()).name


# --- one machine ---

def end_with_us() -> None:
    """For a child: when this program is killed, it is, too."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class VirtualMachine(Machine):
    """Booted when entered, switched off and removed when left. What Machine can do, without what needs its processes to be ours."""

    def __init__(self, salesforce: Optional[Standin] = None, *, kernel_line: str = "", **how: Any) -> None:
        super().__init__(salesforce, more=PACKAGES, **how)
        self.kernel_line = kernel_line
        self.qemu: Optional[subprocess.Popen[bytes]] = None
        self.tpm: Optional[subprocess.Popen[bytes]] = None
        self.line: Optional[socket.socket] = None
        self.rest = b""

    def __enter__(self) -> VirtualMachine:
        self.write("/usr/local/sbin/agent", AGENT, 0o755)
        self.write("/etc/systemd/system/agent.service", AGENT_UNIT)
        command("systemctl", "--root", str(self.root), "enable", "agent.service")
        parts = base(self.image)
        archive(self.place / "upper", self.place / "files.cpio")
        with (self.place / "initrd").open("wb") as whole:
            for part in (*parts, self.place / "files.cpio"):
                with part.open("rb") as source:
                    shutil.copyfileobj(source, whole, 1 << 20)
        try:
            self.power_on()
            self.answer(BOOT_SECONDS)
            self.connect_to_standin()
        except BaseException:
            print("".join(f"# | {line}\n" for line in self.console().splitlines()[-40:]), end="")
            self.end()
            raise
        return self

    def power_on(self) -> None:
        (self.place / "tpm").mkdir()
        tpm, agent = f"{self.place}/tpm.socket", f"{self.place}/agent.socket"
        self.tpm = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.place}/tpm", "--ctrl", f"type=unixio,path={tpm}", "--terminate"],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(tpm), "swtpm")
        package = kernel()
        self.qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "2048", "-smp", "2", "-nodefaults", "-no-user-config", "-display", "none",
             "-no-reboot", "-serial", f"file:{self.place}/console", "-kernel", f"{package}/boot/vmlinuz-{kernel_version(package)}", "-initrd", f"{self.place}/initrd",
             "-append", f"console=ttyS0 quiet net.ifnames=0 rdinit=/usr/lib/systemd/systemd {self.kernel_line}",
             "-chardev", f"socket,id=tpm,path={tpm}", "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0",
             "-netdev", "user,id=net,restrict=off", "-device", "virtio-net-pci,netdev=net,romfile=",
             "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,path={agent},server=on,wait=off", "-device", "virtserialport,chardev=agent,name=agent"],
            stdin=subprocess.DEVNULL, stdout=(self.place / "qemu").open("wb"), stderr=subprocess.STDOUT, preexec_fn=end_with_us)
        self.line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        wait_for(lambda: self.runs() and os.path.exists(agent), "QEMU")
        self.line.connect(agent)

    def runs(self) -> bool:
        if self.qemu is None or self.qemu.poll() is not None:
            raise AssertionError(f"QEMU has ended: {(self.place / 'qemu').read_text(errors='replace')}")
        return True

    def console(self) -> str:
        path = self.place / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def connect_to_standin(self) -> None:
        self.run("sh", "-c", "ip link set eth0 up && ip address add 10.0.2.15/24 dev eth0")
        if self.salesforce is None:
            return
        self.write("/etc/systemd/system/standin.socket", f"[Socket]\nListenStream=127.0.0.1:{self.salesforce.port}\n")
        self.write("/etc/systemd/system/standin.service", f"[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd {OUTSIDE}:{self.salesforce.port}\n")
        self.ctl("daemon-reload")
        self.ctl("start", "standin.socket")

    def end(self) -> None:
        """Off, as if the plug were pulled."""
        for process in (self.qemu, self.tpm):
            if process is not None:
                process.kill()
                process.wait()
        if self.line is not None:
            self.line.close()
        if self.place.exists():
            command("umount", "-l", str(self.root))
            shutil.rmtree(self.place, ignore_errors=True)
        self.qemu = self.tpm = self.line = None

    # -- inside --------------------------------------------------------------------------------------

    def answer(self, timeout: float) -> tuple[int, str, str]:
        """The next line of the agent: status, standard output, standard error."""
        assert self.line is not None
        self.line.settimeout(timeout)
        while b"\n" not in self.rest:
            try:
                more = self.line.recv(1 << 16)
            except TimeoutError:
                raise AssertionError(f"no answer from inside in {timeout} s") from None
            if not more:
                self.runs()
                raise AssertionError("the line into the machine is cut")
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        status, out, errors = line.decode().split(" ")
        return int(status), *(base64.b64decode(text).decode(errors="replace") for text in (out, errors))

    def run(self, *words: str, check: Optional[int] = 0, stdin: Optional[str] = None, user: str = "", timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        assert self.line is not None
        script = shlex.join([*machine.ENVIRONMENT, *(["runuser", "-u", user, "--"] if user else []), *words])
        if stdin is not None:
            script = f"base64 -d <<<{base64.b64encode(stdin.encode()).decode()} | {script}"
        self.line.sendall(base64.b64encode(script.encode()) + b"\n")
        status, out, errors = self.answer(timeout)
        if check is not None and status != check:
            raise AssertionError(f"{' '.join(words)}: status {status}, wanted {check}\n{out}{errors}")
        return subprocess.CompletedProcess(words, status, out, errors)

    def write(self, path: str, text: str, mode: int = 0o644, owner: str = "") -> None:
        if getattr(self, "line", None) is None:
            super().write(path, text, mode, owner)
            return
        quoted = shlex.quote(path)
        self.run("sh", "-c", f"mkdir -p {shlex.quote(str(Path(path).parent))}; umask 077; cat >{quoted}; chmod {mode:o} {quoted}" + (f"; chown {owner}: {quoted}" if owner else ""), stdin=text)

    def pids(self) -> dict[str, int]:
        """The daemon's processes by name, with the numbers that they have inside."""
        script = "for p in $(cat /sys/fs/cgroup/system.slice/sftokend.service/cgroup.procs); do echo $p $(tr '\\0' ' ' </proc/$p/cmdline); done"
        lines = [line.split() for line in self.run("sh", "-c", script, check=None).stdout.splitlines()]
        return {Path(words[1]).name.removeprefix("sftokend-"): int(words[0]) for words in lines if len(words) > 1}
