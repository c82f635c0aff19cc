# SPDX-License-Identifier: Apache-2.0
"""A double of simple-salesforce, which Debian does not have: the constructor's parameters for a session that is given, and what becomes of
the session in its requests (the token of the constructor in each request's own headers, the session of the caller below). Written from
its published signature and the requests that it makes; nothing of its code is here."""

from __future__ import annotations

from typing import Any, Optional
from urllib.parse import urlsplit

import requests


class SalesforceExpiredSession(Exception):
    """What it makes of a 401."""


class Salesforce:
    def __init__(self, username: Optional[str] = None, password: Optional[str] = None, security_token: Optional[str] = None,
                 session_id: Optional[str] = None, instance: Optional[str] = None, instance_url: Optional[str] = None,
                 version: str = "59.0", proxies: Optional[dict[str, str]] = None, session: Optional[requests.Session] = None) -> None:
        if session_id is None or instance_url is None or any((username, password, security_token, instance, proxies)):
            raise TypeError("this double knows session_id and instance_url alone")
        self.sf_instance = urlsplit(instance_url).netloc
        self.session = session or requests.Session()
        self.session_id = session_id
        self.headers = {"Content-Type": "application/json", "Authorization": f"Bearer {session_id}", "X-PrettyPrint": "1"}
        self.base_url = f"https://{self.sf_instance}/services/data/v{version}/"

    def _call(self, method: str, path: str, **how: Any) -> Any:
        answer = self.session.request(method, self.base_url + path, headers=self.headers.copy(), **how)
        if answer.status_code == 401:
            raise SalesforceExpiredSession(answer.text)
        answer.raise_for_status()
        return answer.json()

    def query(self, soql: str) -> Any:
        return self._call("GET", "query/", params={"q": soql})

    def limits(self) -> Any:
        return self._call("GET", "limits/")
