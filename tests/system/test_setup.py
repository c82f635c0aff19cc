# SPDX-License-Identifier: Apache-2.0
"""sftoken setup: from an answer or an option to a first token; what goes wrong on the way leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any, Optional, Sequence

from harness import SANITIZERS, SECRET, Daemon, Skip, Standin, main, make_key, same, wait_for
from login_program import Program

USER = "ada@example.com"
CLIENT = "3MVG9setup"


class World:
    """A stand-in, a daemon, and an app for each test."""

    def __init__(self, start: bool = True, **options: Any) -> None:
        self.salesforce = Standin().start()
        self.daemon = Daemon(self.salesforce, **options)
        self.salesforce.configure(users={USER: {}})
        if start:
            self.daemon.start()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *how: Any) -> None:
        try:
            self.daemon.__exit__(*how)
        finally:
            self.salesforce.stop()

    def app(self, **fields: Any) -> None:
        self.salesforce.configure(apps={CLIENT: fields})

    def environment(self, **more: str) -> dict[str, str]:
        return {"SFTOKEN_SOCKET": self.daemon.broker_path, "HOME": str(self.daemon.directory), **more}

    def person(self, *words: str, user: Optional[int] = None, never: Sequence[str] = (SECRET,), **environment: str) -> Program:
        """Somebody at a terminal."""
        return Program([str(self.daemon.cli_program), "setup", *words], self.environment(**environment), terminal=True, user=user, never=never)

    def script(self, *words: str, check: Optional[int] = 0, secret: Optional[str] = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Without a terminal; the secret comes on descriptor 3."""
        env = {"PATH": "/usr/bin:/bin", **SANITIZERS, **self.environment(**environment)}
        fds = []
        if secret is not None:
            out, into = os.pipe()
            os.write(into, secret.encode())
            os.close(into)
            fds = [out]
            words = (*words, "--fd", str(out))
        result = subprocess.run([str(self.daemon.cli_program), "setup", *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                                check=False, pass_fds=fds)
        for fd in fds:
            os.close(fd)
        if check is not None:
            same(result.returncode, check, f"{words}: {result.stdout}{result.stderr}")
        assert SECRET not in result.stdout + result.stderr
        return result

    def tree(self) -> dict[str, str]:
        """All files of the configuration, hidden ones as well."""
        return {str(p.relative_to(self.daemon.config)): p.read_text() for p in sorted(self.daemon.config.rglob("*")) if p.is_file()}

    def text(self, name: str) -> str:
        return (self.daemon.credentials / f"{name}.conf").read_text()

    def jwt(self, *more: str) -> tuple[str, ...]:
        return ("--grant", "jwt_bearer", "--login-url", self.salesforce.url, "--client-id", CLIENT, "--username", USER, *more)

    def client_credentials(self, *more: str) -> tuple[str, ...]:
        return ("--grant", "client_credentials", "--login-url", self.salesforce.url, "--client-id", CLIENT, *more)


def answer(person: Program, question: str, text: str) -> None:
    """Waits for the question, which may have come before, and types an answer."""
    person.wait_text(question)
    person.text = person.text.split(question)[-1]
    person.type(text + "\r")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# -- the way to a token ---------------------------------------------------------------------------


def test_client_credentials() -> None:
    """Questions, wrong answers asked again with the reason, a secret that is not shown, the steps of doctor, and the proof of a first token"""
    with World() as w:
        w.app(secret=SECRET, run_as=USER)
        person = w.person("crm")
        for question, text in (("Grant: ", "9"), ("others see sftokend.credential(5)", ""), ("Grant: ", "1"),
                               ("my.salesforce.com): ", "login.salesforce.com"), ("see Setup > My Domain", ""), ("YOURDOMAIN", "http://acme.my.salesforce.com"),
                               ("in the clear", ""), ("): ", "https://acme.lightning.force.com"), ("https://acme.my.salesforce.com", ""), ("): ", w.salesforce.url),
                               ("(client id): ", "two words"), ("one word", ""), ("(client id): ", CLIENT)):
            person.wait_text(question)
            person.text = person.text.split(question, 1)[1]
            if text:
                person.type(text + "\r")
        person.wait_text("client secret of \"crm\" (is not shown): ")
        person.text = ""
        person.type("\r")
        person.wait_text("it is needed")
        person.wait_text("(is not shown): ")
        person.type(SECRET + "\r")
        out, _ = person.end(0)
        assert "alive at" in out and re.search(r"first token, for https://\S+\s+valid until 20\d\d-", out) and "sftoken get crm" in out, out
        assert "00D" not in out.replace("organization 00D", ""), out
        same(w.text("crm"), f"# made by sftoken setup; see sftokend.credential(5)\n[Credential]\nGrantType=client_credentials\nLoginUrl={w.salesforce.url}\n"
                            f"ClientId={CLIENT}\nClientSecret=stored:\n")
        same(mode(w.daemon.credentials / "crm.conf"), 0o644)
        assert w.daemon.cli("get", "crm").stdout.startswith("00D")
        same([p for p in w.tree() if "/." in p or SECRET in w.tree()[p]], [])


def test_jwt() -> None:
    """A new key: its certificate and what to click are shown before the client id is asked for; a wrong certificate is found by doctor, and Enter looks again"""
    with World() as w:
        w.app(cert_pem=make_key(w.daemon.directory / "other.key"), approved=[USER])
        person = w.person("prod")
        answer(person, "Grant: ", "jwt_bearer")
        answer(person, "[https://login.salesforce.com]: ", w.salesforce.url)
        answer(person, "User of Salesforce: ", "ada")
        answer(person, "like an e-mail address", "ada@example.com")
        answer(person, "[new]: ", "")
        person.wait_text("(client id): ")
        certificate = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", person.text, re.DOTALL)
        assert certificate and "Use digital signatures" in person.text and "prod.crt" in person.text, person.text
        answer(person, "(client id): ", CLIENT)
        person.wait_text("When it is mended, press Enter")
        assert "upload the certificate that belongs to PrivateKey=" in re.sub(r"\s+", " ", person.text), person.text
        w.app(cert_pem=(w.daemon.config / "keys/prod.crt").read_text(), approved=[USER])
        person.type("\r")
        out, _ = person.end(0)
        assert "first token" in out, out
        key = w.daemon.config / "keys/prod.key"
        same((mode(key), key.stat().st_nlink, mode(w.daemon.config / "keys")), (0o600, 1, 0o700))
        assert f"Certificate=file:{w.daemon.config}/keys/prod.crt\n" in w.text("prod")
        assert "Certificate=" not in w.daemon.cli("status").stdout
        same((w.daemon.config / "keys/prod.crt").read_text().split(), certificate[0].split())
        bits = subprocess.run(["openssl", "rsa", "-in", str(key), "-noout", "-text"], capture_output=True, text=True, check=True).stdout
        assert re.search(r"Private-Key: \((2048|3072|4096) bit", bits), bits[:200]


def test_mended() -> None:
    """Enter looks at what was mended in the file as well; a mistake in it is told; how another secret is given is said, and Enter takes it"""
    with World() as w:
        w.app(secret=SECRET, run_as=USER)
        person = w.person("crm", "--grant", "client_credentials", "--login-url", w.salesforce.url, "--client-id", "another")
        answer(person, "(is not shown): ", "wrong-secret")
        person.wait_text("press Enter")
        assert "does not know the client id" in re.sub(r"\s+", " ", person.text), person.text
        right = w.text("crm").replace("another", CLIENT)
        w.daemon.write_credential("crm", right + "Nonsense=1\n")
        answer(person, "(Ctrl-C: later):", "")
        person.wait_text("Nonsense")
        w.daemon.write_credential("crm", right)
        answer(person, "(Ctrl-C: later):", "")
        person.wait_text("refuses the client")
        person.wait_text("sftoken import crm --kind client_secret")
        w.daemon.give("crm", "client_secret", SECRET)
        answer(person, "(Ctrl-C: later):", "")
        assert "first token" in person.end(0)[0]


def test_existing_key() -> None:
    """A key that is there is used, by --private-key, or by Enter where it is the one that setup made before"""
    with World() as w:
        mine = w.daemon.directory / "my.key"
        w.app(cert_pem=make_key(mine), approved=[USER])
        # openssl pkcs12 puts certificates and attributes before it; the daemon reads 64 KiB
        mine.write_text("Bag Attributes\n" * 4000 + mine.read_text())
        assert "first token" in w.script("mine", *w.jwt("--private-key", str(mine))).stdout
        assert f"PrivateKey=file:{w.daemon.directory}/my.key" in w.text("mine")
        assert "--private-key /nonexistent: there is no such file" in w.script("other", *w.jwt("--private-key", "/nonexistent"), check=64).stderr
        assert "Certificate=" not in w.text("mine")
        (w.daemon.directory / "my.crt").write_text("-----BEGIN CERTIFICATE-----\n")
        for wrong in (str(w.daemon.directory / "my.crt"), "/etc/passwd", "/dev/null"):
            said = w.script("other", *w.jwt("--private-key", wrong), check=64).stderr
            assert ("this is no file" if wrong == "/dev/null" else "no private key in it") in said and "chmod" not in said, said
        assert "contradict" in w.script("other", *w.jwt("--private-key", "/etc/passwd", "--new-key"), check=64).stderr
        w.script("next", *w.jwt("--new-key"), check=78)
        (w.daemon.credentials / "next.conf").unlink()
        w.app(cert_pem=(w.daemon.config / "keys/next.crt").read_text(), approved=[USER])
        before = (w.daemon.config / "keys/next.key").read_text()
        assert "is there already" in w.script("next", *w.jwt("--new-key"), check=64).stderr
        person = w.person("next", "--grant", "jwt_bearer", "--login-url", w.salesforce.url, "--username", USER)
        answer(person, "next.key]: ", "")
        person.wait_text("(client id): ")
        assert f"the certificate {w.daemon.config}/keys/next.crt" in person.text, person.text
        answer(person, "(client id): ", CLIENT)
        assert "first token" in person.end(0)[0]
        same((w.daemon.config / "keys/next.key").read_text(), before)
        assert f"Certificate=file:{w.daemon.config}/keys/next.crt\n" in w.text("next")


def test_login() -> None:
    """A grant that a person logs in for goes on with the login; no secret is needed for a public client"""
    with World() as w:
        w.app(secret=None, token_endpoint_auth_method="none", scopes="api refresh_token")
        person = w.person("tablet", "--grant", "device", "--login-url", w.salesforce.url, "--client-id", CLIENT)
        person.wait_text("If there is none, press Enter")
        person.wait_text("(is not shown): ")
        person.type("\r")
        device = wait_for(lambda: person.read() or w.salesforce.devices(CLIENT), "a device")
        devices = wait_for(lambda: w.salesforce.devices(CLIENT), "a device")
        assert device and isinstance(devices, list)
        w.salesforce.approve_device(devices[0]["user_code"], USER)
        out, _ = person.end(0, timeout=40)
        assert f"logged in as {USER}" in out and "first token" in out, out
        assert "ClientSecret" not in w.text("tablet")


def test_refresh_token() -> None:
    """refresh_token: the token comes by descriptor or is typed, and goes to the store"""
    with World() as w:
        w.app(secret=None, token_endpoint_auth_method="none")
        words = ("--grant", "refresh_token", "--login-url", w.salesforce.url, "--client-id", CLIENT)
        token = str(w.salesforce.new_grant(USER, CLIENT)["refresh_token"])
        result = w.script("one", *words, secret=token)
        assert "first token" in result.stdout and token not in result.stdout + result.stderr, result
        token = str(w.salesforce.new_grant(USER, CLIENT)["refresh_token"])
        person = w.person("two", *words, never=(token,))
        person.wait_text("client secret of \"two\" (is not shown): ")
        person.type("\r")
        person.wait_text("refresh token of \"two\" (is not shown): ")
        person.type(token + "\r")
        assert "first token" in person.end(0)[0]
        assert "--fd" in w.script("three", *words, check=64).stderr and "three.conf" not in str(w.tree())


# -- options and wrong input ------------------------------------------------------------------------


def test_scripted() -> None:
    """All by options: no question; what is missing is named, what is wrong is said, and nothing is written"""
    with World() as w:
        w.app(secret=SECRET, run_as=USER)
        before = w.tree()
        rows: list[tuple[tuple[str, ...], str]] = [
            ((), "--grant"), (("--grant", "saml_bearer"), "sftokend.credential(5)"), (("--grant", "jwt_bearer"), "--login-url"), (w.jwt(), "--new-key"),
            (("--grant", "client_credentials", "--login-url", "https://test.salesforce.com"), "My Domain"),
            (("--grant", "device", "--login-url", "ftp://x.example"), "https://"), (("--grant", "device", "--login-url", "nohost"), "no host"),
            (("--grant", "device", "--login-url", "https://a.example/?q"), "https://"), (w.client_credentials(), "--fd"),
            (w.client_credentials("--username", USER), "Run As"), (w.client_credentials("--new-key"), "no private key"),
            (w.client_credentials("--allow-user", "nobody-of-that-name"), "no user of this machine"),
            (w.jwt("--new-key", "--allow-user", "nobody-of-that-name"), "no user of this machine"),
            (w.jwt("--new-key")[:4] + ("--username", USER, "--new-key"), "--client-id"),
            (("--grant", "jwt_bearer", "--login-url", w.salesforce.url, "--client-id", "https://x", "--username", USER, "--new-key"), "consumer key"),
            (("--grant", "jwt_bearer", "--login-url", w.salesforce.url, "--client-id", CLIENT, "--username", f"'{USER}'", "--new-key"), "quotes"),
            (("--grant", "device", "--login-url", f"{w.salesforce.url}/services/oauth2/token"), f"write {w.salesforce.url}"),
            (("--grant", "device", "--login-url", "https://a.example", "--client-id", "https://x"), "consumer key"),
            (("--user", "--system"), "contradict")]
        for words, text in rows:
            assert text in w.script("crm", *words, check=64).stderr, (words, text)
        for name in ("../x", ".x", "a/b", "", "x" * 129, "a b"):
            assert "is no name" in w.script(name, *w.client_credentials(), check=64).stderr or not name, name
        assert "nobody-of-that-name" in w.script("crm", *w.client_credentials("--allow-user", "nobody-of-that-name"), secret=SECRET, check=64).stderr
        # nothing comes from descriptor 0
        empty = w.script("crm", *w.client_credentials("--fd", "0"), check=64).stderr
        assert "was not made" in empty and "sftoken import" not in empty, empty
        same(w.tree(), before)
        assert "first token" in w.script("crm", *w.client_credentials("--allow-user", "root,daemon"), secret=SECRET).stdout
        assert "[Access]\nAllowUser=root daemon\n" in w.text("crm")


def test_print() -> None:
    """--print prints the file and makes nothing, neither key nor directory; questions go to standard error"""
    with World() as w:
        before = w.tree()
        out = w.script("prod", *w.jwt("--new-key", "--print")).stdout
        same(out, f"# made by sftoken setup; see sftokend.credential(5)\n[Credential]\nGrantType=jwt_bearer\nLoginUrl={w.salesforce.url}\nClientId={CLIENT}\n"
                  f"Username={USER}\nPrivateKey=file:{w.daemon.config}/keys/prod.key\nCertificate=file:{w.daemon.config}/keys/prod.crt\n")
        assert "ClientSecret=stored:" in w.script("crm", *w.client_credentials("--print")).stdout
        assert "/elsewhere/keys/prod.key" in w.script("prod", *w.jwt("--new-key", "--print", "--config", "/elsewhere")).stdout
        same(w.tree(), before)


def test_existing() -> None:
    """One that is there is never written over without --force; with it, a file that the daemon does not take gives way to the old one"""
    with World() as w:
        w.daemon.add_client_credentials("crm")
        w.daemon.cli("reload")
        before = w.tree()
        assert "--force" in w.script("crm", *w.client_credentials(), secret=SECRET, check=64).stderr
        same(w.tree(), before)
        broken = w.daemon.write_credential("broken", "[Credential]\nNonsense=1\n")
        result = w.script("crm", *w.client_credentials("--force"), secret=SECRET, check=78)
        assert "was not made" in result.stderr and "broken.conf" in result.stderr, result
        result = w.script("new", *w.client_credentials(), secret=SECRET, check=78)
        broken.unlink()
        same(w.tree(), before)
        w.app(secret=SECRET, run_as=USER)
        assert "first token" in w.script("crm", *w.client_credentials("--force"), secret=SECRET).stdout
        assert "stored:" in w.text("crm") and not [p for p in w.tree() if "/." in p], w.tree()


def test_overtaken() -> None:
    """A file that somebody else makes while the questions are answered is not written over"""
    with World() as w:
        person = w.person("crm", *w.client_credentials())
        person.wait_text("(is not shown): ")
        mine = w.daemon.write_credential("crm", "# somebody else's\n")
        person.type(SECRET + "\r")
        assert "is there already" in person.end(64)[0]
        same(mine.read_text(), "# somebody else's\n")
        same([p for p in w.tree() if "/." in p], [])


def test_cancelled() -> None:
    """Ctrl-C or the end of the input at any question, and a signal while the key is made, leave nothing behind"""
    with World() as w:
        before = w.tree()
        slow = w.daemon.directory / "slow"
        slow.mkdir()
        (slow / "openssl").write_text("#!/bin/sh\nfor w; do case $w in */keys/.*) echo half >\"$w\";; esac; done\n: >\"$0.began\"\nexec sleep 100\n")
        (slow / "openssl").chmod(0o755)
        for words, question, keys, status in (((), "Grant: ", "", -signal.SIGINT), ((), "Grant: ", "\x04", 64), (w.client_credentials(), "(is not shown)", "", None)):
            person = w.person("crm", *words)
            person.wait_text(question)
            if keys:
                person.type(keys)
            else:
                os.killpg(person.process.pid, signal.SIGINT)
            wait_for(lambda: person.process.poll() is not None, "the end")
            assert status is None or person.process.returncode == status, person.process.returncode
            person.close()
            same(w.tree(), before, f"{question} {keys!r}")
        for number in (signal.SIGINT, signal.SIGTERM):
            (slow / "openssl.began").unlink(missing_ok=True)
            person = w.person("prod", *w.jwt("--new-key"), PATH=f"{slow}:/usr/bin:/bin")
            wait_for((slow / "openssl.began").exists, "openssl")
            os.killpg(person.process.pid, number)
            wait_for(lambda: person.process.poll() is not None, "the end")
            assert person.process.returncode != 0
            person.close()
            same(w.tree(), before, str(number))


def test_no_openssl() -> None:
    """Without openssl it says so, what to install, and what else would do"""
    with World() as w:
        result = w.script("prod", *w.jwt("--new-key"), check=78, PATH="/nonexistent")
        assert "apt install openssl" in result.stderr and "--private-key" in result.stderr, result
        (w.daemon.directory / "openssl").write_text("#!/bin/sh\necho 'the dog ate it' >&2\nexit 1\n")
        (w.daemon.directory / "openssl").chmod(0o755)
        assert "the dog ate it" in w.script("prod", *w.jwt("--new-key"), check=70, PATH=f"{w.daemon.directory}:/usr/bin:/bin").stderr
        same([p for p in w.tree() if "prod" in p], [])


# -- whose daemon -----------------------------------------------------------------------------------


def test_no_daemon() -> None:
    """Without a daemon the files are written, the secret to one that only its owner reads; it says how to start; the daemon then serves it"""
    with World(start=False) as w:
        w.app(secret=SECRET, run_as=USER)
        result = w.script("crm", "--user", *w.client_credentials("--config", str(w.daemon.config)), secret=SECRET, check=69,
                          XDG_RUNTIME_DIR=str(w.daemon.directory))
        assert "systemctl" in result.stderr and "sftoken doctor crm" in result.stderr, result
        secret = w.daemon.config / "secrets/crm.secret"
        same((mode(secret), secret.read_text(), mode(secret.parent)), (0o600, SECRET, 0o700))
        assert f"ClientSecret=file:{secret}" in w.text("crm")
        w.daemon.start()
        assert w.daemon.cli("get", "crm").stdout.startswith("00D")


def test_root_for_another_user() -> None:
    """Root sets up a daemon that runs as somebody else: the key belongs to him, and he can read it; others are told that they may not"""
    if os.geteuid() != 0:
        raise Skip("needs root")
    with World(start=False, user=65533) as w:
        os.chown(w.daemon.directory, 65533, 65533)
        w.daemon.start()
        w.app(approved=[USER], cert_pem=make_key(w.daemon.directory / "other.key"))
        result = w.script("prod", *w.jwt("--new-key"), check=78)
        assert "upload the certificate" in result.stdout, result
        # a key that he cannot read is refused before anything is made
        mine = w.daemon.directory / "mine.key"
        make_key(mine)
        told = w.script("mine", *w.jwt("--private-key", str(mine)), check=64).stderr
        assert "chown" in told and "65533" in told and str(mine) in told and not (w.daemon.credentials / "mine.conf").exists(), told
        os.chown(mine, 65533, 65533)
        w.script("mine", *w.jwt("--private-key", str(mine)), check=78)
        key, file = w.daemon.config / "keys/prod.key", w.daemon.credentials / "prod.conf"
        same((key.stat().st_uid, mode(key), file.stat().st_uid), (65533, 0o600, 0))
        w.app(approved=[USER], cert_pem=(w.daemon.config / "keys/prod.crt").read_text())
        w.daemon.cli("doctor", "prod")
        before = w.tree()
        result = w.daemon.cli("setup", "more", *w.jwt("--new-key"), user=65532, check=77)
        assert "administrators" in result.stderr and "sudo" in result.stderr, result
        # an administrator who cannot write there
        result = w.daemon.cli("setup", "more", *w.jwt("--new-key"), user=65533, check=77)
        assert "cannot be written" in result.stderr and "sudo" in result.stderr, result
        same(w.tree(), before)


# -- from Salesforce's own CLI ------------------------------------------------------------------------

# As @salesforce/cli 2.146.3 (plugin-org 5.11) answers, which has a command of its own for the URL; and as 2.100 did.
SF = """#!/usr/bin/python3
import json, sys
with open({log!r}, "a") as f:
    f.write(json.dumps(sys.argv[1:]) + "\\n")
kind, url = {kind!r}, {url!r}
words = sys.argv[1:]
def say(status, **more):
    print(json.dumps(dict(status=status, **more), indent=2))
    sys.exit(status)
if kind == "nobody":
    say(2, name="NamedOrgNotFoundError", message="Parsing --target-org \\n\\tNo authorization information found for ada.\\nSee more help with --help")
if words[:3] == ["org", "auth", "show-sfdx-auth-url"]:
    if kind == "new":
        say(0, result=dict(sfdxAuthUrl=url), warnings=["This command exposes an SFDX Auth URL."])
    if kind == "jwt":
        say(1, name="error.noRefreshToken", message="An SFDX Auth URL is not available for ada.")
    print(" \\u203a   Warning: org auth show-sfdx-auth-url is not a sf command.", file=sys.stderr)
    sys.exit(127)
result = dict(id="00D", accessToken="[REDACTED]", username="ada@example.com")
if kind == "old":
    result["sfdxAuthUrl"] = url
if kind == "redacted":
    result["sfdxAuthUrl"] = "[REDACTED] Use 'sf org auth show-sfdx-auth-url' to view"
say(0, result=result, warnings=[])
"""


def fake_sf(w: World, kind: str) -> tuple[str, str, Path]:
    """A $PATH with an sf of that kind, the refresh token that it knows, and the log of its calls."""
    token = str(w.salesforce.new_grant(USER, CLIENT)["refresh_token"])
    folder, log = w.daemon.directory / f"sf-{kind}", w.daemon.directory / f"sf-{kind}.log"
    folder.mkdir(exist_ok=True)
    log.write_text("")
    url = f"force://{CLIENT}::{token}@{w.salesforce.url.removeprefix('https://')}"
    (folder / "sf").write_text(SF.format(log=str(log), kind=kind, url=url))
    (folder / "sf").chmod(0o755)
    return f"{folder}:/usr/bin:/bin", token, log


def test_from_sf() -> None:
    """import and setup --from-sf: the new and the old form of what sf prints, the question about two holders, and no word of the token"""
    with World() as w:
        w.app(secret=None, token_endpoint_auth_method="none")
        for kind in ("new", "old"):
            path, token, log = fake_sf(w, kind)
            name = f"from{kind}"
            result = w.daemon.cli("import", name, "--from-sf", "ada", "--yes", check=66, environment={"PATH": path})
            assert f"sftoken setup {name} --from-sf ada" in result.stderr and token not in result.stdout + result.stderr, result
            result = w.script(name, "--from-sf", "ada", "--yes", PATH=path)
            assert "first token" in result.stdout and "sf org logout --target-org ada" in result.stdout and token not in result.stdout + result.stderr, result
            assert "GrantType=refresh_token" in w.text(name) and f"LoginUrl={w.salesforce.url}" in w.text(name)
            calls = [json.loads(line) for line in log.read_text().splitlines()]
            assert all(c[-2:] == ["--target-org", "ada"] and "--json" in c for c in calls), calls
        path, token, _ = fake_sf(w, "new")
        result = w.daemon.cli("import", "fromnew", "--from-sf", "ada", "--yes", environment={"PATH": path})
        assert "is in the store" in result.stdout and token not in result.stdout + result.stderr, result


def test_from_sf_refused() -> None:
    """No sf, nobody of that name, no refresh token, one that is hidden, an answer of no: each is said, and nothing changes"""
    with World() as w:
        w.app(secret=None, token_endpoint_auth_method="none")
        before = w.tree()
        rows = (("nobody", "No authorization information found for ada"), ("jwt", "not available for ada"), ("redacted", "no refresh token"), ("none", "sf is not installed"))
        for kind, text in rows:
            path = fake_sf(w, kind)[0] if kind != "none" else "/nonexistent"
            status = 78 if kind == "none" else 64
            for result in (w.script("x", "--from-sf", "ada", "--yes", PATH=path, check=status),
                           w.daemon.cli("import", "x", "--from-sf", "ada", "--yes", environment={"PATH": path}, check=status)):
                assert text in result.stderr, (kind, result)
        path, token, log = fake_sf(w, "new")
        assert "--yes" in w.script("x", "--from-sf", "ada", PATH=path, check=64).stderr
        assert "takes the place" in w.daemon.cli("import", "x", "--from-sf", "ada", "--kind", "refresh_token", check=64).stderr
        person = w.person("x", "--from-sf", "ada", PATH=path, never=(token,))
        person.wait_text("Take it over? [y/N]: ")
        person.type("\r")
        assert "ends all its sessions" in person.end(64)[0]
        same((w.tree(), log.read_text()), (before, ""))


if __name__ == "__main__":
    main()
