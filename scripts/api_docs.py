"""Makes docs/api.md from the table of routes and the types they name."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from web.api import ROUTES
from web.errors import STATUS
from web.openapi import document
from web.refusals import refusals
from web.routes import Route

TEMPLATE = Path(__file__).parent / "api.template.md"
DOCUMENT = document(ROUTES)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
TITLES = {
    "jobs": "Jobs",
    "job": "One job",
    "batches": "Several jobs at once",
    "exports": "Jobs as a table",
    "artifacts": "Screenshots, recordings and files",
    "schedules": "Schedules",
    "assets": "Assets and secrets",
    "robots": "Robots",
    "queues": "Queues",
    "flows": "Flows",
    "deployments": "Deployments",
    "floor": "The floor plan",
    "session": "Signing in",
    "people": "People and tokens",
    "system": "The box",
    "stream": "Live news",
}


def api_page() -> str:
    """The whole page."""
    parts = {"codes": codes(), "routes": "\n".join(_routes()), "types": "\n".join(_types())}
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"{{{{{name}}}}}", part.rstrip())
    return text


def codes() -> str:
    """Status to codes."""
    by_status: dict[int, list[str]] = defaultdict(list)
    for code, status in STATUS.items():
        by_status[status].append(code)
    return "\n".join(f"| {status} | {', '.join(f'`{c}`' for c in by_status[status])} |" for status in sorted(by_status))


def _routes() -> Iterator[str]:
    for tag, title in TITLES.items():
        yield f"### {title}"
        yield from (section(route) for route in ROUTES if route.tag == tag)


def section(route: Route) -> str:
    """One route: what it does, takes, answers and refuses."""
    path = route.path.replace("<int:", "{").replace("<", "{").replace(">", "}")
    text = " ".join((route.view.__doc__ or "").split())
    lines = [f"#### `{route.method} {path}`", f"{text} Role: {route.role}.", ""]
    if not route.base:
        lines.append("- outside of the base path")
    if route.body is not None:
        optional = " (may be left out)" if route.body_optional else ""
        lines.append(f"- body: *{route.body.__name__}*{optional}")
    operation = DOCUMENT["paths"][route.base + path][route.method.lower()]
    query = [one for one in operation["parameters"] if one.get("in") == "query"]
    if query:
        lines.append(f"- query: {' · '.join(_parameter(one) for one in query)}")
    headers = (["`Idempotency-Key`"] if route.keyed else []) + (["`If-Match`"] if route.if_match else [])
    headers += ["`Upload-Offset`"] if route.upload else []
    if headers:
        lines.append(f"- headers: {', '.join(headers)}")
    lines.append(f"- answers: {', '.join(_answer(status, what) for status, what in route.answers.items())}")
    refused = (f"{status} {', '.join(found)}" for status, found in refusals(route).items())
    lines += [f"- refuses: {' · '.join(refused)}", ""]
    return "\n".join(lines)


def _parameter(one: Mapping[str, Any]) -> str:
    meaning = f": {one['description']}" if one.get("description") else ""
    return f"`{one['name']}` ({kind(one['schema'])}{meaning})"


def _answer(status: int, what: Any) -> str:
    if what is None:
        return f"{status} without a body"
    if isinstance(what, str):
        return f"{status} {what.partition(';')[0]}"
    names = [one.__name__ for one in getattr(what, "__args__", (what,))]
    return f"{status} *{'* or *'.join(names)}*"


def kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return f"*{schema['$ref'].rpartition('/')[2]}*"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"]).lower()
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}" + _bounds(schema)
    words = schema.get("format") or schema.get("type") or "anything"
    return f"{words}{_bounds(schema)}" + (f", default {schema['default']}" if schema.get("default") is not None else "")


def _bounds(schema: Mapping[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum", schema.get("minItems")))
    high = schema.get("maximum", schema.get("exclusiveMaximum", schema.get("maxItems")))
    if low is None:
        return "" if high is None else f" up to {high}"
    return f" from {low}" if high is None else f" {low}–{high}"


def _types() -> Iterator[str]:
    for name in sorted(SCHEMAS):
        schema = SCHEMAS[name]
        text = " ".join(str(schema.get("description", "")).split())
        if "enum" in schema:
            yield f"### {name}\n{text}\n\n{', '.join(f'`{value}`' for value in schema['enum'])}\n"
            continue
        rows = (_field(field, part, schema) for field, part in schema.get("properties", {}).items())
        yield "\n".join([f"### {name}", text, "", "| field | type | |", "|---|---|---|", *rows, ""])


def _field(name: str, part: Mapping[str, Any], of: Mapping[str, Any]) -> str:
    words = kind(part).replace("|", "\\|")
    notes = ["required" if name in of.get("required", ()) and of.get("additionalProperties") is False else ""]
    notes.append(" ".join(str(part.get("description", "")).split()).replace("|", "\\|"))
    return f"| `{name}` | {words} | {'; '.join(note for note in notes if note)} |"
