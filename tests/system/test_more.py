# SPDX-License-Identifier: Apache-2.0
"""sftoken is two files: what jobs run, and sftoken-more.so with all other commands. The first alone, both in another place, the second missing, damaged or of a stranger."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import ROOT, SANITIZERS, Daemon, Skip, Standin, run_tests, same, wait_for

MORE = "libexec/sftoken/sftoken-more.so"
NOBODY = 65534


class Shared:
    daemon: Daemon
    place: Path  # nothing of ours is in it or above it


def environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "SFTOKEN_SOCKET": Shared.daemon.broker_path, **SANITIZERS}


def run(program: Path | str, *words: str, **options: object) -> tuple[int, str, str]:
    done = subprocess.run([str(program), *words], env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
                          **options)  # type: ignore[call-overload]
    return done.returncode, done.stdout, done.stderr


def tree(name: str, more: bool = True) -> Path:
    """A tree of that name with bin/sftoken, and with its second file or without it."""
    top = Shared.place / name
    (top / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "usr/bin/sftoken", top / "bin/sftoken")
    if more:
        (top / MORE).parent.mkdir(parents=True)
        shutil.copy(ROOT / "usr" / MORE, top / MORE)
    return top


def not_installed() -> None:
    """The place for which sftoken was compiled counts, too."""
    if Path("/usr", MORE).exists():
        raise Skip(f"/usr/{MORE} is installed here")


def test_alone() -> None:
    """A copy of bin/sftoken alone does what a job needs: get, exec, env, watch, wait, report, ping, and every --help"""
    not_installed()
    alone = tree("alone", more=False) / "bin/sftoken"
    token = run(alone, "get", "crm")[1].strip()
    assert token.startswith("00D"), token
    same(run(alone, "exec", "crm", "--", "sh", "-c", "echo $SF_ACCESS_TOKEN")[:2], (0, token + "\n"))
    same(run(alone, "exec", "crm", "--hold", "--", "sh", "-c", "echo $SF_ACCESS_TOKEN; exit 3")[:2], (3, token + "\n"))
    assert f"SF_ACCESS_TOKEN='{token}'" in run(alone, "env", "crm")[1]
    same(run(alone, "wait", "crm")[0], 0)
    same(run(alone, "report", "crm", "--generation", "1")[0], 0)
    same(run(alone, "-q", "ping")[0], 0)
    same(run(alone, "get", "nobody")[0], 66)
    with subprocess.Popen([alone, "watch", "crm"], env=environment(), stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout
        same(watch.stdout.readline().strip(), token)
        assert "libjson-c" not in Path(f"/proc/{watch.pid}/maps").read_text(), "a job's image need not have it"
        watch.terminate()
    for words in (("--help",), ("--version",), ("status", "--help"), ("completion", "--help")):
        same(run(alone, *words), run(Shared.daemon.cli_program, *words), str(words))
    for words in (("statsu",), ("status", "--quite"), ("login",)):
        same(run(alone, *words), run(Shared.daemon.cli_program, *words), str(words))


def test_missing() -> None:
    """Without the second file its commands say what is missing, where, and what to do; 70"""
    not_installed()
    alone = tree("missing", more=False) / "bin/sftoken"
    status, out, said = run(alone, "status")
    same((status, out), (70, ""))
    for word in ("status needs sftoken-more.so", "nor in /usr/libexec/sftoken", f"{alone.parent}/../libexec/sftoken", "install the package sftoken whole"):
        assert word in said, said
    same(said.count("\n"), 1, said)


def test_moved() -> None:
    """A tree that was moved, called by a link, by a link to its folder, and by a name in $PATH"""
    not_installed()
    top = tree("moved")
    wanted = run(Shared.daemon.cli_program, "completion", "bash")  # what a daemon says may change meanwhile
    same(wanted[0], 0, wanted[2])
    links = Shared.place / "links"
    links.mkdir()
    (links / "sftoken").symlink_to(top / "bin/sftoken")
    (Shared.place / "folder").symlink_to(top / "bin")
    for program in (top / "bin/sftoken", links / "sftoken", Shared.place / "folder/sftoken"):
        same(run(program, "completion", "bash"), wanted, str(program))
    done = subprocess.run(["sftoken", "completion", "bash"], env={**environment(), "PATH": str(links)}, capture_output=True, text=True, check=False)
    same(done.stdout, wanted[1], done.stderr)


def test_damaged() -> None:
    """A second file that cannot be loaded is named, and none is looked for elsewhere; one without the function as well"""
    top = tree("damaged")
    for content in (b"not a library\n", None):
        if content:
            (top / MORE).write_bytes(content)
        else:
            shutil.copy(next(p for p in (ROOT / "usr").rglob("libsftoken.so.0")), top / MORE)
        status, out, said = run(top / "bin/sftoken", "status")
        same((status, out), (70, ""), said)
        assert MORE in said and ("file too short" if content else "undefined symbol: sftoken_more") in said and "install the package sftoken whole" in said, said
        same(run(top / "bin/sftoken", "get", "crm")[0], 0)


def test_stranger() -> None:
    """A second file that somebody else has, or can exchange, is not loaded: a copy of sftoken may lie where others can put files beside it"""
    not_installed()
    if os.geteuid() != 0:
        raise Skip("giving files away takes root")
    top = tree("stranger")
    same(run(top / "bin/sftoken", "list")[0], 0)
    os.chown(top / MORE, NOBODY, NOBODY)
    status, _, said = run(top / "bin/sftoken", "list")
    same(status, 70, said)
    # all of it is that user's: then it is not a stranger's
    os.chown(top / "bin/sftoken", NOBODY, NOBODY)
    same(run(top / "bin/sftoken", "list")[0], 0)
    # and root's is everybody's
    os.chown(top / MORE, 0, 0)
    same(run(top / "bin/sftoken", "list")[0], 0)
    # nor is one in a folder of a stranger, who could put another one there in the last moment; nor what anybody can write, or a link
    for path in (top / MORE, (top / MORE).parent, top / "libexec"):
        mode = path.stat().st_mode
        os.chmod(path, mode | 0o002)
        same(run(top / "bin/sftoken", "list")[0], 70, f"{path} can be written by everybody")
        os.chmod(path, mode)
        moved = path.rename(top / "moved")
        path.symlink_to(moved)
        same(run(top / "bin/sftoken", "list")[0], 70, f"{path} is a link")
        path.unlink()
        moved.rename(path)
        if path.is_dir():
            os.chown(path, NOBODY + 1, NOBODY)
            same(run(top / "bin/sftoken", "list")[0], 70, f"{path} is a stranger's")
            os.chown(path, 0, 0)
        same(run(top / "bin/sftoken", "list")[0], 0)
    # what stands above a folder that is no bin is none of sftoken's
    (top / "bin").rename(top / "mine")
    same(run(top / "mine/sftoken", "list")[0], 70)


def broken_pipe(*words: str, ignored: bool) -> tuple[int, str]:
    """How it ends when nobody reads what it prints."""
    reader, writer = os.pipe()
    os.close(reader)

    def prepare() -> None:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored else signal.SIG_DFL)

    done = subprocess.run([str(Shared.daemon.cli_program), *words], env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True, preexec_fn=prepare,
                          restore_signals=False, check=False)
    os.close(writer)
    return done.returncode, done.stderr


def test_signals() -> None:
    """The signals of a command in the second file are those that sftoken was started with: SIGPIPE ends it, or is an error where it is ignored"""
    for words in (("get", "crm"), ("completion", "bash")):
        same(broken_pipe(*words, ignored=False), (-signal.SIGPIPE, ""), str(words))
        status, said = broken_pipe(*words, ignored=True)
        same(status, 70, str(words))
        assert "standard output" in said, said


def test_passes_on() -> None:
    """Standard input, descriptors and exit statuses are those of the second file, whatever argv[0] says"""
    words = ("import", "store", "--kind", "client_secret")
    secret = Shared.daemon.directory / "secret"
    secret.write_text("planted-in-a-file")
    with secret.open() as file:
        number = file.fileno()
        done = subprocess.run(["its name", *words, "--fd", str(number)], executable=Shared.daemon.cli_program, env=environment(), stdin=subprocess.DEVNULL,
                              pass_fds=[number], capture_output=True, text=True, check=False)
        same(done.returncode, 0, done.stderr)
        assert os.lseek(number, 0, os.SEEK_CUR) > 0, "the descriptor was not read"
    done = subprocess.run([Shared.daemon.cli_program, *words], env=environment(), input="planted-in-a-pipe", capture_output=True, text=True, check=False)
    same(done.returncode, 0, done.stderr)
    same(run(Shared.daemon.cli_program, *words)[0], 64)  # nothing on standard input
    same(run(Shared.daemon.cli_program, "show", "nobody")[0], 66)
    same(run(Shared.daemon.cli_program, "status", "--manager", "/nowhere")[0], 69)


def test_one_process() -> None:
    """A command of the second file runs in the process that was started, as the program that was started: the daemon may be asked for just that (AllowExecutable=)"""
    # nobody will come to this address, so that it waits
    with subprocess.Popen([str(Shared.daemon.cli_program), "login", "web", "--no-browser"], env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        maps = Path(f"/proc/{process.pid}/maps")
        wait_for(lambda: process.poll() is not None or MORE in maps.read_text(), "the second file")
        same(os.readlink(f"/proc/{process.pid}/exe"), str(Shared.daemon.cli_program.resolve()))
        process.terminate()


if __name__ == "__main__":
    with Standin() as salesforce, Daemon(salesforce) as daemon, tempfile.TemporaryDirectory(prefix="more-") as place:
        os.chmod(place, 0o755)
        daemon.add_client_credentials("crm", extra="Required=yes")
        Shared.daemon, Shared.place = daemon, Path(place)
        daemon.write_credential("store", f"[Credential]\nGrantType=client_credentials\nLoginUrl={salesforce.url}\nClientId=app-crm\nClientSecret=stored:\n")
        daemon.write_credential("web", f"[Credential]\nGrantType=web_server\nLoginUrl={salesforce.url}\nClientId=app-crm\nRedirectUri=http://127.0.0.1:0/callback\n")
        daemon.start()
        failed = run_tests()
    sys.exit(1 if failed else 0)
