# SPDX-License-Identifier: Apache-2.0
"""What people see of the second authorization server: plain forms, so that a browser and a test can both fill them in."""

from __future__ import annotations

import secrets
from html import escape
from typing import Any, Optional
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from flask import make_response, request

from authlib_models import Memory, User

COOKIE = "authlib_sid"
sessions: dict[str, User] = {}


def page(title: str, body: str, status: int = 200) -> Any:
    return make_response(f"<!DOCTYPE html><html><head><meta charset=utf-8><title>{escape(title)}</title></head>"
                         f"<body><h1>{escape(title)}</h1>{body}</body></html>", status)


def form(*rows: str) -> str:
    """Posted to where it came from, query and all."""
    return f'<form method="post" action="{escape(request.full_path.rstrip("?"))}">{"".join(rows)}</form>'


def who() -> Optional[User]:
    return sessions.get(request.cookies.get(COOKIE, ""))


def log_in(memory: Memory) -> Any:
    """The login page, or the next page with a cookie."""
    user = memory.users.get(request.form.get("username", ""))
    if user is None or request.form.get("password") != user.password:
        return page("Who are you?", form('<input name="username"><input name="password" type="password">',
                                         '<button name="login" value="yes">Log in</button>'))
    sid = secrets.token_urlsafe(16)
    sessions[sid] = user
    answer = make_response("", 303)
    answer.location = request.full_path
    answer.set_cookie(COOKIE, sid, httponly=True, samesite="Lax", secure=request.is_secure)
    return answer


def consent(what: str) -> str:
    return form(f"<p>Let {escape(what)} in?</p>", '<button name="decision" value="allow">Allow</button>',
                '<button name="decision" value="deny">Deny</button>')


def authorize(server: Any, memory: Memory) -> Any:
    """Login, consent, redirect. Authlib judges the request before anybody is asked."""
    user = who()
    try:
        grant = server.get_consent_grant(end_user=user)
    except OAuth2Error as error:
        return server.handle_response(*error())
    if user is None:
        return log_in(memory)
    if "decision" not in request.form:
        return page("Consent", consent(grant.client.client_id))
    answer = server.create_authorization_response(grant_user=user if request.form["decision"] == "allow" else None)
    if memory.settings["iss"] and answer.location:      # RFC 9207, which Authlib does not know yet
        answer.location += "&" + urlencode({"iss": memory.settings["iss"]})
    return answer


def device(memory: Memory) -> Any:
    """Login, code, consent."""
    user = who()
    if user is None:
        return log_in(memory)
    code = request.values.get("user_code", "")
    found = memory.device(user_code=code)
    if found is None or found.is_expired():
        return page("Which code?", form('<input name="user_code"><button>Continue</button>'), 400 if code else 200)
    if "decision" not in request.form:
        return page("Consent", form(f'<input type="hidden" name="user_code" value="{escape(code)}">'
                                    f"<p>Let {escape(found.client_id)} in?</p>",
                                    '<button name="decision" value="allow">Allow</button>',
                                    '<button name="decision" value="deny">Deny</button>'))
    found.user, found.decided = user, request.form["decision"] == "allow"
    return page("Done", "<p>You may close this page.</p>")
