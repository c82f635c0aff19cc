# SPDX-License-Identifier: Apache-2.0
"""Bare Debians: roots that have nothing but a minimal Debian and what is named, made once and kept below /var/tmp.

    with Bare(base(("gcc",)), folder) as b:
        b.run("gcc", "--version", user=BUILDER)

A Bare has a layer for changes in memory, no network, and processes of its own; all of it goes when it is left, also when the program is killed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Optional, Sequence

from machine import ENVIRONMENT, MASKED, command, mirror
from tap import wait_for

CACHE = Path("/var/tmp/sftokend-packages")
BUILDER = "builder"
COMMAND_SECONDS = 900.0
LINES_SHOWN = 40

# $1: the folder in which everything is mounted, $2: the base, $3: what is bound to /out.
ENTER = """set -e
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mkdir -p out
mount --bind "$3" out
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for d in null zero full random urandom; do touch dev/$d; mount --bind /dev/$d dev/$d; done
mkdir dev/shm
chmod 1777 dev/shm
ln -s /proc/self/fd dev/fd
echo ready
exec /usr/sbin/chroot . sleep infinity
"""


def base(packages: Sequence[str], *, boots: bool = False) -> Path:
    """The root with these packages; boots: its systemd will be started, with no more units than it needs."""
    CACHE.mkdir(parents=True, exist_ok=True)
    place = CACHE / f"root-{hashlib.sha256(' '.join([*packages, *MASKED, str(boots)]).encode()).hexdigest()[:12]}"
    with open(CACHE / f"{place.name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            make(place, packages, boots)
    return place


def make(place: Path, packages: Sequence[str], boots: bool) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix="new.", dir=CACHE))
    os.chmod(unfinished, 0o755)
    root = unfinished / "root"
    try:
        command("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", "bookworm", str(root), mirror())
        command("/usr/sbin/chroot", str(root), "/usr/sbin/useradd", "--create-home", BUILDER)
        if boots:
            for unit in MASKED:
                (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
            (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
            command("systemctl", "--root", str(root), "set-default", "multi-user.target")
        os.rename(root, place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


class Bare:
    """One root with a layer for changes. out: a folder of ours that is /out inside."""

    def __init__(self, root: Path, out: Path) -> None:
        self.root, self.out = root, out
        self.place = Path(tempfile.mkdtemp(prefix="bare."))
        self.holder: Optional[subprocess.Popen[str]] = None
        self.leader = ""

    def __enter__(self) -> Bare:
        self.holder = subprocess.Popen(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", ENTER, "sh",
                                        str(self.place), str(self.root), str(self.out)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout is not None
        if self.holder.stdout.readline() != "ready\n":
            self.__exit__()
            raise AssertionError(f"{self.root} cannot be entered (see above)")
        self.leader = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()[0]
        wait_for(lambda: Path(f"/proc/{self.leader}/comm").read_text() == "sleep\n", "the root")
        return self

    def __exit__(self, *_: object) -> None:
        assert self.holder is not None and self.holder.stdout is not None
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
        self.place.rmdir()

    def run(self, *words: str, user: str = "root", check: Optional[int] = 0, stdin: Optional[bytes] = None, folder: str = "/",
            environment: Sequence[str] = ()) -> subprocess.CompletedProcess[bytes]:
        """A command inside; `check` is the exit status that it must have (None: any)."""
        inside = ["nsenter", "-t", self.leader, "-m", "-n", "-p", "-r", "-w", "--", *ENVIRONMENT, *environment, f"HOME=/home/{user}", "runuser", "-u", user, "--",
                  "sh", "-c", 'cd "$1"; shift; exec "$@"', "sh", folder, *words]
        done = subprocess.run(inside, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=COMMAND_SECONDS, check=False)
        if check is not None and done.returncode != check:
            said = done.stdout.decode(errors="replace").splitlines()[-LINES_SHOWN:]
            raise AssertionError("\n".join([f"{' '.join(words)}: status {done.returncode}, wanted {check}", *said]))
        return done
