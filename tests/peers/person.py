# SPDX-License-Identifier: Apache-2.0
"""A person with a browser that knows no script: opens a page, fills in its form, presses a button, until the server sends the browser back.

It reads forms as any browser would, so that it can log in at servers that it has never seen.
"""

from __future__ import annotations

import http.cookiejar
import re
import ssl
import urllib.request
from html.parser import HTMLParser
from typing import Any, Optional
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit

STEPS = 12
LOCALHOST = re.compile(r"\Ahttp://localhost([:/]|\Z)")
NO = re.compile(r"den(y|ied)|cancel|refuse|\bno\b|log ?out", re.IGNORECASE)


class Forms(HTMLParser):
    """The forms of a page: action, method, fields [(name, type, value)], buttons [(name, value, text)]."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self.open: Optional[dict[str, Any]] = None
        self.button: Optional[list[str]] = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Optional[str]]]) -> None:
        a = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.open = {"action": a.get("action", ""), "method": a.get("method", "get").lower(), "fields": [], "buttons": []}
            self.found.append(self.open)
        elif self.open is None:
            return
        elif tag == "input" and a.get("type") == "submit":
            self.open["buttons"].append([a.get("name", ""), a.get("value", ""), a.get("value", "")])
        elif tag == "input":
            checked = a.get("type") not in ("checkbox", "radio") or "checked" in a
            if a.get("name") and checked:
                self.open["fields"].append((a["name"], a.get("type", "text"), a.get("value", "")))
        elif tag == "button":
            self.button = [a.get("name", ""), a.get("value", ""), ""]
            self.open["buttons"].append(self.button)

    def handle_data(self, data: str) -> None:
        if self.button is not None:
            self.button[2] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button":
            self.button = None
        elif tag == "form":
            self.open = None


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Person:
    """One browser profile; cookies are kept from visit to visit."""

    def __init__(self, username: str, password: str = "secret", ca: Optional[str] = None) -> None:
        self.username = username
        self.password = password
        handlers: list[Any] = [urllib.request.ProxyHandler({}), _StayHere(),
                               urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())]
        if ca:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca)))
        self.opener = urllib.request.build_opener(*handlers)
        self.text = ""          # the page that is shown
        self.status = 0

    def load(self, url: str, data: Optional[bytes] = None) -> Optional[str]:
        """Shows the page; where it redirects to, or None."""
        # browsers know where localhost is without asking; not every machine has /etc/hosts
        headers = {"Accept": "text/html", "Host": urlsplit(url).netloc}
        try:
            answer = self.opener.open(urllib.request.Request(LOCALHOST.sub(r"http://127.0.0.1\1", url), data, headers), timeout=30)
        except HTTPError as error:
            answer = error
        with answer:
            self.status = answer.status
            self.text = answer.read().decode(errors="replace")
            where = answer.headers.get("Location") if self.status in (301, 302, 303, 307) else None
        return urljoin(url, where) if where else None

    def visit(self, url: str, until: Optional[str] = None, *, allow: bool = True, code: str = "") -> str:
        """Opens url and does what the pages ask. Where the browser was sent to as soon as that begins with `until`, without opening it;
        without `until` the last page's address, when it asks nothing more. `code` is for a field that is no name and no password."""
        data: Optional[bytes] = None
        for _ in range(STEPS):
            where = self.load(url, data)
            data = None
            if where is not None:
                if until is not None and where.startswith(until):
                    return where
                url = where
                continue
            forms = Forms(self.text).found
            if not forms:
                break
            url, data = self.submit(url, forms[0], allow, code)
        if until is not None:
            raise AssertionError(f"was not sent to {until}, but ended at {url} ({self.status}):\n{self.text[:2000]}")
        return url

    def submit(self, base: str, form: dict[str, Any], allow: bool, code: str) -> tuple[str, Optional[bytes]]:
        """What the filled form asks for: address and body."""
        login = any(kind == "password" for _, kind, _ in form["fields"])
        pairs = [(name, self.fill(kind, value, login, code)) for name, kind, value in form["fields"]]
        buttons = [b for b in form["buttons"] if bool(NO.search(" ".join(b))) != (allow or login)]
        if not buttons:
            raise AssertionError(f"no button to press:\n{self.text[:2000]}")
        if buttons[0][0]:
            pairs.append((buttons[0][0], buttons[0][1]))
        target = urljoin(base, form["action"])
        if form["method"] == "post":
            return target, urlencode(pairs).encode()
        return target.partition("?")[0] + "?" + urlencode(pairs), None

    def fill(self, kind: str, value: str, login: bool, code: str) -> str:
        if kind == "password":
            return self.password
        if kind in ("text", "email"):
            return self.username if login else value or code
        return value
