# SPDX-License-Identifier: Apache-2.0
"""The pages that people see. Plain forms, which work without any script."""

from __future__ import annotations

from html import escape

from .errors import OAuthError
from .http1 import Response
from .scopes import MEANINGS

_STYLE = """
body { margin: 0; background: #f4f6f9; color: #16325c; font: 16px/1.5 sans-serif }
main { max-width: 22rem; margin: 8vh auto; padding: 2rem; background: #fff; border-radius: 8px;
  box-shadow: 0 2px 8px #0002 }
h1 { margin: 0 0 1rem; font-size: 1.4rem; font-weight: 400 }
label { display: block; margin: .8rem 0 .2rem; font-size: .85rem }
input { width: 100%; box-sizing: border-box; padding: .6rem; border: 1px solid #d8dde6;
  border-radius: 4px; font: inherit }
button { width: 100%; margin-top: 1rem; padding: .6rem; border: 1px solid #0070d2;
  border-radius: 4px; background: #0070d2; color: #fff; font: inherit; cursor: pointer }
button.plain { background: #fff; color: #0070d2 }
.error { padding: .5rem .8rem; border-radius: 4px; background: #feded8; color: #8c1d06 }
.small { color: #54698d; font-size: .8rem } code { overflow-wrap: anywhere }
"""


def page(title: str, body: str, status: int = 200) -> Response:
    """A whole page; body is HTML."""
    text = (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width">\n'
            f"<title>{escape(title)} | Salesforce stand-in</title><style>{_STYLE}</style></head>\n"
            f"<body><main><h1>{escape(title)}</h1>\n{body}\n"
            f'<p class="small">A stand-in for tests. No real account is asked for here.</p>'
            f"</main></body></html>\n")
    return Response(status, text.encode(), "text/html;charset=UTF-8", [
        ("Cache-Control", "no-cache, no-store"), ("Referrer-Policy", "no-referrer"),
        ("X-Frame-Options", "DENY")])


def _alert(text: str) -> str:
    return f'<p class="error" role="alert" id="error">{escape(text)}</p>' if text else ""


def login(hint: str, problem: str = "") -> Response:
    """Username and password."""
    return page("Log In", f"""{_alert(problem)}
<form method="post" id="login_form">
<label for="username">Username</label>
<input id="username" name="username" autocomplete="username" value="{escape(hint)}" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button id="Login" name="Login" value="Log In">Log In</button>
</form>""")


def consent(app: str, user: str, scopes: str) -> Response:
    """Allow or Deny."""
    items = "".join(f"<li>{escape(MEANINGS.get(s, s))} ({escape(s)})</li>" for s in scopes.split())
    return page("Allow Access?", f"""<p><code id="app">{escape(app)}</code> is asking to:</p>
<ul>{items}</ul>
<p>Do you want to allow access for <b id="user">{escape(user)}</b>?</p>
<form method="post" id="editPage">
<button id="oaapprove" name="decision" value="allow">Allow</button>
<button id="oadeny" name="decision" value="deny" class="plain">Deny</button>
</form>""")


def connect(user_code: str, problem: str = "") -> Response:
    """The code that a device shows."""
    return page("Connect Your Device", f"""{_alert(problem)}
<p>Enter the code that your device shows.</p>
<form method="post" id="connect_form">
<label for="user_code">Code</label>
<input id="user_code" name="user_code" autocomplete="off" value="{escape(user_code)}" required>
<button id="connect" name="connect" value="Connect">Connect</button>
</form>""")


def note(title: str, text: str, status: int = 200) -> Response:
    """Something that a person only has to read."""
    return page(title, f"<p>{escape(text)}</p>", status)


def error(problem: OAuthError) -> Response:
    """A refusal that must not be told to the redirect URI."""
    return page("OAuth Error", f"""
<p class="error">We can't authorize you because of an OAuth error. For more information,
contact your Salesforce administrator.</p>
<p><code id="error">{escape(problem.error)}</code> : {escape(problem.description)}</p>""",
                problem.status)
