# SPDX-License-Identifier: Apache-2.0
"""A Debian 12 with its real systemd, booted in a container in a third of a second, with the installed tree of this checkout in it.

    machine.enter()                                 once a program: a mount and a network namespace of our own
    with Standin() as salesforce, Machine(salesforce) as m:
        m.add_client_credentials("crm")
        m.ctl("start", "sftokend")
        print(m.sftoken("get", "crm").stdout)

The stand-in runs outside, in the same network namespace, so that both sides see it at 127.0.0.1. All that is made (mounts, a cgroup, the loopback) goes with the namespaces or when the program ends; what
stays is the image below /var/tmp, which is made once."""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Optional, Sequence

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
os.environ.setdefault("SFTOKEN_VARIANT", "release")  # of which harness.ROOT is the tree
sys.path[:0] = [str(HERE), str(TOP / "tests/system"), str(TOP / "tests")]

from harness import ROOT, SECRET  # noqa: E402
from privileged import become_root  # noqa: E402
from standin import Standin, make_key  # noqa: E402
from tap import wait_for  # noqa: E402

PACKAGES = ("systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "libnss-systemd", "libsystemd0", "libseccomp2",
            "libevent-core-2.1-7", "libcurl4", "libssl3", "libjson-c5", "ca-certificates", "openssl", "polkitd")
# The newer systemd (257), with the names that its libraries have there.
NEWER = "trixie"
RENAMED = {"libevent-core-2.1-7": "libevent-core-2.1-7t64", "libcurl4": "libcurl4t64", "libssl3": "libssl3t64"}
CACHE = Path("/var/tmp/sftokend-systemd")
CGROUPS = Path("/sys/fs/cgroup")
ENVIRONMENT = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0")
# Not needed here, and each costs a scenario some of its second.
MASKED = ("systemd-logind-varlink.socket", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
          "fstrim.timer", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "getty.target", "console-getty.service", "systemd-resolved.service",
          "systemd-networkd.service", "systemd-timesyncd.service", "systemd-random-seed.service", "systemd-firstboot.service", "ldconfig.service",
          "systemd-journal-catalog-update.service", "systemd-journal-flush.service", "systemd-update-done.service", "systemd-hwdb-update.service")
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
BOOT_SECONDS = 60.0


def command(*words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=900, check=False, **how)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


# --- once a program ---

def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh", b"lo", 0x1)  # IFF_UP
        fcntl.ioctl(s, 0x8914, request)  # SIOCSIFFLAGS


def why_not() -> Optional[str]:
    """What forbids it here, None if nothing does."""
    if not shutil.which("systemd-nspawn"):
        return "systemd-nspawn is not installed"
    probe = "mount -t cgroup2 none /sys/fs/cgroup && mkdir /sys/fs/cgroup/sftoken-probe.$$ && rmdir /sys/fs/cgroup/sftoken-probe.$$ && mount -t tmpfs none /run"
    tried = subprocess.run(["unshare", "-m", "-n", "--propagation", "private", "sh", "-c", probe], capture_output=True, text=True, check=False)
    return tried.stderr.strip() or "no namespaces" if tried.returncode else None


def enter(*releases: str, more: Sequence[str] = (), suite: str = "systemd") -> None:
    """Becomes root, makes the images that are missing, enters the namespaces; or prints SKIP and ends."""
    become_root()
    reason = why_not()
    if reason:
        print(f"SKIP {suite}/{Path(sys.argv[0]).stem.removeprefix('test_')}: no systemd can be booted in a container here: {reason}")
        sys.exit(0)
    for release in releases or ("bookworm",):
        image(release, more)  # with the network of the machine: ours has none
    enter_namespaces()


def enter_namespaces() -> None:
    """A mount and a network namespace of our own, for the rest of the program."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    command("mount", "--make-rprivate", "/")
    command("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    command("mount", "-t", "cgroup2", "none", str(CGROUPS))
    loopback_up()
    sweep()


def sweep() -> None:
    """cgroups of programs that were killed."""
    for old in CGROUPS.glob("sftoken-machine.*"):
        if not Path(f"/proc/{old.name.split('.')[1]}").exists():
            remove_cgroup(old)


def remove_cgroup(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            pass  # somebody is still in it


# --- the image ---

def image(release: str = "bookworm", more: Sequence[str] = ()) -> Path:
    """The Debian: made once, for this list of packages. more: what it has beside PACKAGES."""
    packages = [RENAMED.get(p, p) if release == NEWER else p for p in (*PACKAGES, *more)]
    place = CACHE / f"{release}-{hashlib.sha256(' '.join([*packages, *MASKED]).encode()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{place.name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            make_image(place, release, packages)
    return place


def mirror() -> str:
    """Where this machine gets its Debian from."""
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm"]
    mirrors = command(*words).stdout.split()
    if not mirrors:
        raise AssertionError("no Debian mirror is configured here")
    return mirrors[0]


def make_image(place: Path, release: str, packages: Sequence[str]) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix="new.", dir=CACHE))
    os.chmod(unfinished, 0o755)
    try:
        command("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", "--dpkgopt=path-exclude=/usr/share/doc/*",
                "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/man/*", release, str(unfinished / "root"), mirror())
        for unit in MASKED:
            (unfinished / "root/etc/systemd/system" / unit).symlink_to("/dev/null")
        (unfinished / "root/etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        # what it starts is the service: no login, no waiting for a network
        command("systemctl", "--root", str(unfinished / "root"), "set-default", "multi-user.target")
        os.rename(unfinished, place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


# --- one machine ---

class Machine:
    """Booted when entered, powered off and removed when left."""

    def __init__(self, salesforce: Optional[Standin] = None, *, files: Optional[dict[str, str]] = None, enable: Sequence[str] = (),
                 release: str = "bookworm", more: Sequence[str] = (), options: Sequence[str] = ()) -> None:
        """files: more of them, by path; drop-ins for units, for example. enable: units to be started at boot. more: packages beside PACKAGES. options: of systemd-nspawn."""
        self.salesforce, self.image, self.options = salesforce, image(release, more), options
        self.place = Path(tempfile.mkdtemp(prefix="machine.", dir="/run"))
        self.root = self.place / "root"
        self.group = CGROUPS / f"sftoken-machine.{os.getpid()}.{self.place.suffix[1:]}"
        self.nspawn: Optional[subprocess.Popen[bytes]] = None
        self.leader = 0
        self.lay_out()
        for path, text in (files or {}).items():
            self.write(path, text)
        if enable:
            command("systemctl", "--root", str(self.root), "enable", *enable)

    # -- files ---------------------------------------------------------------------------------------

    def lay_out(self) -> None:
        """The image with what is installed by "./dev build" on top, and a layer for changes above."""
        upper, work = self.place / "upper", self.place / "work"
        for folder in (upper, work, self.root):
            folder.mkdir()
        os.chmod(self.place, 0o755)
        command("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={self.image / 'root'},upperdir={upper},workdir={work}", str(self.root))
        # /lib is /usr/lib there
        command("cp", "-r", f"{ROOT}/.", str(self.place / "tree"))
        if (self.place / "tree/lib").is_dir():
            command("cp", "-r", f"{self.place}/tree/lib/.", str(self.place / "tree/usr/lib"))
            shutil.rmtree(self.place / "tree/lib")
        command("cp", "-r", f"{self.place}/tree/.", str(self.root))
        shutil.rmtree(self.place / "tree")
        command("systemd-sysusers", "--root", str(self.root))
        for folder, mode in (("credentials", 0o755), ("keys", 0o755)):
            (self.root / "etc/sftokend" / folder).mkdir(parents=True, exist_ok=True)
            os.chmod(self.root / "etc/sftokend" / folder, mode)
        if self.salesforce is not None:
            self.write("/etc/sftokend/ca.pem", Path(self.salesforce.ca).read_text())
            self.write("/etc/sftokend/sftokend.conf", "[Network]\nCaFile=/etc/sftokend/ca.pem\n")

    def path(self, inside: str) -> Path:
        """A path inside, seen from here: what is mounted inside is there, too."""
        return Path(f"/proc/{self.leader}/root{inside}") if self.leader else Path(f"{self.root}{inside}")

    def write(self, path: str, text: str, mode: int = 0o644, owner: str = "") -> None:
        where = self.path(path)
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)
        os.chmod(where, mode)
        if owner:
            os.chown(where, *self.ids(owner))

    def ids(self, user: str) -> tuple[int, int]:
        fields = next(line.split(":") for line in (self.root / "etc/passwd").read_text().splitlines() if line.startswith(user + ":"))
        return int(fields[2]), int(fields[3])

    def group_id(self, group: str) -> int:
        return int(next(line.split(":") for line in (self.root / "etc/group").read_text().splitlines() if line.startswith(group + ":"))[2])

    def add_settings(self, text: str, name: str = "test.conf") -> None:
        self.write(f"/etc/sftokend/sftokend.conf.d/{name}", text)

    def drop_in(self, text: str, unit: str = "sftokend.service", name: str = "test.conf") -> None:
        self.write(f"/etc/systemd/system/{unit}.d/{name}", text)

    def add_client_credentials(self, name: str, *, reference: str = "", access: str = "", extra: str = "", folder: str = "/etc/sftokend") -> None:
        """A credential and its app at the stand-in. reference: where the secret is, by default a file of the service user."""
        assert self.salesforce is not None
        user = f"{name}@example.com"
        self.salesforce.configure(users={user: {}}, apps={f"app-{name}": {"secret": SECRET, "run_as": user}})
        if not reference:
            self.write(f"{folder}/keys/{name}.secret", SECRET + "\n", 0o600, "sftokend")
            reference = f"file:{folder}/keys/{name}.secret"
        self.write(f"{folder}/credentials/{name}.conf", f"[Credential]\nGrantType=client_credentials\nLoginUrl={self.salesforce.url}\nClientId=app-{name}\n"
                   f"ClientSecret={reference}\n{extra}\n[Access]\n{access}\n")

    def add_jwt(self, name: str, *, reference: str) -> str:
        """The same with JWT bearer; its private key, which is written nowhere."""
        assert self.salesforce is not None
        key = self.place / f"{name}.key"
        certificate = make_key(key)
        user = f"{name}@example.com"
        self.salesforce.configure(users={user: {}}, apps={f"app-{name}": {"cert_pem": certificate, "approved": [user]}})
        self.write(f"/etc/sftokend/credentials/{name}.conf", f"[Credential]\nGrantType=jwt_bearer\nLoginUrl={self.salesforce.url}\nClientId=app-{name}\n"
                   f"Username={user}\nPrivateKey={reference}\n")
        return key.read_text()

    # -- life ----------------------------------------------------------------------------------------

    def __enter__(self) -> Machine:
        self.group.mkdir()

        def join() -> None:
            (self.group / "cgroup.procs").write_text("0")

        atexit.register(self.end)
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--console=pipe", "-D", str(self.root), "--machine", "sftoken", "--capability=all",
             "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--system-call-filter=bpf @keyring @memlock memfd_secret", *self.options, "-b", "systemd.show_status=no"],
            stdin=subprocess.DEVNULL, stdout=(self.place / "console").open("wb"), stderr=subprocess.STDOUT, preexec_fn=join,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
        try:
            self.leader = int(str(wait_for(self.find_leader, "the container", BOOT_SECONDS)))
            wait_for(lambda: self.run("systemctl", "is-system-running", check=None).stdout.strip() in ("running", "degraded"), "a booted systemd", BOOT_SECONDS)
        except AssertionError:
            print("".join(f"# | {line}\n" for line in (self.place / "console").read_text(errors="replace").splitlines()[-30:]), end="")
            self.end()
            raise
        return self

    def find_leader(self) -> Optional[str]:
        assert self.nspawn is not None
        if self.nspawn.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended with {self.nspawn.returncode}")
        try:
            children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
            for pid in children:
                name = Path(f"/proc/{pid}/comm").read_text().strip()
                if name == "systemd" and Path(f"/proc/{pid}/root/run/systemd/private").exists():
                    return pid
        except OSError:
            pass  # one that helped nspawn to set it up, and has ended meanwhile
        return None

    def end(self) -> None:
        """Off: nothing in it is worth an orderly shutdown."""
        if self.nspawn is None:
            return
        (self.group / "cgroup.kill").write_text("1")
        self.nspawn.wait()
        self.nspawn, self.leader = None, 0
        atexit.unregister(self.end)
        wait_for(lambda: not any(p.read_text() for p in self.group.rglob("cgroup.procs")), "an empty cgroup")
        remove_cgroup(self.group)
        command("umount", "-l", str(self.root))
        shutil.rmtree(self.place, ignore_errors=True)

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        try:
            if kind is not None:
                for line in self.journal().splitlines()[-60:]:
                    print("# | " + line)
        finally:
            self.end()

    # -- inside --------------------------------------------------------------------------------------

    def words(self, *words: str, user: str = "") -> list[str]:
        inside = ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-p", "-C", "-r", "-w", "--", *ENVIRONMENT]
        if user:
            uid = self.ids(user)[0]
            inside += [f"XDG_RUNTIME_DIR=/run/user/{uid}", f"HOME=/home/{user}", "runuser", "-u", user, "--"]
        return [*inside, *words]

    def run(self, *words: str, check: Optional[int] = 0, stdin: Optional[str] = None, user: str = "", timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """A command inside; `check` is the exit status that it must have (None: any)."""
        done = subprocess.run(self.words(*words, user=user), input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False)
        if check is not None and done.returncode != check:
            raise AssertionError(f"{' '.join(words)}: status {done.returncode}, wanted {check}\n{done.stdout}{done.stderr}")
        return done

    def ctl(self, *words: str, check: Optional[int] = 0, user: str = "", timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """systemctl; with a user, of that user's manager."""
        return self.run("systemctl", *(["--user"] if user else []), *words, check=check, user=user, timeout=timeout)

    def sftoken(self, *words: str, check: Optional[int] = 0, stdin: Optional[str] = None, user: str = "") -> subprocess.CompletedProcess[str]:
        return self.run("sftoken", *words, check=check, stdin=stdin, user=user)

    def show(self, *names: str, unit: str = "sftokend.service", user: str = "") -> dict[str, str]:
        """Properties of a unit."""
        out = self.ctl("show", unit, "-p", ",".join(names), user=user).stdout
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def value(self, name: str, unit: str = "sftokend.service", user: str = "") -> str:
        return self.show(name, unit=unit, user=user)[name]

    def journal(self, *words: str) -> str:
        """What the service said; with words: whatever journalctl is told."""
        return self.run("journalctl", "--no-pager", "-o", "short-monotonic", *(words or ("-u", "sftokend*")), check=None).stdout

    def journal_json(self, *words: str) -> list[dict[str, Any]]:
        """Entries with their fields."""
        return [json.loads(line) for line in self.run("journalctl", "--no-pager", "-o", "json", *words).stdout.splitlines()]

    def pids(self) -> dict[str, int]:
        """The daemon's processes by name, with the numbers that they have outside."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if f"sftoken-machine.{os.getpid()}.{self.place.suffix[1:]}/" not in (entry / "cgroup").read_text():
                    continue
                name = Path((entry / "cmdline").read_bytes().split(b"\0")[0].decode()).name
            except OSError:
                continue
            if name.startswith("sftokend"):
                found[name.removeprefix("sftokend-")] = int(entry.name)
        return found
