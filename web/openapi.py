"""The document of the API (OpenAPI 3.1), made from the table of routes and the types they name."""

import functools
import re
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, get_args

from flask import Flask, Response
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from pydantic_core import to_json

from schemas.views import ErrorAnswer
from web.auth import COOKIE
from web.errors import STATUS
from web.guard import DEFAULT_BYTES
from web.refusals import refusals
from web.routes import API, JSON_TYPE, Route

VERSION = "1.0"
_REF = "#/components/schemas/{model}"
_SLUG = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"}
_OPAQUE = {"type": "string", "minLength": 1, "maxLength": 255}
_OPERATE = {"type": "string", "enum": ["reRun", "resume"]}
_PATH: dict[str, dict[str, Any]] = {
    "taskId": _OPAQUE,
    "operate": _OPERATE,
    "job": _OPAQUE,
    "secret": _OPAQUE,
    "firing": _OPAQUE,
    "batch": _OPAQUE,
    "artifact": _OPAQUE,
    "attempt": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "version": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
}
_WHAT = {
    400: "The body cannot be read",
    401: "Nobody showed who they are, or not well",
    403: "The caller may not",
    404: "There is no such thing",
    408: "The body did not come in time; send it again",
    409: "Not as things stand now",
    411: "Content-Length is missing",
    412: "It is at another version",
    413: "The body is too large",
    415: "The body is not application/json",
    416: "There is no such range of bytes",
    422: "A part of the request is not valid",
    429: "Too often; Retry-After says when again",
    500: "A defect; the log has more under request_id",
    503: "A part of the box does not work now",
    504: "The outcome is unknown: ask again with the same key",
    507: "There is no room",
}
_VERSIONED = ("/flows/<flow>", "/assets/<asset>", "/deployments/<deployment>", "/schedules/<schedule>", "/floor-plan")
_PLACEHOLDER = re.compile(r"<(?:\w+:)?(\w+)>")


def _models(routes: Iterable[Route]) -> dict[tuple[type[BaseModel], JsonSchemaMode], None]:
    """Every type of the document, in order, each once a direction."""
    found: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ErrorAnswer, "serialization"): None}
    for route in routes:
        if route.body is not None:
            found[route.body, "validation"] = None
        found[route.query, "validation"] = None
        for answer in route.answers.values():
            found |= {(model, "serialization"): None for model in _classes(answer)}
    return found


def _classes(answer: Any) -> tuple[type[BaseModel], ...]:
    if isinstance(answer, UnionType):
        return get_args(answer)
    return (answer,) if isinstance(answer, type) else ()


class _Document:
    """Collects what the operations need."""

    def __init__(self, routes: list[Route]) -> None:
        self.routes = routes
        self.refs, whole = models_json_schema(list(_models(routes)), ref_template=_REF)
        self.schemas: dict[str, Any] = whole.get("$defs", {})
        for schema in self.schemas.values():
            _share(schema, self.schemas)

    def schema(self, model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
        """A reference to a type."""
        return dict(self.refs[model, mode])

    def answer(self, answer: Any) -> dict[str, Any]:
        """The schema of what a route answers."""
        models = [self.schema(model, "serialization") for model in _classes(answer)]
        return models[0] if len(models) == 1 else {"oneOf": models}

    def take_queries(self) -> dict[type[BaseModel], dict[str, Any]]:
        """Queries are parameters, not types: take their schemas out of the components."""
        names = {route.query: str(self.refs[route.query, "validation"]["$ref"]) for route in self.routes}
        return {model: self.schemas.pop(name.rpartition("/")[2]) for model, name in names.items()}


def _share(part: Any, schemas: Mapping[str, Any]) -> None:
    """Replace copies of a type inside another one by references to it."""
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in list(inner):
        name = value.get("title") if isinstance(value, dict) else None
        if isinstance(name, str) and schemas.get(name) == value:
            part[key] = {"$ref": _REF.format(model=name)}
        else:
            _share(value, schemas)


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter that is absent is left out; nobody can write null."""
    kept = {key: value for key, value in schema.items() if key not in ("anyOf", "default", "title", "description")}
    options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    # A default of another type than the one that is written (`1` for every pass) says nothing to callers.
    ours = schema.get("default") is False and schema.get("type") != "boolean"
    default = {} if ours or schema.get("default") in (None, []) else {"default": schema["default"]}
    return kept | (options[0] if len(options) == 1 else {}) | default


def _path(name: str) -> dict[str, Any]:
    """What fits into a place of a path; ids of the other formats are opaque."""
    return _PATH.get(name, _OPAQUE if name.endswith("_id") else _SLUG)


def _parameters(route: Route, queries: Mapping[type[BaseModel], dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _path(name)}
        for name in _PLACEHOLDER.findall(route.path)
    ]
    required = queries[route.query].get("required", ())
    for name, schema in queries[route.query].get("properties", {}).items():
        one = {"name": name, "in": "query", "required": name in required, "schema": _without_null(schema)}
        found.append(one | ({"description": schema["description"]} if "description" in schema else {}))
    if route.keyed:
        found.append({"$ref": "#/components/parameters/IdempotencyKey"})
    if route.if_match:
        found.append({"$ref": "#/components/parameters/IfMatch"})
    if route.path == "/stream":
        found.append({"$ref": "#/components/parameters/LastEventId"})
    if route.upload:
        found.append({"$ref": "#/components/parameters/UploadOffset"})
    return found


def _answers(route: Route, document: _Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, answer in route.answers.items():
        done = {201: "Made", 202: "Recorded; waiting for the robot"}.get(status, "Done")
        one: dict[str, Any] = {"description": done if status < 400 else _WHAT[status]}
        if answer is not None:
            kind = answer if isinstance(answer, str) else JSON_TYPE
            schema = {"type": "string"} if isinstance(answer, str) else document.answer(answer)
            one["content"] = {kind.partition(";")[0]: {"schema": schema}}
        if headers := _headers(route):
            one["headers"] = headers
        found[str(status)] = one
    refused = [] if route.own_answers else [status for status in refusals(route) if status not in route.answers]
    return found | {str(status): {"$ref": f"#/components/responses/Refused{status}"} for status in refused}


def _headers(route: Route) -> dict[str, Any]:
    names = ["IdempotentReplayed"] if route.keyed else []
    names += ["ETag"] if route.if_match or route.path in _VERSIONED else []
    written = {"IdempotentReplayed": "Idempotent-Replayed", "ETag": "ETag"}
    shown = {written[name]: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {} if route.method == "DELETE" else shown


def _operation(route: Route, document: _Document, queries: Mapping[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    description = (route.view.__doc__ or "").partition("\n")[2]
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.title or route.tag],
        "summary": route.summary,
        "description": f"{' '.join(description.split())}\n\nRole: {route.role}.".strip(),
        "parameters": _parameters(route, queries),
        "responses": _answers(route, document),
        "x-role": route.role,
    }
    if route.role == "open":
        operation["security"] = []
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": {JSON_TYPE: {"schema": document.schema(route.body, "validation")}},
        }
        if route.max_bytes != DEFAULT_BYTES:
            operation["requestBody"]["description"] = f"At most {route.max_bytes} bytes."
    if route.upload:
        operation["requestBody"] = {
            "required": True,
            "description": f"At most {route.max_bytes} bytes.",
            "content": {"application/octet-stream": {}},
        }
    return operation


def _components(schemas: Mapping[str, Any]) -> dict[str, Any]:
    error = {JSON_TYPE: {"schema": {"$ref": _REF.format(model="ErrorAnswer")}}}
    codes = {status: sorted(code for code, of in STATUS.items() if of == status) for status in _WHAT}
    return {
        "schemas": schemas,
        "responses": {
            f"Refused{status}": {"description": f"{text}. Codes: {', '.join(codes[status])}.", "content": error}
            for status, text in _WHAT.items()
        },
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
            "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        },
        "headers": {
            "IdempotentReplayed": {
                "description": "true: the key was answered before, and the same is answered again",
                "schema": {"type": "string", "enum": ["true"]},
            },
            "ETag": {"description": "the version, for If-Match", "schema": {"type": "string"}},
        },
        "parameters": {
            "IdempotencyKey": _header("Idempotency-Key", "Asked twice, done once.", r"^[\x21-\x7e]{1,255}$"),
            "IfMatch": _header("If-Match", "The ETag the caller has seen; another version is 412.", None),
            "LastEventId": _header("Last-Event-ID", "Go on after this event.", r"^\d{1,15}$"),
            "UploadOffset": _header("Upload-Offset", "How many bytes were sent before.", r"^\d{1,16}$"),
        },
    }


def _header(name: str, description: str, pattern: str | None) -> dict[str, Any]:
    schema = {"type": "string"} | ({} if pattern is None else {"pattern": pattern})
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def document(routes: list[Route]) -> dict[str, Any]:
    """The whole document."""
    made = _Document(routes)
    queries = made.take_queries()
    paths: dict[str, Any] = {}
    for route in routes:
        path = _PLACEHOLDER.sub(r"{\1}", route.rule)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, made, queries)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Yardmaster",
            "version": VERSION,
            "description": "Jobs, robots, queues, flows and deployments of one box.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"token": []}, {"session": []}],
        "paths": paths,
        "components": _components(made.schemas),
    }


def serve_document(app: Flask, routes: list[Route]) -> None:
    """Answer the document, which never changes; it is made when it is first asked for, since no start should wait."""

    @functools.cache
    def text() -> bytes:
        return to_json(document(routes))

    def openapi_document() -> Response:
        return Response(text(), content_type=JSON_TYPE)

    app.add_url_rule(f"{API}/openapi.json", view_func=openapi_document, provide_automatic_options=False)
