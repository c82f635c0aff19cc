#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian packages: built in a bare Debian, installed by apt in a second one with systemd booted, upgraded under load, removed, purged."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Optional

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "systemd"), str(HERE.parent / "peers")]

import machine  # noqa: E402
import screen  # noqa: E402
from build import BOOTED, NEWER_CONFFILE, PACKAGES, RECOMMENDED, Built, build, dependencies, repository  # noqa: E402
from bare import base  # noqa: E402
from machine import Machine, command  # noqa: E402
from markdown import blocks  # noqa: E402
from privileged import become_root  # noqa: E402
from standin import Standin, make_key  # noqa: E402
from tap import main, same  # noqa: E402

APT = ("apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold")
# What apt, dpkg and the accounts' tools keep for themselves.
THEIRS = ("/var/lib/apt/", "/var/lib/dpkg/", "/var/cache/", "/var/log/", "/var/backups/", "/etc/.pwd.lock", "/srv/", "/tmp/", "/var/tmp/",
          *(f"/etc/{name}-" for name in ("passwd", "shadow", "group", "gshadow")))
METRICS = "/var/lib/prometheus/node-exporter/sftokend.prom"
CALLERS = 4
LONGEST_MS = 1000

built: Optional[Built] = None
why_not_built: Optional[BaseException] = None


def packages() -> Built:
    assert built is not None, "the packages could not be built: see the first test"
    return built


class Bookworm(Machine):
    """A Debian that knows nothing of us, but that there is an apt repository in /srv."""

    def lay_out(self) -> None:
        upper, work = self.place / "upper", self.place / "work"
        for folder in (upper, work, self.root):
            folder.mkdir()
        self.place.chmod(0o755)
        command("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={base(BOOTED, boots=True)},upperdir={upper},workdir={work}", str(self.root))
        for old in (self.root / "etc/apt").rglob("*.list"):
            old.unlink()
        self.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv ./\n")
        # the accounts that will ask; one of them will be a member
        for user in ("etl", "stranger"):
            command("/usr/sbin/chroot", str(self.root), "/usr/sbin/useradd", "--create-home", user)
        self.offer(packages().old)

    def offer(self, folder: Path) -> None:
        """The repository has the packages of this folder, and what they depend on."""
        repository(Path(f"{self.path('/srv')}"), folder, dependencies(packages()))

    def apt(self, *words: str) -> str:
        return self.run("env", "DEBIAN_FRONTEND=noninteractive", *APT, *words).stdout

    def install(self, *names: str) -> None:
        self.apt("update")
        self.apt("install", *names)

    def trust(self) -> None:
        """The stand-in's certificate authority."""
        assert self.salesforce is not None
        self.write("/etc/sftokend/ca.pem", Path(self.salesforce.ca).read_text())
        self.add_settings("[Network]\nCaFile=/etc/sftokend/ca.pem\n")

    def files(self) -> set[str]:
        """Every file of the file system, but what others keep for themselves."""
        found = self.run("find", "/", "-xdev", "-print").stdout.splitlines()
        return {path for path in found if not (path + "/").startswith(THEIRS)}


def with_a_token(m: Bookworm) -> str:
    """From a bare machine to a token in the hands of a member; the token."""
    m.install("sftokend")
    m.trust()
    m.add_client_credentials("crm", access="AllowGroup=sftoken")
    m.run("usermod", "-aG", "sftoken", "etl")
    m.ctl("start", "sftokend")
    return m.sftoken("get", "crm", user="etl").stdout.strip()


# --- the packages themselves ---

def test_build() -> None:
    """they are built in a bare Debian without a network, and leave nothing in the checkout; lintian has no error and no warning; the version is that of meson.build"""
    if why_not_built:
        raise why_not_built
    same(packages().left, "", "left in the checkout")
    same(packages().lintian, "")
    declared = re.search(r"^  version: '(.*)'", (TOP / "meson.build").read_text(), re.MULTILINE)
    same(declared and declared[1], packages().version)


def test_contents() -> None:
    """no file is in two packages, sftoken depends on the json-c that it loads, and the programs keep their hardening"""
    seen: dict[str, str] = {}
    for name in (*PACKAGES, "python3-sftoken"):
        deb = next(packages().old.glob(f"{name}_*.deb"))
        for line in command("dpkg-deb", "-c", str(deb)).stdout.splitlines():
            path = line.split()[5]
            if not path.endswith("/"):
                assert path not in seen, f"{path} is in {seen[path]} and in {name}"
                seen[path] = name
    for path, name in (("./usr/sbin/sftokend", "sftokend"), ("./usr/bin/sftoken", "sftoken"), ("./usr/libexec/sftoken/sftoken-more.so", "sftoken"), ("./usr/include/sftoken.h", "libsftoken-dev"),
                       ("./lib/systemd/system/sftokend.service", "sftokend"), ("./etc/sftokend/sftokend.conf", "sftokend"),
                       ("./usr/lib/python3/dist-packages/sftoken.py", "python3-sftoken")):
        same(seen.get(path), name, path)
    # one that no linker sees
    loaded = re.search(r'"(libjson-c)\.so\.(\d+)"', (TOP / "client/cli/json.c").read_text())
    assert loaded and loaded[1] + loaded[2] in command("dpkg-deb", "-f", str(next(packages().old.glob("sftoken_*.deb"))), "Depends").stdout.replace(",", "").split()
    for sign in ("__memcpy_chk", "__stack_chk_fail", "BIND_NOW", "GNU_RELRO"):
        assert sign in packages().readelf, f"{sign} is missing"


# --- in a machine ---

def test_install() -> None:
    """apt install: enabled, not started; systemctl start without a credential says what is missing; sftoken get for a member of the group, 77 for others"""
    with Standin() as salesforce, Bookworm(salesforce) as m:
        m.install("sftokend")
        same(m.ctl("is-enabled", "sftokend").stdout.strip(), "enabled")
        same(m.ctl("is-active", "sftokend", check=None).stdout.strip(), "inactive")
        for unit in ("sftokend.socket", "sftokend-manager.socket", "sftokend-metrics.timer"):
            same(m.ctl("is-enabled", unit, check=None).stdout.strip(), "disabled")
        assert not m.path("/var/lib/sftokend/store").exists()
        same(sorted(p.name for p in m.path("/etc/systemd/user").rglob("sftoken*")), [], "enabled for every user")
        m.ctl("start", "sftokend")
        same(m.value("StatusText"), "no credential yet, see sftokend.credential(5)")
        assert "create NAME.conf here, see sftokend.credential(5)" in m.journal(), m.journal()
        m.trust()
        m.add_client_credentials("crm", access="AllowUser=etl stranger")
        m.run("usermod", "-aG", "sftoken", "etl")
        m.ctl("reload", "sftokend")
        assert m.sftoken("get", "crm", user="etl").stdout.strip().startswith("00D")
        same(m.sftoken("get", "crm", user="stranger", check=None).returncode, 77)
        assert "crm" in m.sftoken("list", user="etl").stdout
        same(m.ctl("--failed", "--no-legend").stdout, "")


def test_example_settings() -> None:
    """what stands in sftokend.conf as a comment is the default, and no mistake"""
    with Bookworm() as m:
        m.install("sftokend")
        empty = settings(m)
        text = m.path("/etc/sftokend/sftokend.conf").read_text()
        m.write("/etc/sftokend/sftokend.conf", re.sub(r"^#(\w+=)", r"\1", text, flags=re.MULTILINE))
        same([line for line in settings(m) if line not in empty], [])


def settings(m: Bookworm) -> list[str]:
    """The merged configuration without where it comes from."""
    m.write("/etc/sftokend/credentials/a.conf", "[Credential]\nGrantType=refresh_token\nLoginUrl=https://a.my.salesforce.com\nClientId=a\n")
    return [line.split("#")[0].rstrip() for line in m.run("sftokend", "--check").stdout.splitlines()]


def test_upgrade() -> None:
    """an upgrade under callers that ask all the time: another daemon, 0 failed calls, no request for a token, no call over 1 s; tokens, credentials and a changed conffile stay"""
    with Standin() as salesforce, Bookworm(salesforce) as m:
        shutil.copy(packages().caller, m.path("/usr/local/bin/caller"))
        token = with_a_token(m)
        m.install("libsftoken0")
        conffile = m.path("/etc/sftokend/sftokend.conf").read_text() + "[Limits]\nDefaultWait=20s\n"
        m.write("/etc/sftokend/sftokend.conf", conffile)
        m.ctl("reload", "sftokend")
        before, asked = m.value("MainPID"), len(salesforce.token_requests())
        m.offer(packages().new)
        callers = [subprocess.Popen(m.words("/usr/local/bin/caller", "crm", user="etl"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                   for _ in range(CALLERS)]
        m.install("sftokend", "libsftoken0")
        seen = [caller.communicate(timeout=60)[0].split(maxsplit=3) for caller in callers]
        print(f"# {sum(int(s[0]) for s in seen)} calls, the longest {max(int(s[2]) for s in seen)} ms")
        for calls, failed, longest, error in seen:
            same(failed, "0", error)
            assert int(calls) > 100 and int(longest) < LONGEST_MS, seen
        same(m.run("dpkg-query", "-W", "-f", "${Version}", "sftokend").stdout, packages().newer)
        assert m.value("MainPID") != before
        same((m.value("NRestarts"), m.value("Result"), m.value("ActiveState")), ("0", "success", "active"))
        same(len(salesforce.token_requests()) - asked, 0, "requests for a token")
        same(m.sftoken("get", "crm", user="etl").stdout.strip(), token)
        same(m.path("/etc/sftokend/sftokend.conf").read_text(), conffile)
        assert NEWER_CONFFILE in m.path("/etc/sftokend/sftokend.conf.dpkg-dist").read_text()


def test_upgrade_of_a_stopped_one() -> None:
    """an upgrade starts nothing that was stopped, enables nothing that was disabled, and leaves the sockets of socket units open"""
    with Bookworm() as m:
        m.install("sftokend")
        m.ctl("disable", "sftokend")
        m.ctl("enable", "--now", "sftokend.socket")
        since = m.value("ActiveEnterTimestampMonotonic", "sftokend.socket")
        m.offer(packages().new)
        m.install("sftokend")
        same(m.value("ActiveEnterTimestampMonotonic", "sftokend.socket"), since, "the socket was opened")
        same(m.ctl("is-active", "sftokend", check=None).stdout.strip(), "inactive")
        same(m.ctl("is-enabled", "sftokend", check=None).stdout.strip(), "disabled")
        same(m.ctl("is-enabled", "sftokend.socket").stdout.strip(), "enabled")


def test_remove_and_purge() -> None:
    """removing stops daemon, sockets and timer and keeps configuration and store, which another installation finds; purging leaves no file, user, group or unit"""
    with Standin() as salesforce, Bookworm(salesforce) as m:
        m.apt("update")
        m.run("mkdir", "-p", str(Path(METRICS).parent))
        bare = m.files()
        token = with_a_token(m)
        m.ctl("stop", "sftokend")
        m.ctl("enable", "--now", "sftokend.socket", "sftokend-manager.socket", "sftokend-metrics.timer")
        same(m.sftoken("get", "crm", user="etl").stdout.strip(), token)
        asked = len(salesforce.token_requests())
        m.ctl("start", "sftokend-metrics.service")
        assert m.path(METRICS).exists()
        m.apt("remove", "sftokend")
        assert not m.path(METRICS).exists()
        same(m.pids(), {})
        same(m.ctl("list-units", "--no-legend", "--plain", "sftoken*").stdout, "")
        for kept in ("/var/lib/sftokend/store", "/etc/sftokend/sftokend.conf", "/etc/sftokend/credentials/crm.conf", "/etc/sftokend/keys/crm.secret"):
            assert m.path(kept).exists(), kept
        m.apt("install", "sftokend")
        m.ctl("restart", "sftokend")
        same(m.sftoken("get", "crm", user="etl").stdout.strip(), token)
        same(len(salesforce.token_requests()), asked)
        said = m.apt("purge", "sftokend") + m.apt("autoremove", "--purge")
        assert "removing the store of refresh tokens" in said and "stays valid" in said, said
        left = m.files() - bare
        same(sorted(left), [], "files")
        same(sorted(str(p) for p in m.path("/run").rglob("*sftok*")), [])
        same([line for name in ("passwd", "shadow", "group", "gshadow") for line in m.path(f"/etc/{name}").read_text().splitlines() if "sftok" in line], [])
        for what in ("list-units", "list-unit-files"):
            same(m.ctl(what, "--all", "--no-legend", "--plain", "sftoken*", check=None).stdout, "")


def test_purge_while_in_use() -> None:
    """what others use stays, and is named: the user while a process of it runs, a group that is somebody's first one, the key in credstore.encrypted"""
    with Bookworm() as m:
        m.install("sftokend")
        m.ctl("start", "sftokend")
        m.run("usermod", "-g", "sftoken", "etl")
        m.write("/etc/credstore.encrypted/sftokend.store.key", "sealed")
        m.run("systemd-run", "--uid=sftokend", "sleep", "infinity")
        said = m.apt("purge", "sftokend")
        for name in ("user sftokend", "group sftokend", "group sftoken"):
            assert f"the {name} is still in use and stays" in said, said
        assert "the key of the store stays: /etc/credstore.encrypted/sftokend.store.key" in said, said
        assert m.path("/etc/credstore.encrypted/sftokend.store.key").exists()
        assert not m.path("/etc/sftokend").exists() and not m.path("/var/lib/sftokend").exists()


# --- a person's way ---

HOST = "example.my.salesforce.com"
ANNA = "anna@example.com"
ANSWERS = (("Grant:", "2"), ("salesforce.com]:", "acme"), ("salesforce.com]:", f"https://{HOST}"), ("User of Salesforce:", "etl@example.com"), ("[new]:", ""),
           ("(client id):", "3MVG9setup"), ("[-]:", "etl"))


class Newcomer(Bookworm):
    """A Debian in which nothing is but what Debian has, and the .deb files in root's home. Salesforce has its name there."""

    def lay_out(self) -> None:
        super().lay_out()
        for deb in packages().old.glob("sftoken*_*.deb"):
            shutil.copy(deb, self.path("/root"))
        assert self.salesforce is not None
        self.write("/usr/local/share/ca-certificates/standin.crt", Path(self.salesforce.ca).read_text())
        self.write("/etc/hosts", f"127.0.0.1 localhost {HOST}\n")
        self.write("/etc/default/locale", "LANG=C.UTF-8\n")
        command("/usr/sbin/chroot", str(self.root), "/usr/sbin/usermod", "--shell", "/bin/bash", "etl")

    def upload(self, certificate: str) -> None:
        """What is clicked in Salesforce."""
        assert self.salesforce is not None
        self.salesforce.configure(users={"etl@example.com": {}}, apps={"3MVG9setup": {"cert_pem": certificate, "approved": ["etl@example.com"]}})


def screens(document: str) -> list[str]:
    return [block.text for block in blocks(document) if block.language == "console"]


def test_shown() -> None:
    """a line too few, too many or in another place is noticed, also around [...]"""
    for document, lines, wanted in (("# a|x|", "a|x|", True), ("# a|x|", "a|x|y|", False), ("# a|x|y|", "a|x|", False), ("# a|[...]|", "a|x|", True), ("# a|[...]|x|", "a|q|x|x|", True),
                                    ("# a|[...]|x|", "a|x|y|", False), ("# a|[...]|x|[...]|y|", "a|x|1|y|", True), ("# a|[...]|x|[...]|y|", "a|y|1|x|", False)):
        shows = True
        try:
            screen.assert_shown(document.replace("|", "\n"), ("root@host:~# " + lines + "root@host:~#").replace("|", "\n"), "document")
        except AssertionError:
            shows = False
        same(shows, wanted, f"{document} shows {lines}")


def test_first_token() -> None:
    """docs/first-token.md acted out in tmux, with nothing but the packages: install, setup with a wrong certificate, a token, doctor, fixed; it shows what was on the screen"""
    told = screens("docs/first-token.md")
    install, setup, mended, token, broken, fixed = map(screen.commands, told)
    with Standin(arguments=("--name", HOST, "--port", "443")) as salesforce, Newcomer(salesforce) as m, screen.Screen(m) as person:
        another = make_key(m.place / "another.key")
        repository(m.path("/srv"), dependencies(packages()))    # ours are not in it
        m.apt("update")
        for line in install:
            person.command(line, [("[Y/n]", "")] if line.startswith("apt install") else [])
        m.upload(another)
        same((len(setup), mended), (1, []), "commands of the setup")
        person.type(setup[0])
        for question, answer in ANSWERS:
            person.answer(question, answer)
        person.wait_question("(Ctrl-C: later):")
        m.upload(m.path("/etc/sftokend/keys/prod.crt").read_text())
        person.command("")
        for line in token:
            person.command(line)
        m.upload(another)
        salesforce.kill_token(client_id="3MVG9setup")
        for line in broken:
            person.command(line)
        m.upload(m.path("/etc/sftokend/keys/prod.crt").read_text())
        for line in fixed:
            person.command(line)
        screen.assert_shown("".join(told), person.text(), "docs/first-token.md")


def login_machine(m: Newcomer) -> None:
    """Installed and started, with two credentials that etl may log in for, and their apps."""
    assert m.salesforce is not None
    m.install("sftokend", *RECOMMENDED)
    m.run("usermod", "-aG", "sftoken,sftokend-admin", "etl")
    m.salesforce.configure(users={ANNA: {}}, apps={
        "web": {"token_endpoint_auth_method": "none", "secret": None, "scopes": "api refresh_token", "redirect_uris": ["http://localhost:1717/OauthRedirect"]},
        "tv": {"token_endpoint_auth_method": "none", "secret": None, "scopes": "api refresh_token", "device_interval_s": 1}})
    for name, grant, client in (("anna", "web_server", "web"), ("tablet", "device", "tv")):
        m.write(f"/etc/sftokend/credentials/{name}.conf", f"[Credential]\nGrantType={grant}\nLoginUrl=https://{HOST}\nClientId={client}\n[Access]\nAllowUser=etl\n")
    m.ctl("start", "sftokend")


def test_logging_in() -> None:
    """docs/logging-in.md acted out in tmux: an address that is pasted, a port that is taken, a QR code; it shows what was on the screen"""
    told = screens("docs/logging-in.md")
    before, web, ended, taken, device, after = told
    with Standin(arguments=("--name", HOST, "--port", "443")) as salesforce, Newcomer(salesforce) as m:
        login_machine(m)
        with screen.Screen(m, "etl") as person:
            person.command(*screen.commands(before))
            person.type(*screen.commands(web))
            waits = person.wait_text(r"\n  (https://\S+)\n[^$]*\n(waiting\.\.\. .*:\d\d)")
            same(screen.told(waits[2]), screen.told(web)[-1:], "the line that counts down")
            count = person.prompts()
            person.type(salesforce.browse(waits[1].replace(HOST, "127.0.0.1"), ANNA))
            person.wait_prompt(count + 1)
            tablet, *others = screen.commands(device)
            person.type(tablet)
            salesforce.approve_device(person.wait_text(r"\?user_code=(\w+)[^$]*")[1], ANNA)
            person.wait_prompt(count + 2)
            for line in (*others, *screen.commands(after)):
                person.command(line)
            screen.assert_shown("".join([before, web.rpartition("\nwaiting")[0], "\n", ended, device, after]), person.text(), "docs/logging-in.md")
            with socket.create_server(("127.0.0.1", 1717)):
                person.type(*screen.commands(web))
                said = person.wait_text(r"(sftoken: port 1717.*)\n[^$]*waiting.*:\d\d")[1]
                same(screen.told(said), screen.told(taken))
                person.tmux("send-keys", "C-c")
                person.wait_prompt(count + 3 + len(others) + 1)


if __name__ == "__main__":
    become_root()
    reason = machine.why_not()
    if reason:
        print(f"SKIP packages: no systemd can be booted in a container here: {reason}")
        sys.exit(0)
    with tempfile.TemporaryDirectory() as out:
        Path(out).chmod(0o755)
        began = time.monotonic()
        try:
            built = build(Path(out))
            dependencies(built)
        except (AssertionError, subprocess.SubprocessError) as failure:
            built, why_not_built = None, failure
        print(f"# built in {time.monotonic() - began:.0f} s")
        machine.enter_namespaces()
        main()
