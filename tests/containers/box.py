# SPDX-License-Identifier: Apache-2.0
"""podman in a box: a mount, network and PID namespace of our own, a storage that goes with it, the image of this checkout in it.

    box.enter()                       once a program: runs it again inside; or prints SKIP
    box.build()                       the image localhost/sftokend, and localhost/job, a Debian with sftoken
    box.podman("run", ...)

"--network host" is the network of the box: the stand-in for Salesforce, which runs outside of all containers, is at 127.0.0.1 for everybody. All that runs ends with the box, also when the program is killed. What stays is the Debian below
/var/tmp, made once, and the finished image in build/containers, made once for these sources."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, Iterator, Optional

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
os.environ.setdefault("SFTOKEN_VARIANT", "release")
sys.path[:0] = [str(HERE), str(TOP / "tests/system"), str(TOP / "tests")]

from privileged import become_root  # noqa: E402
from tap import wait_for  # noqa: E402

CACHE = Path("/var/tmp/sftokend-containers")
IMAGE, BASE, JOB = "localhost/sftokend", "localhost/sftokend-base", "localhost/job"
BUILD = ("podman", "build", "-t", "sftokend", "-f", "container/Containerfile", ".")  # what docs/containers.md says
INSIDE = "SFTOKEN_BOX"
OVERLAYFS = "794c7630"  # statfs(2): no overlay on top of another one


def command(*words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False, **how)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


# --- in and out ---

def why_not() -> Optional[str]:
    """What forbids it here, None if nothing does."""
    for program in ("podman", "buildah", "runc", "mmdebstrap", "catatonit"):
        if not shutil.which(program) and not Path(f"/usr/libexec/podman/{program}").exists():
            return f"{program} is not installed"
    if " - cgroup" not in Path("/proc/self/mountinfo").read_text():
        return "no cgroups are mounted, and runc needs them"
    tried = subprocess.run(["unshare", "-m", "-n", "-p", "-f", "--mount-proc", "mount", "-t", "tmpfs", "none", "/run"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() or "no namespaces" if tried.returncode else None


def sweep() -> None:
    """What boxes have left: cgroups, which outlive their processes by a moment, and storage of those that were killed."""
    for _ in range(100):
        left = [g for pattern in ("libpod_parent", "*/libpod_parent") for g in Path("/sys/fs/cgroup").glob(pattern)]
        for group in left:
            for folder, _, _ in os.walk(group, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass  # somebody is still in it
        if not any(g.exists() and not any(p.read_text() for p in g.rglob("cgroup.procs")) for g in left):
            break
        time.sleep(0.05)
    for old in CACHE.glob("box.*"):
        with open(old / "lock", "a", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue  # somebody is in it
            shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def sweeping() -> Iterator[None]:
    """Nobody sweeps while another box is between its folder and its lock."""
    with open(CACHE / "sweep", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def settle() -> IO[str]:
    """A new place, locked for as long as the file is open."""
    with sweeping():
        sweep()
        place = Path(tempfile.mkdtemp(prefix="box.", dir=CACHE))
        os.chmod(place, 0o755)
        lock = open(place / "lock", "w", encoding="ascii")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock


def enter() -> None:
    """Returns inside the box; outside it never does."""
    if INSIDE in os.environ:
        furnish()
        return
    become_root()
    reason = why_not()
    if reason:
        print(f"SKIP containers/{Path(sys.argv[0]).stem.removeprefix('test_')}: no container can be run here: {reason}")
        sys.exit(0)
    CACHE.mkdir(parents=True, exist_ok=True)
    os.chmod(CACHE, 0o755)
    with settle() as lock:
        place = Path(lock.name).parent
        base()  # with the network of the machine: the box has none
        init = shutil.which("catatonit") or "/usr/libexec/podman/catatonit"  # reaps what podman leaves behind
        words = ["unshare", "-m", "-n", "-p", "-f", "--kill-child", "--mount-proc", "--propagation", "private", init, "--", sys.executable, *sys.argv]
        status = subprocess.run(words, env={**os.environ, INSIDE: str(place)}, check=False).returncode
    with sweeping():
        sweep()
    sys.exit(status)


def place() -> Path:
    return Path(os.environ[INSIDE])


def most(what: int, wanted: int) -> int:
    hard = resource.getrlimit(what)[1]
    return wanted if hard < 0 else min(wanted, hard)


def furnish() -> None:
    """The box from inside: its own /run, loopback, and podman's settings."""
    command("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 0x1))  # SIOCSIFFLAGS, IFF_UP
    # a limit above our own hard one cannot be set
    limits = ", ".join(f'"{name}={most(what, wanted)}:{most(what, wanted)}"' for name, what, wanted in
                       (("nofile", resource.RLIMIT_NOFILE, 20000), ("nproc", resource.RLIMIT_NPROC, 32768)))
    kind = command("stat", "-f", "-c", "%t", str(CACHE)).stdout.strip()
    (place() / "containers.conf").write_text(f'[engine]\ncgroup_manager="cgroupfs"\nruntime="runc"\nevents_logger="file"\ntmp_dir="{place()}/tmp"\n'
                                             f'[containers]\nlog_driver="k8s-file"\ndefault_ulimits=[{limits}]\n')
    (place() / "storage.conf").write_text(f'[storage]\ndriver="{"vfs" if kind == OVERLAYFS else "overlay"}"\ngraphroot="{place()}/graph"\nrunroot="/run/containers"\n')
    os.environ["CONTAINERS_CONF"], os.environ["CONTAINERS_STORAGE_CONF"] = f"{place()}/containers.conf", f"{place()}/storage.conf"


# --- images ---

def packages() -> str:
    """What the image is compiled with, and a shell for the job's image."""
    return command("sh", str(TOP / "container/packages.sh"), "--list").stdout.strip() + " busybox-static"


def base() -> Path:
    """A Debian that has what the image is compiled with: a tar, made once for this list of packages."""
    made = CACHE / f"base-{hashlib.sha256(packages().encode()).hexdigest()[:12]}.tar"
    with open(CACHE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            mirrors = command("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm").stdout.split()
            if not mirrors:
                raise AssertionError("no Debian mirror is configured here")
            command("mmdebstrap", "--quiet", "--variant=apt", f"--include={packages().replace(' ', ',')}", "--dpkgopt=path-exclude=/usr/share/locale/*",
                    "--dpkgopt=path-exclude=/usr/share/man/*", "bookworm", f"{made}.new.tar", mirrors[0])
            os.rename(f"{made}.new.tar", made)
    return made


def sources() -> str:
    """What goes into the image, as .dockerignore has it, as a number."""
    digest = hashlib.sha256(base().name.encode())
    for line in (TOP / ".dockerignore").read_text().splitlines():
        if not line.startswith("!"):
            continue
        top = TOP / line[1:]
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.suffix != ".yaml":
                digest.update(str(path.relative_to(TOP)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def build() -> None:
    """localhost/sftokend by its Containerfile, and localhost/job, the same with a shell; or as they were built from the same sources before: the first program builds, the others wait."""
    kept = kept_image()
    kept.parent.mkdir(parents=True, exist_ok=True)
    with open(kept.parent / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            build_anew(kept)
            return
    podman("load", "--quiet", "--input", str(kept))


def build_anew(kept: Path) -> None:
    podman("import", "--quiet", str(base()), BASE)
    offline = ("--isolation", "chroot", "--quiet", "--build-arg", f"BASE={BASE}")
    command(*BUILD[:2], *offline, *BUILD[2:], cwd=TOP)
    (place() / "job").mkdir()
    (place() / "job/Containerfile").write_text(f'FROM {IMAGE}\nCOPY --from={BASE} /bin/busybox /usr/bin/busybox\nUSER 0\nRUN ["/usr/bin/busybox", "--install", "-s", "/usr/bin"]\nENTRYPOINT []\n')
    command(*BUILD[:2], *offline[:3], "--tag", JOB, str(place() / "job"))
    for old in kept.parent.glob("*.tar*"):
        old.unlink()
    podman("save", "--quiet", "--multi-image-archive", "--output", f"{kept}.new", IMAGE, JOB)
    os.rename(f"{kept}.new", kept)


def kept_image() -> Path:
    """Both images, as build() leaves them."""
    return TOP / "build/containers" / f"{sources()}.tar"


# --- somebody who is not root ---

class Rootless:
    """An account with 65536 subordinate uids, which only the box knows, and its podman."""

    UID, FIRST = 54321, 300000

    def __init__(self) -> None:
        self.home = place() / "home"
        (self.home / "run").mkdir(parents=True)
        lines = {"passwd": f"rootless:x:{self.UID}:{self.UID}::{self.home}:/bin/sh", "group": f"rootless:x:{self.UID}:",
                 "subuid": f"rootless:{self.FIRST}:65536", "subgid": f"rootless:{self.FIRST}:65536"}
        for name, line in lines.items():
            there = Path("/etc") / name
            copy = Path("/run") / name
            copy.write_text((there.read_text() if there.exists() else "") + line + "\n")
            copy.chmod(0o644)
            there.touch()  # uidmap has made it, as a rule
            command("mount", "--bind", str(copy), str(there))
        for name in ("containers.conf", "storage.conf"):
            text = (place() / name).read_text().replace(str(place()), str(self.home)).replace("/run/containers", f"{self.home}/run/containers")
            (self.home / name).write_text(text)
        command("chown", "-R", f"{self.UID}:{self.UID}", str(self.home))
        (self.home / "run").chmod(0o700)

    def podman(self, *words: str, check: Optional[int] = 0, stdin: Optional[Path] = None) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.home), "XDG_RUNTIME_DIR": f"{self.home}/run",
                       "CONTAINERS_CONF": f"{self.home}/containers.conf", "CONTAINERS_STORAGE_CONF": f"{self.home}/storage.conf"}
        with open(stdin or "/dev/null", "rb") as source:
            done = subprocess.run(["podman", *words], stdin=source, capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=self.home, user=self.UID, group=self.UID,
                                  extra_groups=[])
        if check is not None and done.returncode != check:
            raise AssertionError(f"rootless podman {' '.join(words)}: status {done.returncode}, wanted {check}\n{done.stdout}{done.stderr}")
        return done


# --- podman ---

def podman(*words: str, check: Optional[int] = 0, stdin: Optional[str] = None, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """`check` is the exit status that it must have (None: any)."""
    done = subprocess.run(["podman", *words], input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)
    if check is not None and done.returncode != check:
        raise AssertionError(f"podman {' '.join(words)}: status {done.returncode}, wanted {check}\n{done.stdout}{done.stderr}")
    return done


def remove(name: str) -> None:
    """Stops and removes a container. Its /dev/shm can be busy for a moment, in the mount namespace of a podman that is about to end."""
    wait_for(lambda: podman("rm", "--force", "--time", "10", name, check=None).returncode == 0, f"{name} is removed")


def inspect(name: str) -> dict[str, Any]:
    return dict(json.loads(podman("inspect", name).stdout)[0])


def logs(name: str) -> str:
    done = podman("logs", name, check=None)
    return done.stdout + done.stderr


def events(name: str) -> list[dict[str, Any]]:
    """The log of a container, each line of which must be JSON."""
    return [json.loads(line) for line in logs(name).splitlines()]


def processes(name: str) -> dict[str, int]:
    """The daemon's processes in a container by name, with the numbers that they have in the box; "zombies" counts the dead among all."""
    found = {"zombies": 0}
    ours = os.readlink(f"/proc/{inspect(name)['State']['Pid']}/ns/pid")
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.readlink(entry / "ns/pid") != ours:
                continue
            program = Path((entry / "cmdline").read_bytes().split(b"\0")[0].decode()).name
            found["zombies"] += (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if program.startswith("sftokend"):
            found[program] = int(entry.name)
    return found
