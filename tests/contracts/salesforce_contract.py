"""Salesforce: field names and types, SOQL, replies and outbound messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import defusedxml.ElementTree as ElementTree

from tests.contracts.schema_problems import definition, problems, schema_file

OBJECTS, MESSAGES = "salesforce/objects.json", "salesforce/messages.json"
TOKEN_PATH = "/services/oauth2/token"
_DATA = re.compile(r"^/services/data/v\d+\.0(/.*)$")
_RECORD = re.compile(r"^/sobjects/(\w+)(?:/(\w+))?(?:/([^/]+))?$")
_SELECT = re.compile(r"^\s*SELECT\s+(.*?)\s+FROM\s+(\w+)\b(.*)$", re.IGNORECASE | re.DOTALL)
_CHILD = re.compile(r"\(\s*SELECT\s.*?\)", re.IGNORECASE | re.DOTALL)
_NAMESPACE = "{http://soap.sforce.com/2005/09/outbound}"
_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "number": (int, float),
    "text": (str,),
    "reference": (str,),
    "date": (str,),
    "datetime": (str,),
    "id": (str,),
}


def fields_of(name: str) -> dict[str, str]:
    """Field names and types of an object. Raises KeyError for an object without contract."""
    document = schema_file(OBJECTS)
    entry = document["objects"][name]
    return {**document["system"], **entry["managed"], **entry["standard"], **entry["custom"]}


def request_problems(method: str, path: str, query: str, body: Any) -> list[str]:
    if path == TOKEN_PATH:
        return [] if method == "POST" else ["a token is fetched by POST"]
    data = _DATA.match(path)
    if data is None:
        return [f"no such path: {path}"]
    if data[1] == "/query":
        return soql_problems(parse_qs(query).get("q", [""])[0])
    if data[1] == "/composite":
        return problems(definition(MESSAGES, "compositeRequest"), body)
    record = _RECORD.match(data[1])
    writes = record is not None and method in ("POST", "PATCH")
    return list(_body_problems(record[1], body)) if record and writes else []


def _body_problems(name: str, body: Any) -> Iterator[str]:
    try:
        fields = fields_of(name)
    except KeyError:
        yield f"no contract for the object {name}"
        return
    relations = {f"{f[:-1]}r" if f.endswith("__c") else f.removesuffix("Id") for f in fields}
    for field, value in body.items():
        if field == "attributes" or (field in relations and isinstance(value, dict)):
            continue
        if field not in fields:
            yield f"{name} has no field {field}"
        elif value is not None and not isinstance(value, _TYPES[fields[field]]):
            yield f"{field} wants {fields[field]}, not {type(value).__name__}"


def soql_problems(text: str) -> list[str]:
    """Unknown objects and unknown plain fields in the SELECT list."""
    found = _SELECT.match(_CHILD.sub("", text).replace(", ,", ","))
    if found is None:
        return ["not a SELECT … FROM … query"]
    try:
        fields = fields_of(found[2])
    except KeyError:
        return [f"no contract for the object {found[2]}"]
    names = [name.strip() for name in found[1].split(",")]
    plain = [n for n in names if n and "." not in n and not n.upper().startswith("COUNT(")]
    return [f"{found[2]} has no field {name}" for name in plain if name not in fields]


def reply_problems(method: str, path: str, status: int, body: Any) -> list[str]:
    key = _reply_kind(method, path, status)
    return [] if key is None else problems(definition(MESSAGES, key), body)


def _reply_kind(method: str, path: str, status: int) -> str | None:
    if path == TOKEN_PATH:
        return "token" if status < 400 else "grantError"
    if status >= 400:
        return "error"
    data = _DATA.match(path)
    resource = data[1] if data else ""
    named = {"/query": "query", "/composite": "composite"}
    record = _RECORD.match(resource)
    if record is None or status == 204 or record[2] == "describe":
        return "query" if resource.startswith("/query/") else named.get(resource)
    by_method = {"GET": "record", "POST": "created", "PATCH": "upserted"}
    return "several" if status == 300 else by_method.get(method)


def outbound_problems(body: bytes) -> list[str]:
    """An outbound message against the public WSDL's order and the object's field names."""
    root = ElementTree.fromstring(body)
    message = root.find(f".//{_NAMESPACE}notifications")
    if message is None:
        return ["no notifications element"]
    names = [child.tag.removeprefix(_NAMESPACE) for child in message]
    head = ["OrganizationId", "ActionId", "SessionId", "EnterpriseUrl", "PartnerUrl"]
    found = [] if names[:5] == head else [f"wrong head: {names[:5]}"]
    count = names.count("Notification")
    if not 1 <= count <= 100:
        found.append(f"{count} notifications")
    known = fields_of("SBQQ__Quote__c")
    for notification in message.findall(f"{_NAMESPACE}Notification"):
        parts = [child.tag.removeprefix(_NAMESPACE) for child in notification]
        if parts != ["Id", "sObject"]:
            found.append(f"wrong notification: {parts}")
        fields = [element.tag.partition("}")[2] for element in notification[1]]
        found += [f"unknown field {name}" for name in fields if name not in known]
    return found
