# SPDX-License-Identifier: Apache-2.0
"""sftoken completion in the real bash, zsh and fish: commands, options, their values, and the names of credentials."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time

from harness import ROOT, SANITIZERS, Daemon, Skip, Standin, run_tests, same
from login_program import Program

NAMES = ["crm", "etl@prod", "prod"]
# What a person types, and what must and must not be offered.
ROWS = [
    ("sftoken ", {"get", "setup", "completion", "curl"}, {"crm", "names"}),
    ("sftoken st", {"status"}, {"get"}),
    ("sftoken get ", {"crm", "prod", "etl@prod", "production"}, {"get"}),
    ("sftoken doctor p", {"prod", "production"}, {"crm"}),
    ("sftoken get --f", {"--format"}, {"--force"}),
    ("sftoken setup --f", {"--fd", "--force"}, {"--format"}),
    ("sftoken curl prod --r", {"--retry-unsafe"}, {"--json"}),
    ("sftoken get prod --format h", {"header"}, {"json"}),
    ("sftoken import prod --kind ", {"refresh_token", "private_key"}, {"crm"}),
    ("sftoken setup new --grant ", {"jwt_bearer", "device"}, {"saml_bearer"}),
    ("sftoken login prod --flow d", {"device"}, {"user_agent"}),
    ("sftoken completion ", {"bash", "zsh", "fish"}, {"names"}),
    ("sftoken list ", set(), {"crm"}),
    ("sftoken --v", {"--version"}, {"--user"}),
    ("sftoken get --v", set(), {"--version"}),
    ("sftoken help s", {"setup", "status", "show"}, {"get", "crm"}),
    ("sftoken get crm ", set(), {"crm", "prod", "etl@prod"}),
    ("sftoken get --wait 5 p", {"prod"}, {"crm"}),
    ("sftoken exec --env A=b etl@prod ", set(), {"crm", "prod"}),
    ("sftoken curl --wait 5 crm ", set(), {"crm", "prod"}),
    ("sftoken curl crm /services -o data", {"datafile.json"}, {"crm"}),
    ("sftoken curl /services -o data", {"datafile.json"}, {"crm"}),
    ("sftoken curl crm /services --retry-u", set(), {"--retry-unsafe"}),
    ("sftoken get -- l", set(), {"ls"}),
    ("sftoken get crm -- l", set(), {"ls"}),
]

COMMANDS = [("sftoken exec -- l", {"ls"}, {"crm"}), ("sftoken exec crm -- l", {"ls"}, {"crm"}), ("sftoken exec crm -- cat l", set(), {"ls", "crm"}),
            ("sftoken exec crm -- cat data", {"datafile.json"}, {"crm"}), ("sftoken exec crm --hold -- cat --h", set(), {"--hold"})]


class Shared:
    daemon: Daemon


def environment(**more: str) -> dict[str, str]:
    daemon = Shared.daemon
    return {"PATH": f"{daemon.cli_program.resolve().parent}:/usr/bin:/bin", "SFTOKEN_SOCKET": daemon.broker_path, "HOME": str(daemon.directory), "TERM": "xterm", **SANITIZERS,
            **more}


def check(offered: set[str], row: tuple[str, set[str], set[str]], shell: str) -> None:
    line, wanted, unwanted = row
    assert wanted <= offered and not offered & unwanted, f"{shell}: {line!r} offers {sorted(offered)}"


def need(shell: str) -> None:
    if not shutil.which(shell):
        raise Skip(f"{shell} is not installed")


def test_bash() -> None:
    """bash: what its completion function offers, through the shell's own programmable completion"""
    need("bash")
    script = """
        source <(sftoken completion bash)
        COMP_LINE=$1 COMP_POINT=${#1}
        read -ra COMP_WORDS <<<"$1"
        [[ $1 != *' ' ]] || COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _sftoken sftoken "${COMP_WORDS[COMP_CWORD]}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    for row in ROWS + COMMANDS:
        out = subprocess.run(["bash", "--norc", "-c", script, "_", row[0]], env=environment(), cwd=Shared.daemon.directory, capture_output=True, text=True,
                             check=True, timeout=60)
        same(out.stderr, "")
        check(set(out.stdout.split()), row, "bash")


def test_bash_types() -> None:
    """bash, typed at: Tab completes a name, also behind an @, before which bash cuts words; a directory gets its slash, a blank its backslash"""
    need("bash")
    with_rc = Shared.daemon.directory / "bashrc"
    with_rc.write_text(f"PS1='ready> '\ncd {Shared.daemon.directory}\nsource <(sftoken completion bash)\nbind 'set enable-bracketed-paste off'\n")
    folder = Shared.daemon.directory / "with blank"
    folder.mkdir()
    for typed, ends in (("doctor cr\t", "<crm>"), ("doctor etl@p\t", "<etl@prod>"), ("exec etl@prod cr\t", "<cr>"), ("exec --env A=b cr\t", "<crm>"), ("curl etl@prod /x -d @x -o data\t", "<datafile.json>"), (f"metrics --output {folder.parent}/with\t", f"<{folder}/>"),
                        (f"check {folder.parent}/with\t", f"<{folder}/>"), (f"exec crm -- cat {folder.parent}/with\t", f"<{folder}/>")):
        shell = Program(["bash", "--rcfile", str(with_rc), "-i"], environment(), terminal=True)
        try:
            shell.wait_text("ready>")
            shell.type("sftoken " + typed)
            shell.type("\x01printf '<%s>' \r")
            shell.wait_text(ends)
        finally:
            shell.close()


def test_fish() -> None:
    """fish: what `complete -C` offers"""
    need("fish")
    script = "sftoken completion fish | source; complete -C $argv[1]"
    for row in ROWS + COMMANDS:
        out = subprocess.run(["fish", "--no-config", "-c", script, row[0]], env=environment(), cwd=Shared.daemon.directory, capture_output=True, text=True,
                             check=True, timeout=60)
        same(out.stderr, "")
        check({line.split("\t")[0] for line in out.stdout.splitlines()}, row, "fish")


def offered_by_zsh(shell: Program, line: str) -> set[str]:
    """Types the line and Control-X l, a widget that lists the matches in one line between marks."""
    shell.text = ""
    shell.type("\x15" + line + "\x18l")
    shell.wait_text("[end]")
    found = re.search(r"\[begin\](.*?)\[end\]", shell.text, re.DOTALL)
    assert found, shell.text
    return set(found[1].split())


# compadd tells what it was given; the widget prints it.
ZSH = r"""
PS1='ready> '
unsetopt prompt_cr zle_bracketed_paste
unset zle_bracketed_paste
autoload -U compinit && compinit -u -D
source <(sftoken completion zsh)
typeset -ga seen
compadd() {
	local -a matched
	builtin compadd -O matched "$@"
	seen+=($matched)
	builtin compadd "$@"
}
listing() { seen=(); zle _list; print -rn -- "[begin] ${(j: :)seen} [end]"; }
zle -C _list list-choices _main_complete
zle -N listing
bindkey '^Xl' listing
"""


def test_zsh() -> None:
    """zsh, typed at: what its completion system is given"""
    need("zsh")
    home = Shared.daemon.directory / "zsh"
    home.mkdir()
    (home / ".zshrc").write_text(ZSH)
    shell = Program(["zsh", "-d", "-i"], environment(ZDOTDIR=str(home)), terminal=True)
    try:
        shell.wait_text("ready>")
        shell.type(f"cd {Shared.daemon.directory}\r")
        for row in ROWS + COMMANDS:
            check(offered_by_zsh(shell, row[0]), row, "zsh")
    finally:
        shell.close()


def test_syntax() -> None:
    """The shells find no mistake in the scripts, and another shell's name is 64"""
    for shell in ("bash", "zsh", "fish"):
        script = Shared.daemon.cli("completion", shell).stdout
        if shutil.which(shell):
            subprocess.run([shell, "-n"], input=script, env=environment(), text=True, check=True)
    for words in (("completion",), ("completion", "tcsh")):
        assert "bash, zsh or fish" in Shared.daemon.cli(*words, check=64).stderr


def test_installed() -> None:
    """They are installed where the shells look for them"""
    for shell, place in (("bash", "bash-completion/completions/sftoken.bash"), ("zsh", "zsh/vendor-completions/_sftoken"),
                         ("fish", "fish/vendor_completions.d/sftoken.fish")):
        same((ROOT / "usr/share" / place).read_text(), Shared.daemon.cli("completion", shell).stdout, place)


def test_names_are_quick_and_silent() -> None:
    """Without a daemon, or for somebody who may use nothing, there are no names, no words and no waiting"""
    same(Shared.daemon.cli("completion", "names").stdout.split(), ["crm", "etl@prod", "prod", "production"])
    begun = time.monotonic()
    result = Shared.daemon.cli("completion", "names", "--socket", "/nonexistent/socket")
    assert time.monotonic() - begun < 1.5, "it waits for a daemon"
    same((result.stdout, result.stderr), ("", ""))
    same(Shared.daemon.cli("completion", "names", environment={"SFTOKEN_SOCKET": "/nonexistent/socket"}).stderr, "")


def test_every_command_and_option() -> None:
    """What --help names is offered, in all three"""
    words = re.findall(r"^  ([a-z]+)  ", Shared.daemon.cli("--help").stdout, re.MULTILINE)
    assert len(words) > 20, words
    scripts = {shell: Shared.daemon.cli("completion", shell).stdout for shell in ("bash", "zsh", "fish")}
    for word in words:
        options = re.findall(r"^  --([a-z-]+)", Shared.daemon.cli(word, "--help").stdout, re.MULTILINE)
        for shell, script in scripts.items():
            for name in (word, *options):
                assert re.search(rf"(?<![\w-])(--|-l )?{name}(?![\w-])", script), (shell, word, name)


if __name__ == "__main__":
    with Standin() as salesforce, Daemon(salesforce) as daemon:
        for name in NAMES:
            daemon.add_client_credentials(name, extra="Alias=production" if name == "prod" else "")
        daemon.start()
        Shared.daemon = daemon
        (daemon.directory / "datafile.json").write_text("{}")
        failed = run_tests()
    sys.exit(1 if failed else 0)
