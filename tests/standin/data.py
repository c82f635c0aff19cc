# SPDX-License-Identifier: Apache-2.0
"""The REST API as far as the checks of common clients go: versions, limits, a few queries, a user.
Another grammar of SOQL than theirs is not understood."""

from __future__ import annotations

import re
from typing import Any, Optional

from .exchange import Exchange
from .http1 import Response
from .settings import User, id18, user_id
from .tokens import json_response, use

VERSIONS = [("Summer '24", "61.0"), ("Winter '25", "62.0"), ("Spring '25", "63.0")]
VERSIONED = re.compile(r"/services/data/v\d+\.\d(/.*)?")
INVALID_SESSION = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
NOT_FOUND = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
_SELECT = re.compile(r"\s*SELECT\s+(.+?)\s+FROM\s+(\w+)\b(.*)", re.IGNORECASE | re.DOTALL)
_WHERE = re.compile(r"\bWHERE\s+(\w+)\s*=\s*'((?:[^'\\\\]|\\\\.)*)'", re.IGNORECASE)
_BOOLEANS = frozenset(("IsSandbox", "IsActive"))

Record = dict[str, Any]


def _refusal(code: str, message: str, status: int) -> Response:
    return json_response([{"message": message, "errorCode": code}], status)


def versions(_: Exchange) -> Response:
    """GET /services/data: ascending, no token needed"""
    return json_response([{"label": label, "url": f"/services/data/v{number}", "version": number}
                          for label, number in VERSIONS])


def rest(exchange: Exchange) -> Response:
    """GET /services/data/vNN.0/...: what the consumers of a token call; a use of it"""
    session = exchange.world.sessions.live(exchange.token)
    if session is None:
        return json_response(INVALID_SESSION, 401)
    exchange.log["session"] = session.id
    use(exchange, session)
    base = "/".join(exchange.path.split("/", 4)[:4])
    parts = [part for part in exchange.path.split("/")[4:] if part]
    if not parts:
        return json_response({name: f"{base}/{name}" for name in ("limits", "query", "sobjects")}
                             | {"identity": exchange.origin() + "/id"})
    if parts == ["limits"]:
        return json_response({"DailyApiRequests": {"Max": 15000, "Remaining": 14999}})
    if parts in (["query"], ["queryAll"]):
        return _query(exchange, base, session.key[0])
    if len(parts) == 3 and parts[0] == "sobjects":
        return _sobject(exchange, base, parts[1], parts[2])
    return json_response(NOT_FOUND, 404)


# -- the rows that there are ---------------------------------------------------------------------

def _organization(user: User) -> Record:
    return {"Id": id18(user.org), "Name": "Stand-in", "InstanceName": "CS1", "IsSandbox": False,
            "TrialExpirationDate": None, "NamespacePrefix": None,
            "OrganizationType": "Developer Edition", "PrimaryContact": None}


def _user(name: str, user: User) -> Record:
    return {"Id": user.id or user_id(name), "Username": name, "Name": name,
            "Email": user.email or name, "IsActive": user.active, "LastName": name,
            "FirstName": None, "UserType": "Standard"}


def _rows(exchange: Exchange, name: str, sobject: str) -> Optional[list[Record]]:
    """All rows of an object that a user sees; None: no such object."""
    world = exchange.world
    mine = world.users.get(name, User())
    if sobject == "organization":
        return [_organization(mine)]
    if sobject == "user":
        return [_user(n, u) for n, u in world.users.items() if u.org == mine.org]
    if sobject == "scratchorginfo" and world.settings.dev_hub:
        return []
    return None


# -- query ---------------------------------------------------------------------------------------

def _query(exchange: Exchange, base: str, name: str) -> Response:
    parsed = _SELECT.match(exchange.query.get("q", ""))
    if not parsed:
        return _refusal("MALFORMED_QUERY", "unexpected token: this is no query", 400)
    fields = [field.strip() for field in parsed[1].split(",")]
    sobject = parsed[2]
    if exchange.query.get("columns") == "true":
        return json_response(_columns(fields, sobject))
    rows = _rows(exchange, name, sobject.lower())
    if rows is None:
        return _refusal("INVALID_TYPE", f"\n{parsed[0].strip()}\n^\nERROR at Row:1:Column:1\n"
                        f"sObject type '{sobject}' is not supported.", 400)
    where = _WHERE.search(parsed[3])
    if where:
        rows = [row for row in rows if str(_value(row, where[1])) == where[2]]
    records = [_shown(base, sobject, row, fields) for row in rows]
    return json_response({"totalSize": len(records), "done": True, "records": records})


def _value(row: Record, field: str) -> Any:
    """Names of fields are the same in upper and lower case."""
    return next((v for n, v in row.items() if n.lower() == field.lower()), None)


def _shown(base: str, sobject: str, row: Record, fields: list[str]) -> Record:
    attributes = {"type": sobject, "url": f"{base}/sobjects/{sobject}/{row['Id']}"}
    return {"attributes": attributes} | {field: _value(row, field) for field in fields}


def _columns(fields: list[str], sobject: str) -> Record:
    """The answer to columns=true: `sf data query` needs columnMetadata to be an array."""
    return {"columnMetadata": [
        {"aggregate": False, "apexType": "Boolean" if field in _BOOLEANS else "String",
         "booleanType": field in _BOOLEANS, "columnName": field, "custom": False,
         "displayName": field, "foreignKeyName": None, "insertable": False, "joinColumns": [],
         "numberType": False, "textType": field not in _BOOLEANS, "updatable": False}
        for field in fields], "entityName": sobject, "groupBy": False, "idSelected": "Id" in fields,
        "keyPrefix": None}


def _sobject(exchange: Exchange, base: str, sobject: str, record_id: str) -> Response:
    session = exchange.world.sessions.live(exchange.token)
    rows = _rows(exchange, session.key[0] if session else "", sobject.lower()) or []
    for row in rows:
        if id18(record_id) == row["Id"]:
            return json_response(_shown(base, sobject, row, list(row)))
    return json_response(NOT_FOUND, 404)
