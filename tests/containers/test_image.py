# SPDX-License-Identifier: Apache-2.0
"""The image by itself: what is in it, every command of docs/containers.md, nothing writable, user namespaces, rootless."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import box
import yaml

box.enter()

from harness import Standin, main, make_key, same, wait_for  # noqa: E402

SIZE_MOST = 32 * 1024 * 1024
CONFIGURATION = "[Credential]\nGrantType=client_credentials\nLoginUrl={url}\nClientId=app\nClientSecret=credential:secret\n[Access]\nAllowUser={users}\nRoot=no\n"
SETTINGS = "[Listener jobs]\nPath=/run/sftoken/sftokend/io.sftoken.Broker\nMode=0666\n[Network]\nCaFile=/etc/sftokend/ca.pem\n"
SOCKET = "SFTOKEN_SOCKET=/run/sftoken/sftokend/io.sftoken.Broker"
LOCKED = ("--network", "host", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")
box.build()


def folder(salesforce: Standin, name: str, users: str) -> Path:
    """A configuration with one credential, and its secret: NAME/etc and NAME/secrets."""
    salesforce.configure(users={"etl@example.com": {}}, apps={"app": {"secret": "s3cret", "run_as": "etl@example.com"}})
    made = box.place() / name
    (made / "etc/credentials").mkdir(parents=True)
    (made / "secrets").mkdir()
    (made / "shared").mkdir()
    (made / "etc/credentials/crm.conf").write_text(CONFIGURATION.format(url=salesforce.url, users=users))
    (made / "etc/sftokend.conf").write_text(SETTINGS)
    shutil.copyfile(salesforce.ca, made / "etc/ca.pem")
    (made / "secrets/secret").write_text("s3cret\n")
    for path in made.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (made / "shared").chmod(0o777)
    return made


def empty(name: str) -> Path:
    made = box.place() / f"empty{name.replace('/', '-')}"
    made.mkdir()
    made.chmod(0o777)
    return made


def start(name: str, made: Path, *more: str) -> None:
    box.podman("run", "--detach", "--name", name, *LOCKED, "--volume", f"{made}/etc:/etc/sftokend:ro", "--volume", f"{made}/secrets:/secrets:ro", "--volume", f"{made}/shared:/run/sftoken",
               "--tmpfs", "/var/lib", *more, box.IMAGE)
    wait_for(lambda: box.podman("exec", name, "sftoken", "wait", "crm", "--wait", "10", check=None).returncode == 0, "a token")


def get(made: Path, user: str, *more: str) -> subprocess.CompletedProcess[str]:
    return box.podman("run", "--rm", "--network", "none", "--user", user, "--volume", f"{made}/shared:/run/sftoken:ro", "--env", SOCKET, *more, box.JOB, "sftoken", "get", "crm", check=None)


def test_what_is_in_it() -> None:
    """Small, a user that is a number, no shell, no systemd; certificates, packages for scanners; PID 1 ends with 0 at TERM"""
    image = json.loads(box.podman("image", "inspect", box.IMAGE).stdout)[0]
    same(image["Config"]["User"], "10001:10001")
    assert image["Size"] < SIZE_MOST, image["Size"]
    root = Path(box.podman("image", "mount", box.IMAGE).stdout.strip())
    files = {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and not p.is_symlink()}
    programs = sorted(f for f in files if os.access(root / f, os.X_OK) and ".so" not in f)
    same(programs, ["usr/bin/sftoken", "usr/libexec/sftokend/sftokend-front", "usr/libexec/sftokend/sftokend-mint", "usr/sbin/sftokend"])
    assert "usr/libexec/sftoken/sftoken-more.so" in files
    assert "BEGIN CERTIFICATE" in (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    assert {"libc6", "libssl3", "libcurl4", "ca-certificates"} <= {p.name for p in (root / "var/lib/dpkg/status.d").iterdir()}
    assert not [f for f in files if f.startswith("source") or f.endswith((".c", ".h", ".a"))]
    loose = [f for f in files if (root / f).stat().st_mode & 0o6022]
    same(loose, [], "set-user-ID, or writable by others")
    box.podman("image", "unmount", box.IMAGE)


def test_document() -> None:
    """Every command of docs/containers.md, as it stands there"""
    text = (box.TOP / "docs/containers.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.S | re.M)
    same(shlex.split(blocks.pop(0)), list(box.BUILD))
    with Standin() as salesforce:
        made = box.place() / "document"
        (made / "sftokend/sftokend.conf.d").mkdir(parents=True)
        certificate = make_key(made / "crm.key")
        salesforce.configure(users={"etl@example.com": {}}, apps={"app": {"cert_pem": certificate, "approved": ["etl@example.com"]}})
        shutil.copyfile(salesforce.ca, made / "sftokend/ca.pem")
        (made / "sftokend/sftokend.conf.d/test.conf").write_text("[Network]\nCaFile=/etc/sftokend/ca.pem\n")
        box.podman("tag", box.JOB, "example/etl")
        output = ""
        for block in blocks:
            for old, new in (("https://example.my.salesforce.com", salesforce.url), ("3MVG9...", "app"), ("podman run ", "podman run --network host ")):
                block = block.replace(old, new)
            done = subprocess.run(["sh", "-euc", "umask 022\n" + block], cwd=made, capture_output=True, text=True, timeout=120, check=False)
            same(done.returncode, 0, f"{block}\n{done.stdout}{done.stderr}\n{box.logs('sftokend')}")
            output = done.stdout if "--user 20001" in block else output
        assert salesforce.is_live(output.split()[-1]), output
        same(box.inspect("sftokend")["State"]["ExitCode"], 0)
        box.podman("rm", "sftokend")
        box.podman("volume", "rm", "sftoken", "sftokend-state")
        same(salesforce.problems(), [])


def compose_words(service: dict[str, Any], folder_: Path) -> list[str]:
    """podman's words for a service of a compose file, from its options on; any key that is not known here is a mistake."""
    words = []
    for key, value in service.items():
        if key == "read_only":
            words += ["--read-only", "--read-only-tmpfs=false"]
        elif key == "volumes":
            words += [w for v in value for w in ("--volume", str(folder_ / v) if v.startswith("./") else v)]
        elif key in ("cap_drop", "security_opt", "tmpfs", "environment"):
            option = {"environment": "--env"}.get(key, f"--{key.replace('_', '-')}")
            words += [w for v in value for w in (option, v)]
        elif key == "user":
            words += ["--user", value]
        else:
            assert key in ("image", "command", "depends_on", "healthcheck"), key
    return ["--network", "host", *words, service["image"], *service.get("command", [])]


def test_compose() -> None:
    """container/compose.yaml, word for word: what docker needs beside podman's words"""
    compose = yaml.safe_load((box.TOP / "container/compose.yaml").read_text())
    daemon, etl = compose["services"]["sftokend"], compose["services"]["etl"]
    with Standin() as salesforce:
        made = folder(salesforce, "compose", "20001")
        (made / "etc").rename(made / "sftokend")
        box.podman("tag", box.JOB, "example/etl")
        for volume in compose["volumes"]:
            box.podman("volume", "create", volume)
        box.podman("run", "--detach", "--name", "composed", *compose_words(daemon, made))
        same((daemon["healthcheck"]["test"][0], etl["depends_on"]), ("CMD", {"sftokend": {"condition": "service_healthy"}}))
        wait_for(lambda: box.podman("exec", "composed", *daemon["healthcheck"]["test"][1:], check=None).returncode == 0, "a healthy daemon")
        assert salesforce.is_live(box.podman("run", "--rm", *compose_words(etl, made)).stdout.strip())
        box.remove("composed")
        box.podman("volume", "rm", *compose["volumes"])


def test_nothing_writable() -> None:
    """A read-only root and no volumes: status 73, and what to mount"""
    done = box.podman("run", "--rm", *LOCKED, "--read-only-tmpfs=false", box.IMAGE, check=73)
    assert "/run/sftokend" in done.stderr and "read-only; mount a volume there" in done.stderr, done.stderr
    done = box.podman("run", "--rm", *LOCKED, "--read-only-tmpfs=false", "--tmpfs", "/run", box.IMAGE, check=73)
    assert "/var/lib/sftokend" in done.stderr and "mount a volume there" in done.stderr and "--state" in done.stderr, done.stderr
    # two empty volumes are enough; any user will do
    volumes = [word for where in ("/run", "/var/lib") for word in ("--volume", f"{empty(where)}:{where}")]
    done = box.podman("run", "--rm", *LOCKED, "--read-only-tmpfs=false", "--user", "4711:4711", *volumes, box.IMAGE, "--until-idle", "1")
    assert all(json.loads(line) for line in done.stderr.splitlines()) and "parent.idle" in done.stderr, done.stderr


def test_user_namespaces() -> None:
    """A partial uid map: callers outside of it are 65534 to the daemon and never match; those inside do, as what they are there; 65534 cannot be configured"""
    with Standin() as salesforce:
        made = folder(salesforce, "mapped", "20001")
        mapping = ("--uidmap", "0:100000:30000", "--gidmap", "0:100000:30000")
        start("mapped", made, *mapping)
        same(get(made, "20001", *mapping).returncode, 0, "the same map")
        same(get(made, "20002", *mapping).returncode, 66)
        # without a map: 120001 is 20001 in the daemon's, 20001 and 65534 are nobody there
        same(get(made, "120001:120001").returncode, 0, "another map, the same user")
        for stranger in ("20001", "65534", "130001"):
            same(get(made, f"{stranger}:{stranger}").returncode, 66, f"uid {stranger} outside of the map")
        other = ("--uidmap", "0:200000:30000", "--gidmap", "0:200000:30000")
        same(get(made, "20001", *other).returncode, 66, "20001 of another map")
        box.remove("mapped")
        (made / "etc/credentials/crm.conf").write_text(CONFIGURATION.format(url=salesforce.url, users="20001 65534"))
        done = box.podman("run", "--rm", *LOCKED, "--volume", f"{made}/etc:/etc/sftokend:ro", "--volume", f"{made}/secrets:/secrets:ro", box.IMAGE, "--check", check=78)
        assert "65534" in done.stderr, done.stderr


def test_rootless() -> None:
    """Rootless podman: the job of the same account gets its token, root there and everybody outside of its map get none"""
    with Standin() as salesforce:
        made = folder(salesforce, "rootless", "20001")
        account = box.Rootless()
        account.podman("load", "--quiet", stdin=box.kept_image())
        account.podman("run", "--detach", "--name", "sftokend", *LOCKED, "--volume", f"{made}/etc:/etc/sftokend:ro", "--volume", f"{made}/secrets:/secrets:ro",
                       "--volume", f"{made}/shared:/run/sftoken", box.IMAGE, "--state=/run/sftokend/state")
        try:
            wait_for(lambda: account.podman("exec", "sftokend", "sftoken", "wait", "crm", "--wait", "10", check=None).returncode == 0, "a token")
            job = ("run", "--rm", "--network", "none", "--volume", f"{made}/shared:/run/sftoken:ro", "--env", SOCKET)
            token = account.podman(*job, "--user", "20001", box.JOB, "sftoken", "get", "crm").stdout.strip()
            assert salesforce.is_live(token)
            account.podman(*job, "--user", "0", box.JOB, "sftoken", "get", "crm", check=66)
            for stranger in ("20001", "0"):  # of the machine: outside of the map
                same(get(made, stranger).returncode, 66, f"uid {stranger} of the machine")
            same(get(made, str(box.Rootless.FIRST + 20000)).returncode, 0, "what 20001 is outside")
        except AssertionError:
            print("".join(f"# | {line}\n" for line in account.podman("logs", "sftokend", check=None).stderr.splitlines()[-20:]), end="")
            raise
        finally:
            account.podman("rm", "--force", "--time", "10", "sftokend")


if __name__ == "__main__":
    main()
