# SPDX-License-Identifier: Apache-2.0
"""A PKCS#11 token (softhsm2 behind pkcs11-provider) and a TPM (swtpm behind tpm2-openssl), each in a directory of its own."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
from pathlib import Path
from typing import Optional

from debs import fetch
from harness import TOP, wait_for

PLACE = TOP / "build/pkcs11-provider"
PROVIDER = PLACE / f"root/usr/lib/{platform.machine()}-linux-gnu/ossl-modules/pkcs11.so"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
PERSISTENT = 0x81000001


def run(*command: str, cwd: Path, environment: dict[str, str]) -> str:
    result = subprocess.run(command, cwd=cwd, env={**PATH, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            check=False, timeout=60)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: status {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


class Token:
    """A PKCS#11 token. environment is what the daemon needs to find it."""

    LABEL = "test token"

    def __init__(self, directory: Path, pin: str) -> None:
        if not PROVIDER.exists():
            fetch(PLACE, "bookworm-backports", ("pkcs11-provider",))
        self.directory = directory
        self.pin = pin
        self.objects = directory / "objects"
        self.objects.mkdir(parents=True)
        (directory / "softhsm2.conf").write_text(f"directories.tokendir = {self.objects}\nobjectstore.backend = file\nlog.level = ERROR\n")
        # as sftokend.credential(5) shows it: the provider is named, and not active for everything that uses OpenSSL
        text = f"""openssl_conf = init
[init]
providers = providers
[providers]
pkcs11 = pkcs11
[pkcs11]
module = {PROVIDER}
pkcs11-module-path = {SOFTHSM}
"""
        (directory / "openssl.cnf").write_text(text)
        # as others show it
        self.active = directory / "active.cnf"
        self.active.write_text(text.replace("[providers]\n", "[providers]\ndefault = standard\n") +
                               "activate = 1\n[standard]\nactivate = 1\n")
        self.environment = {"SOFTHSM2_CONF": str(directory / "softhsm2.conf"), "OPENSSL_CONF": str(directory / "openssl.cnf")}
        self._util("--init-token", "--free", "--label", self.LABEL, "--so-pin", "0000", "--pin", pin)

    def _util(self, *arguments: str) -> None:
        run("softhsm2-util", *arguments, cwd=self.directory, environment={"SOFTHSM2_CONF": self.environment["SOFTHSM2_CONF"]})

    def add(self, name: str, number: int, pem: Path) -> str:
        """Puts the key into it; its URI."""
        self._util("--import", str(pem), "--token", self.LABEL, "--label", name, "--id", f"{number:02x}", "--pin", self.pin)
        return f"pkcs11:token={self.LABEL.replace(' ', '%20')};object={name}"

    def take_away(self) -> None:
        self.objects.rename(self.directory / "away")

    def bring_back(self) -> None:
        (self.directory / "away").rename(self.objects)


class Tpm:
    """A TPM 2.0 in software. environment is what the daemon needs to find it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        self.socket = directory / "s"
        self.environment = {"TPM2OPENSSL_TCTI": f"swtpm:path={self.socket}"}
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._keys = 0
        self.start()

    def start(self) -> None:
        """Runs it; what was in it is still there."""
        for name in ("s", "s.ctrl"):
            (self.directory / name).unlink(missing_ok=True)
        self._process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.directory}", "--server", f"type=unixio,path={self.socket}",
             "--ctrl", f"type=unixio,path={self.socket}.ctrl", "--flags", "not-need-init,startup-clear"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=PATH)
        wait_for(self.socket.exists, "the socket of the TPM")

    def stop(self) -> None:
        """Takes it away."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)

    def tool(self, name: str, *arguments: str) -> str:
        text = run(f"tpm2_{name}", *arguments, cwd=self.directory, environment={"TPM2TOOLS_TCTI": self.environment["TPM2OPENSSL_TCTI"]})
        if name in ("createprimary", "import", "load", "evictcontrol"):
            self.tool("flushcontext", "-t")
        return text

    def add(self, pem: Path, auth: str = "", counts: bool = False) -> str:
        """Puts the key into it, to stay; its URI. counts: wrong auth values count, until the TPM locks itself."""
        self._keys += 1
        handle = f"0x{PERSISTENT + self._keys:08x}"
        attributes = "userwithauth|sign|decrypt" + ("" if counts else "|noda")
        self.tool("createprimary", "-Q", "-C", "o", "-G", "ecc", "-c", "primary")
        self.tool("import", "-Q", "-C", "primary", "-G", "rsa", "-i", str(pem), "-u", "public", "-r", "private", "-a", attributes,
                  *(("-p", auth) if auth else ()))
        self.tool("load", "-Q", "-C", "primary", "-u", "public", "-r", "private", "-c", "key")
        self.tool("evictcontrol", "-Q", "-C", "o", "-c", "key", handle)
        return f"handle:{handle}"

    def make_pem(self, path: Path, auth: str) -> None:
        """A key that was made in it, wrapped so that only it can open the file (TSS2 PRIVATE KEY)."""
        run("openssl", "genpkey", "-provider", "tpm2", "-provider", "default", "-algorithm", "RSA", "-pkeyopt", "bits:2048", "-pkeyopt",
            f"user-auth:{auth}", "-out", str(path), cwd=self.directory, environment={**self.environment, "TSS2_LOG": "all+NONE"})
        os.chmod(path, 0o600)

    def wrong_tries(self) -> int:
        """How many wrong auth values it has counted."""
        for line in self.tool("getcap", "properties-variable").splitlines():
            if "LOCKOUT_COUNTER" in line:
                return int(line.split(":")[1], 16)
        raise AssertionError("the TPM does not tell its lockout counter")


def encrypt(pem: Path, to: Path, passphrase: str) -> None:
    """The same key behind a passphrase."""
    run("openssl", "pkcs8", "-topk8", "-in", str(pem), "-passout", f"pass:{passphrase}", "-out", str(to), cwd=pem.parent, environment={})
    os.chmod(to, 0o600)
