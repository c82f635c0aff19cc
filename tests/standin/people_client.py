# SPDX-License-Identifier: Apache-2.0
"""The part of standin_client.py that plays people: in a browser, without one, and at a device."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPMessage
from http.cookiejar import CookieJar
from typing import Any, Optional
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from .grants_client import StandinError

Json = dict[str, Any]
PAGES_MAX = 12          # on the way of one login
PASSWORD = "secret"     # of users that have no other
_LOCALHOST = re.compile(r"\Ahttp://localhost(?=[:/]|\Z)")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are looked at first."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Forms(HTMLParser):
    """The fields of a page's form, its buttons, and what stands in id=error."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.buttons: list[tuple[str, str]] = []
        self.error = ""
        self.text = ""
        self._in_error = self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Optional[str]]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "input" and "name" in given:
            self.fields[given["name"]] = given.get("value", "")
        if tag == "button" and "name" in given:
            self.buttons.append((given["name"], given.get("value", "")))
        self._in_error = given.get("id") == "error"
        self._hidden = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_error = self._hidden = False

    def handle_data(self, data: str) -> None:
        self.error += data if self._in_error else ""
        self.text += "" if self._hidden else data


@dataclass
class Page:
    """What a browser shows, or where it is sent."""

    status: int
    url: str
    location: str
    text: str
    headers: HTTPMessage
    forms: _Forms = field(default_factory=_Forms)

    @property
    def words(self) -> str:
        """The page's text in one line."""
        return " ".join(self.forms.text.split())


class Browser:
    """One browser with its cookies. It never leaves for another site."""

    def __init__(self, ca: str) -> None:
        context = ssl.create_default_context(cafile=ca)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(CookieJar()), _Stay())

    def open(self, url: str, form: Optional[dict[str, str]] = None) -> Page:
        """One page, or one redirect, which is not followed."""
        data = None if form is None else urlencode(form).encode()
        # browsers know where localhost is without asking; not every machine has /etc/hosts
        request = urllib.request.Request(_LOCALHOST.sub("http://127.0.0.1", url), data,
                                         {"User-Agent": "Browser/1", "Accept": "text/html",
                                          "Host": urlsplit(url).netloc})
        try:
            answer = self._opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            page = Page(answer.status, url, answer.headers.get("Location", ""),
                        answer.read().decode(), answer.headers)
        page.location = page.location and urljoin(url, page.location)
        page.forms.feed(page.text)
        return page

    def walk(self, url: str, target: str, user: str, password: str, consent: bool) -> Page:
        """Log in and decide, until sent to the target or nothing is left to do."""
        page = self.open(url)
        logins = 0
        for _ in range(PAGES_MAX):
            if page.location and target and page.location.startswith(target):
                return page
            if page.location:
                page = self.open(page.location)
                continue
            fields, names = page.forms.fields, [name for name, _ in page.forms.buttons]
            if "username" in fields and logins == 0:
                logins += 1
                page = self.open(page.url, {"username": user, "password": password})
            elif "decision" in names:
                page = self.open(page.url, {"decision": "allow" if consent else "deny"})
            elif "user_code" in fields and not page.forms.error:
                page = self.open(page.url, {"user_code": fields["user_code"]})
            else:
                return page
        raise StandinError(f"{url}: more than {PAGES_MAX} pages")


class People:
    """Methods of Standin."""

    @property
    def ca(self) -> str:
        """Standin has it."""
        raise NotImplementedError

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the control interface; Standin has it."""
        raise NotImplementedError

    def browser(self) -> Browser:
        """A browser with no cookies yet; give it to browse() to stay logged in."""
        return Browser(self.ca)

    def browse(self, authorization_url: str, user: str, consent: bool = True,
               password: str = PASSWORD, browser: Optional[Browser] = None) -> str:
        """Open an authorization URL, log in, press Allow or Deny: the URL to which the browser is
        sent at the end. It does not go there: give it to the listener with visit(), or paste it.
        StandinError with the page's words where an error page comes instead."""
        query = parse_qs(urlsplit(authorization_url).query)
        target = query.get("redirect_uri", ["?"])[0]
        page = (browser or self.browser()).walk(authorization_url, target, user, password, consent)
        if not page.location:
            raise StandinError(f"no redirect but the page: {page.words}")
        return page.location

    def visit(self, url: str) -> Page:
        """Open a URL as the browser would, e.g. that of browse() at a listener on loopback."""
        return self.browser().open(url)

    def enter_code(self, verification_uri: str, user_code: str, user: str, allow: bool = True,
                   password: str = PASSWORD, browser: Optional[Browser] = None) -> str:
        """Type a device's code on its page, log in, press Allow or Deny; the last page's words.
        StandinError when the page refuses the code or the user."""
        url = verification_uri
        if user_code and "user_code=" not in url:
            url += "?" + urlencode({"user_code": user_code})
        page = (browser or self.browser()).walk(url, "", user, password, allow)
        if page.forms.error or page.status != 200:
            raise StandinError(page.words)
        return page.words

    def approve_device(self, user_code: str, user: str, allow: bool = True) -> None:
        """Decide on a device at once, without its page. Any case, with or without the dash."""
        self.control("POST", "/devices/decide",
                     {"user_code": user_code, "user": user, "allow": allow})

    def devices(self, client_id: Optional[str] = None) -> list[Json]:
        """The device logins, oldest first: user_code, client_id, scope, rfc, state (pending
        approved denied used), user, polls, interval, age_s."""
        found: list[Json] = self.control("GET", "/devices")["devices"]
        return [d for d in found if client_id is None or d["client_id"] == client_id]

    def new_code(self, user: str, client_id: str, redirect_uri: str,
                 challenge: Optional[str] = None, scopes: Optional[str] = None) -> str:
        """An authorization code as if somebody had logged in."""
        spec = {"user": user, "client_id": client_id, "redirect_uri": redirect_uri,
                "challenge": challenge, "scopes": scopes}
        return str(self.control("POST", "/codes", spec)["code"])
