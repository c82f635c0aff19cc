# SPDX-License-Identifier: Apache-2.0
"""Configuration: what is refused, with file, line and advice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Optional, Sequence

from harness import MANAGER, SANITIZERS, Daemon, Standin, VarlinkError, expect, run_tests, same, wait_for

GOOD = "[Credential]\nGrantType=client_credentials\nLoginUrl=https://example.my.salesforce.com\nClientId=x\nClientSecret=file:{secret}\n"
LINE = re.compile(r"(\S+?):(\d+): (.+)")


class Shared:
    salesforce: Standin


def sftokend(daemon: Daemon, *more: str, environment: Optional[dict[str, str]] = None,
             arguments: Optional[Sequence[str]] = None) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    command = [str(daemon.program), *arguments] if arguments is not None else daemon.arguments()
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **SANITIZERS, **(environment or {})}
    return subprocess.run([*command, *more], env=env, capture_output=True, text=True, timeout=60, check=False)


def mistakes(daemon: Daemon, wanted: Sequence[tuple[Path, int, str]]) -> None:
    """Start and --check both end with 78 and exactly these lines (file, line, words in it), each with what to do."""
    for more in ((), ("--check",)):
        result = sftokend(daemon, *more)
        same(result.returncode, 78, f"{more}: {result.stderr}")
        lines = [line for line in result.stderr.splitlines() if LINE.match(line)]
        same(len(lines), len(wanted), f"mistakes {more}\n{result.stderr}")
        for (path, number, words), line in zip(sorted(wanted, key=lambda w: (str(w[0]), w[1])), lines):
            match = LINE.fullmatch(line)
            assert match
            same((match[1], int(match[2])), (str(path), number), line)
            assert words in match[3], f"{words!r} not in {line}"
            # "what — what to do" or "did you mean X?"
            assert " — " in line or "did you mean" in line or "needs" in line, f"no advice in {line}"


def one_credential(daemon: Daemon, lines: str, name: str = "x", base: str = GOOD) -> Path:
    secret = daemon.write_secret("good.secret", "s3cret")
    return daemon.write_credential(name, base.format(secret=secret) + lines)


def test_ten_mistakes() -> None:
    """Ten different mistakes in four files: ten lines with file:line and what to do, exit 78; a reload with them changes nothing"""
    salesforce = Shared.salesforce
    with Daemon(salesforce) as daemon:
        daemon.add_client_credentials("crm", extra="Required=yes")
        daemon.start()
        with daemon.broker() as c:
            before = c.get("crm")
        main = daemon.add_settings("[Limits]\nMaxConnections=lots\nMaxConnection=5\n[Network]\nTimeout=900s\n[Limit]\nX=1\n"
                                   "[Listener jobs]\nInterface=broker\nPath=jobs\n", "bad.conf")
        one = daemon.write_credential("one", "[Credential]\nGrantType=jwt\nLoginUrl=http://example.com\nClientId=x\n")
        two = daemon.write_credential("two", f"[Credential]\nGrantType=client_credentials\nLoginUrl={salesforce.url}\nClientId=x\n"
                                             "ClientSecret=hunter2\n[Access]\nAllowUser=no-such-user-of-sftokend\nRoot=maybe\n")
        three = daemon.write_credential("three", f"[Credential]\nGrantType=client_credentials\nLoginUrl={salesforce.url}\nClientId=x\n"
                                                 "ClientSecret=file:/no/such/file\n")
        wanted = [(main, 2, "MaxConnections=lots"), (main, 3, "did you mean MaxConnections="), (main, 5, "Timeout=900s"),
                  (main, 6, "[Limit"), (main, 10, "absolute"), (one, 2, "GrantType=jwt"), (one, 3, "http:"),
                  (two, 5, "ClientSecret="), (two, 7, "no such user"), (two, 8, "Root=maybe"), (three, 5, "/no/such/file")]
        mistakes(daemon, wanted)
        assert len(wanted) >= 10
        assert "hunter2" not in sftokend(daemon, "--check").stderr, "what should have been a reference is printed"
        logged = len(daemon.log())
        daemon.cli("reload", "--manager", daemon.manager_path, check=78)
        with daemon.manager() as m:
            error = expect(VarlinkError, lambda: m.call(MANAGER + ".Reload"))
            assert isinstance(error, VarlinkError)
            same(error.short, "ConfigurationInvalid")
            assert Path(error.parameters["file"]) in (main, one, two, three) and error.parameters["line"] > 0
        wait_for(lambda: len(re.findall("config.mistake", daemon.log()[logged:])) >= 2 * len(wanted), "all mistakes in the log")
        with daemon.broker() as c:
            same(c.get("crm")["generation"], before["generation"])
            same([i["name"] for i in c.call("io.sftoken.Broker.ListCredentials")["credentials"]], ["crm"])


def test_two_keys() -> None:
    """Two values that do not fit together: the line of the one that was written"""
    with Daemon(Shared.salesforce) as daemon:
        one_credential(daemon, "")
        for text, words in (("[Network]\n\nTimeout=2s\n", "ConnectTimeout="), ("[Limits]\n\nBackoffMax=100ms\n", "BackoffFirst="),
                            ("[Network]\n\nConnectTimeout=20s\n", "ConnectTimeout=")):
            path = daemon.add_settings(text)
            mistakes(daemon, [(path, 3, words)])


def test_keys_that_do_not_fit() -> None:
    """What does not fit the grant is a mistake at its line, whatever the grant; the deprecated flow must be asked for"""
    rows = [("GrantType=user_agent", 6, "AllowUserAgent=yes"), ("Scopes=api", 6, "Scopes="), ("ClientSecret=pkcs11:x", 6, "pkcs11:"),
            ("RedirectUri=http://localhost:1717/OauthRedirect", 6, "does not fit"), ("AllowUserAgent=yes", 6, "does not fit"),
            ("[Access]\nAllowLogin=root", 7, "does not fit"), ("GrantType=device\nRedirectUri=http://app.example/", 7, "http:")]
    with Daemon(Shared.salesforce) as daemon:
        for text, number, words in rows:
            path = one_credential(daemon, text + "\n")
            result = sftokend(daemon, "--check")
            same(result.returncode, 78, text)
            line = next((x for x in result.stderr.splitlines() if x.startswith(f"{path}:{number}: ")), "")
            assert words in line, f"{text}: {result.stderr}"
        one_credential(daemon, "AllowUserAgent=no\n")
        same(sftokend(daemon, "--check").returncode, 0, "AllowUserAgent=no")


def test_socket_of_systemd() -> None:
    """A socket that only systemd could give: --check accepts the name, a start without it ends with 73 and says what is missing"""
    with Daemon(Shared.salesforce) as daemon:
        one_credential(daemon, "")
        daemon.add_settings("[Listener x]\nFileDescriptorName=jobs\n")
        same(sftokend(daemon, "--check").returncode, 0)
        result = sftokend(daemon)
        same(result.returncode, 73)
        assert "FileDescriptorName=jobs" in result.stderr, result.stderr


def test_later_settings() -> None:
    """Keys, values and options of later versions are mistakes that say so: sftokend.conf and the command line"""
    with Daemon(Shared.salesforce) as daemon:
        one_credential(daemon, "")
        for text, words in (("[Store]\nKey=pkcs11:x", "Key=pkcs11:"),):
            path = daemon.add_settings(text + "\n")
            result = sftokend(daemon, "--check")
            same(result.returncode, 78, text)
            line = next((x for x in result.stderr.splitlines() if x.startswith(f"{path}:2: ")), "")
            assert words in line and "not available in this version" in line, f"{text}: {result.stderr}"
            same(sftokend(daemon).returncode, 78, text)


def test_store_key() -> None:
    """[Store] Key=: what is no reference, not there, not safe or too short is a mistake at its line, and is never printed"""
    with Daemon(Shared.salesforce) as daemon:
        one_credential(daemon, "")
        key = daemon.write_secret("store.key", "planted-key-of-the-store")
        for text, words in (("planted-key-of-the-store", "not a reference"), ("stored:", "opens the store"), ("file:store.key", "absolute"),
                            ("file:/no/such/key", "/no/such/key"), ("credential:a/key", "without a slash")):
            path = daemon.add_settings(f"[Store]\n\nKey={text}\n")
            mistakes(daemon, [(path, 3, words)])
        path = daemon.add_settings("[Store]\n\nKey=credential:key\n")
        result = sftokend(daemon)
        same(result.returncode, 78, result.stderr)
        assert "CREDENTIALS_DIRECTORY" in result.stderr, result.stderr
        result = sftokend(daemon, "--check")
        same(result.returncode, 0, f"the service manager gives it: {result.stderr}")
        assert f"{path}:3: warning: Key=: credential:key is given by the service manager" in result.stderr, result.stderr
        path = daemon.add_settings(f"[Store]\n\nKey=file:{key}\n")
        result = sftokend(daemon, "--check")
        same(result.returncode, 0, result.stderr)
        assert re.search(rf"Key=file:{key}\s+# {path}:3", result.stdout), result.stdout
        Path(key).chmod(0o640)
        mistakes(daemon, [(path, 3, "chmod 600")])
        Path(key).chmod(0o600)
        Path(key).write_text("planted-short\n")
        mistakes(daemon, [(path, 3, "16 bytes")])
        for text in ("planted-key-of-the-store", f"file:{key}"):
            daemon.add_settings(f"[Store]\nKey={text}\n")
            result = sftokend(daemon, "--check")
            assert "planted-" not in result.stdout + result.stderr, result.stdout + result.stderr


def test_key_at_work() -> None:
    """[Store] Key= at work: no key file of its own; another key in a reload is a warning, and refuses the next start"""
    with Daemon(Shared.salesforce) as daemon:
        daemon.add_client_credentials("crm", extra="Required=yes")
        first, second = (daemon.write_secret(f"{name}.key", (name * 16)[:32] + "\n") for name in ("one", "two"))
        daemon.add_settings(f"[Store]\nKey=file:{first}\n")
        daemon.start()
        with daemon.broker() as c:
            before = c.get("crm")
        assert not (daemon.state / "store.key").exists(), "a key was made although one is configured"
        with daemon.manager() as m:
            assert not m.call(MANAGER + ".Reload")["warnings"]
            daemon.add_settings(f"[Store]\nKey=file:{second}\n")
            warnings = m.call(MANAGER + ".Reload")["warnings"]
            assert [w for w in warnings if "Key=" in w and "restart" in w], warnings
        same(daemon.stop(), 0)
        result = sftokend(daemon)
        same(result.returncode, 78, result.stderr)
        assert "Key=" in result.stderr, result.stderr
        daemon.add_settings(f"[Store]\nKey=file:{first}\n")
        daemon.start()
        with daemon.broker() as c:
            same(c.get("crm")["accessToken"], before["accessToken"], "after a start with the key that fits")


def test_refresh_keys() -> None:
    """GrantType=refresh_token and stored: need nothing that is not given yet; what does not fit is a mistake at its line"""
    base = "[Credential]\nGrantType=refresh_token\nLoginUrl=https://example.my.salesforce.com\nClientId=x\n"
    with Daemon(Shared.salesforce) as daemon:
        one_credential(daemon, "ClientSecret=stored:\nUsername=anna@example.com\n", base=base)
        path = one_credential(daemon, "PrivateKey=stored:\nUsername=u\n", "y", base.replace("refresh_token", "jwt_bearer"))
        result = sftokend(daemon, "--check")
        same((result.returncode, result.stderr), (0, ""))
        for words in (r"ClientSecret=stored:\s+# \S+/x.conf:5", r"Username=anna@example.com\s+# \S+/x.conf:6", r"IdleStop=7d\s+# default",
                      rf"PrivateKey=stored:\s+# {path}:5", r"KeepAlive=14d\s+# default", r"Key=auto\s+# default"):
            assert re.search(words, result.stdout), f"{words}\n{result.stdout}"
        path.unlink()
        for line, words in (("PrivateKey=stored:", "does not fit GrantType=refresh_token"), ("Audience=https://login.salesforce.com", "does not fit"),
                            ("ClientSecret=stored:planted", "nothing after the colon"), ("IdleStop=soon", "not a duration"),
                            ("Introspect=yes", "needs ClientSecret=")):
            path = one_credential(daemon, line + "\n", base=base)
            mistakes(daemon, [(path, 5, words)])
            assert "planted" not in sftokend(daemon, "--check").stdout
        one_credential(daemon, "", base=base)
        path = daemon.add_settings("[Limits]\nKeepAlive=30d\n")
        mistakes(daemon, [(path, 2, "1min to 29d")])


def test_options() -> None:
    """Every option: --version, --help, wrong ones, --log-level, --log-format, --config, --state, --runtime"""
    with Daemon(Shared.salesforce, options=()) as daemon:
        daemon.add_client_credentials("crm")
        result = sftokend(daemon, arguments=["--version"])
        assert result.returncode == 0 and re.fullmatch(r"sftokend \d+\.\d+\S*\n", result.stdout), result
        result = sftokend(daemon, arguments=["--help"])
        for option in ("--user", "--config", "--state", "--runtime", "--check", "--log-level", "--log-format"):
            assert option in result.stdout, option
        for wrong in (["--no-such"], ["word"], ["--config"], ["--check=yes"], ["--log-level", "loud"], ["--log-format", "xml"]):
            result = sftokend(daemon, arguments=wrong)
            same(result.returncode, 64, str(wrong))
            same(len(result.stderr.splitlines()), 1, str(wrong))
        result = sftokend(daemon, "--config=/no/such/place", "--check")
        same(result.returncode, 78)
        assert "/no/such/place" in result.stderr
        result = sftokend(daemon, "--runtime", "/" + "x" * 120, "--check")
        same(result.returncode, 78)
        assert "107 bytes" in result.stderr and "--runtime" in result.stderr, result.stderr
    for options, first in ((("--log-format", "json"), "{"), (("--log-level", "debug"), ""), (("--log-level", "err"), None)):
        with Daemon(Shared.salesforce, options=options) as daemon:
            daemon.add_client_credentials("crm", extra="Required=yes")
            daemon.start()
            daemon.stop()
            if first is None:
                same(daemon.log(), "", "with --log-level err")
                continue
            lines = daemon.log().splitlines()
            assert any("token.minted" in line for line in lines)
            assert all(line.startswith(first) for line in lines), lines


def test_check_prints() -> None:
    """--check prints the merged configuration, each value with its origin, and no secret"""
    with Daemon(Shared.salesforce) as daemon:
        daemon.add_settings("[Limits]\nMaxConnections=5000\n", "10.conf")
        last = daemon.add_settings("[Limits]\nMaxConnections=6000\n", "20.conf")
        secret = "planted-secret-of-check"
        daemon.add_client_credentials("crm", secret=secret, extra="Alias=one two\nSessionTimeout=1h")
        drop_in = daemon.credentials / "crm.conf.d"
        drop_in.mkdir()
        (drop_in / "a.conf").write_text("[Credential]\nSessionTimeout=30min\nAlias=\nAlias=three\n")
        result = sftokend(daemon, "--check")
        same(result.returncode, 0, result.stderr)
        assert re.search(rf"MaxConnections=6000\s+# {last}:2", result.stdout), result.stdout
        assert re.search(rf"SessionTimeout=30min\s+# {drop_in}/a.conf:2", result.stdout), result.stdout
        assert re.search(r"Alias=three\s", result.stdout) and "Alias=one" not in result.stdout
        assert re.search(r"RequestTimeout=5s\s+# default", result.stdout)
        assert secret not in result.stdout + result.stderr
        status = daemon.cli("--user", "check", str(daemon.config), check=None,
                            environment={"PATH": f"{daemon.program.parent}:/usr/bin:/bin", "HOME": str(daemon.directory),
                                         "XDG_RUNTIME_DIR": str(daemon.directory / "xdg")})
        same(status.returncode, 0, status.stderr)
        assert not daemon.state.exists() and not daemon.runtime.exists(), "--check made directories"


def test_writable_by_others() -> None:
    """A file or directory that others may write is refused, at start and at a reload"""
    with Daemon(Shared.salesforce) as daemon:
        daemon.add_client_credentials("crm")
        for path in (daemon.config / "sftokend.conf", daemon.credentials / "crm.conf", daemon.config, daemon.credentials):
            mode = path.stat().st_mode
            path.chmod(mode | 0o002)
            result = sftokend(daemon)
            same(result.returncode, 78, str(path))
            assert str(path) in result.stderr and "chmod" in result.stderr, result.stderr
            path.chmod(mode)


def test_secrets_files() -> None:
    """A secret file that others may read, a link to it, a directory or an empty file is refused by name, and never printed"""
    with Daemon(Shared.salesforce) as daemon:
        daemon.add_client_credentials("crm", secret="planted-and-readable")
        path = daemon.directory / "crm.secret"
        same(sftokend(daemon, "--check").returncode, 0)

        def refused(why: str) -> None:
            result = sftokend(daemon)
            same(result.returncode, 78, why)
            assert str(path) in result.stderr and "planted-and-readable" not in result.stderr, f"{why}: {result.stderr}"

        for mode in (0o640, 0o604, 0o620):
            path.chmod(mode)
            refused(oct(mode))
        path.chmod(0o600)
        os.link(path, daemon.directory / "second")
        refused("two links")
        (daemon.directory / "second").unlink()
        path.rename(daemon.directory / "elsewhere")
        path.symlink_to(daemon.directory / "elsewhere")
        refused("symlink")
        path.unlink()
        path.touch(0o600)
        refused("empty")
        path.unlink()
        path.mkdir(0o700)
        refused("directory")
        path.rmdir()
        refused("absent")


def test_directories() -> None:
    """A directory that cannot be made, or one for both: 73; no XDG_RUNTIME_DIR and no --runtime: 78 that names both; XDG paths are used"""
    with Daemon(Shared.salesforce) as daemon:
        daemon.add_client_credentials("crm")
        blocker = daemon.directory / "file"
        blocker.write_text("")
        for option in ("--state", "--runtime"):
            result = sftokend(daemon, option, str(blocker / "below"))
            same(result.returncode, 73, f"{option}: {result.stderr}")
            assert str(blocker) in result.stderr, result.stderr
        both = daemon.directory / "both"
        result = sftokend(daemon, "--state", str(both), "--runtime", f"{both}/../both")
        same(result.returncode, 73, result.stderr)
        assert "both the state and the runtime directory" in result.stderr, result.stderr
        result = sftokend(daemon, arguments=["--user", "--config", str(daemon.config), "--state", str(daemon.state)])
        same(result.returncode, 78)
        assert "XDG_RUNTIME_DIR" in result.stderr and "--runtime" in result.stderr, result.stderr
        home = daemon.directory / "home"
        (home / "config").mkdir(parents=True)
        (home / "runtime").mkdir(mode=0o700)
        shutil.copytree(daemon.config, home / "config/sftokend")
        daemon.environment = {"XDG_CONFIG_HOME": f"{home}/config", "XDG_STATE_HOME": f"{home}/state", "XDG_RUNTIME_DIR": f"{home}/runtime"}
        daemon.spawn([str(daemon.program), "--user"])
        daemon.wait_ready()
        daemon.runtime = home / "runtime/sftokend"
        with daemon.broker() as c:
            assert c.get("crm")["accessToken"]
        assert (home / "state/sftokend/lock").exists()
        for args in ((), ("--user",)):
            environment = {"XDG_RUNTIME_DIR": f"{home}/runtime", "SFTOKEN_SOCKET": ""}
            assert daemon.cli("get", "crm", *args, environment=environment).stdout.strip()


def run() -> int:
    with Standin() as salesforce:
        Shared.salesforce = salesforce
        return run_tests()


if __name__ == "__main__":
    sys.exit(1 if run() else 0)
