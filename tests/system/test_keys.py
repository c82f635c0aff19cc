# SPDX-License-Identifier: Apache-2.0
"""Private keys behind a passphrase, in a PKCS#11 token and in a TPM: one key in four places, the same signature, the same tokens."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Optional

from hardware import PATH, Token, Tpm, encrypt
from harness import SANITIZERS, TOP, VARIANT, Daemon, Standin, make_key, run_tests, same, wait_for

PASSPHRASE = "planted passphrase 41c8"
PIN = "57316842"
AUTH = "planted-auth-93fd"
SETTINGS = "[Limits]\nBackoffFirst=50ms\nBackoffMax=100ms\nDemandGap=0\nPermanentRetry=1s\nMaxRequestsPerHour=1000\nMinRenewDelay=0\n"
# pkcs11-provider opens modules with RTLD_DEEPBIND, which AddressSanitizer refuses: there it is the TPM alone
TOKENS = VARIANT == "release"
SIGN_WITH = TOP / "build" / VARIANT / "tests/system/sign_with"


class Shared:
    salesforce: Standin
    directory: Path
    token: Token
    tpm: Tpm
    certificate: str
    keys: dict[str, tuple[str, str]] = {}  # name: what opens it in a credential file, and the passphrase


def environment() -> dict[str, str]:
    return {**Shared.token.environment, **Shared.tpm.environment}


def reference(key: str) -> str:
    """A path for "file:", or a URI."""
    return key if key.startswith(("pkcs11:", "handle:")) else f"file:{key}"


def daemon_with(*names: str, **changed: tuple[str, str]) -> Daemon:
    """A daemon, not yet started, with a JWT credential for each of the keys. changed: another key or passphrase."""
    daemon = Daemon(Shared.salesforce, environment=environment())
    daemon.add_settings(SETTINGS)
    for name in names:
        write(daemon, name, *changed.get(name, Shared.keys[name]))
    return daemon


def write(daemon: Daemon, name: str, key: str, passphrase: str) -> None:
    user = f"{name}@example.com"
    Shared.salesforce.configure(users={user: {}}, apps={f"app-{name}": {"cert_pem": Shared.certificate, "approved": [user]}})
    line = f"Passphrase=file:{daemon.write_secret(f'{name}.pass', passphrase)}\n" if passphrase else ""
    daemon.write_credential(name, f"[Credential]\nGrantType=jwt_bearer\nLoginUrl={Shared.salesforce.url}\nClientId=app-{name}\n"
                                  f"Username={user}\nPrivateKey={reference(key)}\n{line}")


def sign(key: str, passphrase: str = "", times: int = 1, environ: Optional[dict[str, str]] = None) -> list[str]:
    """What the mint's own code makes of it: a line each time."""
    result = subprocess.run([str(SIGN_WITH), key, passphrase, str(times)], input="to be signed", capture_output=True, text=True, check=False,
                            timeout=60, env={**PATH, **SANITIZERS, **environment(), **(environ or {})})
    lines = result.stdout.splitlines()
    assert len(lines) == times and result.returncode in (0, 1), f"status {result.returncode}\n{result.stdout}{result.stderr}"
    assert passphrase == "" or passphrase not in result.stdout + result.stderr, "the passphrase is in a message"
    return lines


def check(daemon: Daemon) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*daemon.arguments(), "--check"], env={**PATH, **SANITIZERS, **daemon.environment}, capture_output=True, text=True,
                          check=False, timeout=60)


def test_one_key() -> None:
    """The same key as PEM, encrypted PEM, in the token and in the TPM: the same signature to the byte, and the same fingerprint"""
    first = sign(*Shared.keys["pem"])[0]
    assert len(first.split()[0]) == 512 and first.split()[1].startswith("SHA256:"), first
    for name, (key, passphrase) in Shared.keys.items():
        same(sign(key, passphrase, 3), [first] * 3, name)


def test_key_of_the_tpm() -> None:
    """A key that was made in the TPM and lies in a file (TSS2 PRIVATE KEY) signs, too, with its auth value alone"""
    path = Shared.directory / "tss2.pem"
    Shared.tpm.make_pem(path, AUTH)
    assert len(sign(str(path), AUTH)[0].split()[0]) == 512
    assert "set Passphrase=" in sign(str(path))[0]


def test_tokens() -> None:
    """The daemon gets tokens with each of them, the stand-in has nothing to complain of, and no secret is in the log"""
    with daemon_with(*Shared.keys) as daemon:
        daemon.start()
        for name in Shared.keys:
            assert daemon.cli("get", name).stdout.startswith("00D"), name
        daemon.cli("reload")
        for name in Shared.keys:
            daemon.cli("refresh", name, "--manager", daemon.manager_path)
        same(Shared.salesforce.problems(), [])
        for secret in (PASSPHRASE, PIN, AUTH):
            assert secret not in daemon.log(), "a secret is in the log"


def test_mistakes() -> None:
    """What is wrong is a mistake at its line: passphrase, PIN and auth value, object and handle, a URI that is none"""
    tpm = Shared.keys["tpm"][0]
    rows = [("encrypted", "", "protected by a passphrase: set Passphrase="), ("encrypted", "wrong-7c2e", "does not open the private key"),
            ("tpm", "", "does not take the auth value"), ("tpm", "wrong-7c2e", "does not take the auth value")]
    with daemon_with("pem") as daemon:
        for name, passphrase, words in rows:
            write(daemon, "pem", Shared.keys[name][0], passphrase)
            told(daemon, words)
        for key, passphrase, words in ((tpm[:-1] + "f", AUTH, "no key at that handle"), ("handle:zzz", "", "is not understood")):
            write(daemon, "pem", key, passphrase)
            told(daemon, words)


def told(daemon: Daemon, words: str) -> None:
    result = check(daemon)
    same(result.returncode, 78, result.stderr)
    assert f"{daemon.credentials}/pem.conf:6: PrivateKey=: " in result.stderr and words in result.stderr, result.stderr
    for secret in (PASSPHRASE, PIN, AUTH, "wrong-7c2e"):
        assert secret not in result.stderr + result.stdout, "a secret is printed"


def test_missing_providers() -> None:
    """A provider that is not installed is named, with what to install"""
    nothing = {"OPENSSL_CONF": "/dev/null", "OPENSSL_MODULES": str(Shared.directory)}
    for key, words in (("pkcs11:token=x", 'no provider "pkcs11": install pkcs11-provider'),
                       (Shared.keys["tpm"][0], 'no provider "tpm2": install tpm2-openssl')):
        assert words in sign(key, environ=nothing)[0], key
        with daemon_with("pem", pem=(key, "")) as daemon:
            daemon.environment = nothing
            told(daemon, words)


def test_wrong_values_are_not_repeated() -> None:
    """The TPM counts a wrong auth value once, however often a signature is asked for: it would lock itself"""
    key = Shared.tpm.add(Shared.directory / "pem.key", AUTH, counts=True)
    before = Shared.tpm.wrong_tries()
    lines = sign(key, "wrong-7c2e", 6)
    assert all("does not take the auth value" in line for line in lines), lines
    same(Shared.tpm.wrong_tries(), before + 1, "wrong tries that the TPM has counted")
    same(sign(key, AUTH), sign(*Shared.keys["pem"]), "the right one")


def refresh(daemon: Daemon, name: str) -> int:
    return daemon.cli("refresh", name, "--manager", daemon.manager_path, check=None).returncode


def test_tpm_goes_and_comes_back() -> None:
    """A TPM that goes away is an error that passes, at the start too; when it is back the next attempt works, without a reload"""
    with daemon_with("tpm", "pem") as daemon:
        daemon.start()
        daemon.cli("get", "tpm")
        Shared.tpm.stop()
        try:
            same(refresh(daemon, "tpm"), 75)
            assert "does not" in (said := daemon.cli("refresh", "tpm", "--manager", daemon.manager_path, check=75).stderr), said
            daemon.cli("get", "tpm")
            same(refresh(daemon, "pem"), 0, "the other credential")
        finally:
            Shared.tpm.start()
        wait_for(lambda: refresh(daemon, "tpm") == 0, "the TPM signs again")
        Shared.tpm.stop()
        Shared.tpm.start()
        same(refresh(daemon, "tpm"), 0, "a TPM that was away between two signatures")
    Shared.tpm.stop()
    try:
        with daemon_with("tpm", "pem") as daemon:
            daemon.start()
            assert "config.warning" in daemon.log() and "TPM2OPENSSL_TCTI" in daemon.log(), daemon.log()
            daemon.cli("get", "pem")
            Shared.tpm.start()
            wait_for(lambda: daemon.cli("get", "tpm", check=None).returncode == 0, "a token, once the TPM is there")
    finally:
        Shared.tpm.stop()
        Shared.tpm.start()


if TOKENS:
    def test_mistakes_of_tokens() -> None:
        """A PIN that is missing or wrong, and a name that the token does not know, are mistakes at their line"""
        uri = Shared.keys["token"][0]
        with daemon_with("pem") as daemon:
            for key, passphrase, words in ((uri, "", "wants a PIN: set Passphrase="), (uri, "wrong-7c2e", "does not take the PIN"),
                                           (uri + "x", PIN, "has no private key of that name")):
                write(daemon, "pem", key, passphrase)
                told(daemon, words)

    def test_no_module() -> None:
        """A module of PKCS-11 that does not come up is told with where it is named"""
        text = Path(Shared.token.environment["OPENSSL_CONF"]).read_text()
        path = Shared.directory / "other.cnf"
        path.write_text(text.replace("libsofthsm2.so", "libnone.so"))
        assert "pkcs11-module-path=" in sign(*Shared.keys["token"], environ={"OPENSSL_CONF": str(path)})[0]

    def test_active_for_all() -> None:
        """With a provider that is active for all that uses OpenSSL, TLS included, the daemon gets tokens, reloads and ends all the same"""
        with daemon_with(*Shared.keys) as daemon:
            daemon.environment = {**environment(), "OPENSSL_CONF": str(Shared.token.active)}
            same((check(daemon).returncode, check(daemon).stderr), (0, ""))
            daemon.start()
            for name in ("token", "pem", "tpm"):
                daemon.cli("get", name)
            daemon.cli("reload")
            same(refresh(daemon, "token"), 0)

    def test_pin_in_the_uri() -> None:
        """A PIN in the URI works, with a warning, and --check does not print it; so does pin-source= without one"""
        uri = Shared.keys["token"][0]
        pin = Shared.directory / "pin"
        pin.write_text(PIN)
        same(sign(f"{uri}?pin-source=file:{pin}"), sign(*Shared.keys["pem"]))
        with daemon_with("pem", pem=(f"{uri}?pin-value={PIN}", "")) as daemon:
            result = check(daemon)
            same(result.returncode, 0, result.stderr)
            assert "warning: PrivateKey= holds a PIN" in result.stderr and PIN not in result.stdout + result.stderr, result.stderr
            write(daemon, "pem", f"{uri}?pin-source=file:{pin}", "")
            same((check(daemon).stderr, check(daemon).returncode), ("", 0))

    def test_token_goes_and_comes_back() -> None:
        """A token that was taken away is an error that passes, and a warning at a reload; when it is back the next attempt works"""
        with daemon_with("token", "pem") as daemon:
            daemon.start()
            daemon.cli("get", "token")
            Shared.token.take_away()
            try:
                # softhsm2 itself looks at its files only when it is opened
                assert "PrivateKey=" in (said := daemon.cli("reload", check=None)).stdout + said.stderr + daemon.log(), said
                same(refresh(daemon, "token"), 75)
                daemon.cli("get", "token")
                same(refresh(daemon, "pem"), 0, "the other credential")
            finally:
                Shared.token.bring_back()
            wait_for(lambda: refresh(daemon, "token") == 0, "the token signs again")


def main() -> int:
    directory = Path(tempfile.mkdtemp(prefix="keys-"))
    try:
        with Standin() as Shared.salesforce:
            Shared.directory = directory
            pem, encrypted = directory / "pem.key", directory / "encrypted.key"
            Shared.certificate = make_key(pem)
            encrypt(pem, encrypted, PASSPHRASE)
            Shared.token = Token(directory / "token", PIN)
            Shared.tpm = Tpm(directory / "tpm")
            try:
                Shared.keys = {"pem": (str(pem), ""), "encrypted": (str(encrypted), PASSPHRASE), "tpm": (Shared.tpm.add(pem, AUTH), AUTH)}
                if TOKENS:
                    Shared.keys["token"] = Shared.token.add("jwt", 1, pem), PIN
                return 1 if run_tests() else 0
            finally:
                Shared.tpm.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
