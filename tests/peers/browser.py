# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium without a screen, driven over WebDriver (chromedriver, plain JSON over HTTP).

    with Browser(shots="login") as browser:
        browser.open(url)
        browser.type("input[name=username]", "ann")
        browser.press("Log In")
        browser.wait_text("Allow")
        browser.shot("consent")             # build/artifacts/login-consent.png
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.error import HTTPError

TOP = Path(os.environ.get("SFTOKEN_TOP", Path(__file__).resolve().parent.parent.parent))
ARTIFACTS = TOP / "build/artifacts"
START_SECONDS = 60.0
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"     # WebDriver 12.1: the name of a reference to an element
STARTED = re.compile(rb"started successfully on port (\d+)")
# The pipe: by TCP the driver would have to find out what address localhost has, and anybody on the machine could steer the browser.
ARGUMENTS = ["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
             "--no-proxy-server", "--password-store=basic", "--window-size=900,700"]


class WebDriverError(AssertionError):
    """What the driver says of a command that it could not do."""

    def __init__(self, value: dict[str, Any]) -> None:
        message = " ".join(str(value.get("message")).partition("\nStacktrace")[0].split())
        super().__init__(f"{value.get('error')}: {message}")
        # the page went away under the question; chromedriver has more than one name for that
        self.stale = value.get("error") in ("stale element reference", "no such element", "detached shadow root") or \
            "does not belong to the document" in message or "Cannot find context" in message or "execution contexts cleared" in message


def stat(pid: int) -> list[str]:
    """Of /proc/PID/stat what stands behind the name: state, parent, ...; nothing when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return fields if fields[0] not in "ZX" else []


def started(pid: int) -> Optional[str]:
    """Tells a process from a later one with its id."""
    fields = stat(pid)
    return fields[19] if fields else None


def family(driver: int, directory: str) -> set[tuple[int, str]]:
    """The descendants of the driver, and who has left it but names our directory; each with its start."""
    parents: dict[int, int] = {}
    named: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or not (fields := stat(int(entry.name))):
            continue
        parents[int(entry.name)] = int(fields[1])
        try:
            if directory.encode() in (entry / "cmdline").read_bytes():
                named.add(int(entry.name))
        except OSError:
            continue
    found, fresh = {driver}, named | {driver}
    while fresh:
        found |= fresh
        fresh = {pid for pid, parent in parents.items() if parent in found} - found
    return {(pid, start) for pid in found - {driver} if (start := started(pid))}


class Browser:
    """One browser with a new profile. It takes any certificate: what is tested with it are pages and redirects."""

    def __init__(self, shots: str = "", arguments: tuple[str, ...] = ()) -> None:
        """shots: what the names of its screenshots begin with. arguments: more of them for Chromium."""
        self.shots = shots
        self.directory = Path(tempfile.mkdtemp(prefix="browser-"))
        self.arguments = [*ARGUMENTS, *arguments, f"--user-data-dir={self.directory}/profile"]
        self.log = self.directory / "driver.log"
        self.driver: Optional[subprocess.Popen[bytes]] = None
        self.base = ""
        self.session = ""
        self.family: set[tuple[int, str]] = set()

    # -- life ------------------------------------------------------------------------------------

    def __enter__(self) -> Browser:
        try:
            self.start_driver()
            self.start_session()
        except BaseException:
            print("".join(f"# | {line}\n" for line in self.log.read_text(errors="replace").splitlines()[-40:]), end="")
            self.stop()
            raise
        return self

    def start_driver(self) -> None:
        log = self.log
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.directory), "TMPDIR": str(self.directory), "LC_ALL": "C.UTF-8"}
        with log.open("wb") as out:
            self.driver = subprocess.Popen(["/usr/bin/chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                           env=environment)
        deadline = time.monotonic() + START_SECONDS
        while not (match := STARTED.search(log.read_bytes())):
            if self.driver.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"chromedriver does not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)
        self.base = f"http://127.0.0.1:{int(match[1])}"

    def start_session(self) -> None:
        options = {"binary": "/usr/bin/chromium", "args": self.arguments}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "acceptInsecureCerts": True, "goog:chromeOptions": options,
                                                   "goog:loggingPrefs": {"browser": "ALL"},
                                                   "timeouts": {"pageLoad": 30_000, "script": 10_000}}}}
        self.session = str(self.ask("POST", "/session", wanted, START_SECONDS)["sessionId"])

    def stop(self) -> None:
        """The session's end takes Chromium with it; whatever is left of it by then is ended by its id."""
        self.family = family(self.driver.pid, str(self.directory)) if self.driver else set()
        try:
            if self.session:
                session, self.session = self.session, ""
                self.ask("DELETE", f"/session/{session}")
        except OSError as error:
            print(f"# the browser's session did not end well: {error}")
        finally:
            if self.driver is not None:
                self.driver.terminate()
                try:
                    self.driver.wait(10)
                except subprocess.TimeoutExpired:
                    self.driver.kill()
                    self.driver.wait()
            self.end_rest()
            shutil.rmtree(self.directory, ignore_errors=True)

    def end_rest(self) -> None:
        deadline = time.monotonic() + 10
        while (left := {p for p in self.family if started(p[0]) == p[1]}) and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid, _ in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        try:
            if kind is not None and self.session:
                print(f"# the browser was at {self.url}: {' '.join(self.text().split())[:500]}")
                self.shot("when-it-failed")
        except Exception as error:  # noqa: BLE001 - the first failure is the one to tell
            print(f"# and no screenshot of it: {error}")
        finally:
            self.stop()

    # -- WebDriver -------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None, timeout: float = 60.0) -> Any:
        """One command of the driver; its value."""
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as answer:
                return json.load(answer)["value"]
        except HTTPError as error:
            with error:
                raise WebDriverError(json.load(error)["value"]) from None

    def command(self, method: str, path: str, body: Any = None) -> Any:
        return self.ask(method, f"/session/{self.session}{path}", body)

    # -- what a person does ----------------------------------------------------------------------

    def open(self, url: str) -> None:
        """Types the address, waits until the page is there."""
        self.command("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        return str(self.command("GET", "/url"))

    @property
    def title(self) -> str:
        return str(self.command("GET", "/title"))

    def find(self, how: str, selector: str) -> Optional[str]:
        """The first element that can be seen, or None. how: "css selector" or "xpath"."""
        for found in self.command("POST", "/elements", {"using": how, "value": selector}):
            if self.command("GET", f"/element/{found[ELEMENT]}/displayed"):
                return str(found[ELEMENT])
        return None

    def do(self, how: str, selector: str, *actions: tuple[str, dict[str, Any]]) -> None:
        """Waits for the element and does that to it. If the page changes in between nothing was done, and it is looked for again."""
        def done() -> bool:
            element = self.find(how, selector)
            for action, body in actions if element else ():
                self.command("POST", f"/element/{element}/{action}", body)
            return element is not None
        self.wait(done, selector)

    def element(self, selector: str) -> None:
        """Waits for an element of a CSS selector."""
        self.do("css selector", selector)

    def type(self, selector: str, text: str) -> None:
        """Replaces what stands in a field."""
        self.do("css selector", selector, ("clear", {}), ("value", {"text": text}))

    def press(self, label: str) -> None:
        """Clicks the button or link that says so."""
        quoted = json.dumps(label)
        path = f"//button[normalize-space()={quoted}]|//a[normalize-space()={quoted}]|//input[@type='submit' and @value={quoted}]"
        self.do("xpath", path, ("click", {}))

    def text(self) -> str:
        """What can be read on the page."""
        return str(self.script("return document.body ? document.body.innerText : ''"))

    def script(self, text: str) -> Any:
        """The value of `return ...` in the page."""
        return self.command("POST", "/execute/sync", {"script": text, "args": []})

    def shot(self, name: str) -> Path:
        """A picture of the page in build/artifacts."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        path = ARTIFACTS / f"{self.shots}-{name}.png"
        path.write_bytes(base64.b64decode(self.command("GET", "/screenshot")))
        return path

    def complaints(self) -> list[str]:
        """What the browser's console says since the last call: blocked scripts and styles, failed requests."""
        entries = self.command("POST", "/se/log", {"type": "browser"})
        return [e["message"] for e in entries if e["level"] in ("SEVERE", "WARNING") and "favicon.ico" not in e["message"]]

    # -- waiting ---------------------------------------------------------------------------------

    def wait(self, condition: Callable[[], Any], what: str, timeout: float = 20.0) -> Any:
        deadline = time.monotonic() + timeout
        while True:
            try:
                if value := condition():
                    return value
            except WebDriverError as error:
                if not error.stale:
                    raise
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout} s in vain for {what} at {self.url}: {' '.join(self.text().split())[:500]}")
            time.sleep(0.02)

    def wait_url(self, start: str, timeout: float = 20.0) -> str:
        """The address, once it begins so."""
        return str(self.wait(lambda: self.url if self.url.startswith(start) else None, f"an address {start}...", timeout))

    def wait_text(self, words: str, timeout: float = 20.0) -> str:
        """The page's text, once these words are in it, in capitals or not."""
        return str(self.wait(lambda: t if words.lower() in (t := self.text()).lower() else None, repr(words), timeout))
