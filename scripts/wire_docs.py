"""Makes docs/wire.md and docs/wire-schema.json from the types of the messages, so that they are never stale."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas import messages, topics
from schemas.blocks import PURE_KINDS
from schemas.ids import INCARNATION_STEP
from schemas.status import PHASE_STATE
from scripts.wire_meanings import MEANINGS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
TEMPLATE = ROOT / "scripts" / "wire.template.md"
CONVERSATION = DOCS / "wire-conversation.jsonl"
RESERVED = {"submit", "child"}
TO_AGENT: list[type[BaseModel]] = [messages.Assign, messages.Ack, messages.Cancel, messages.Control, messages.Child]
TO_CONTROLLER: list[type[BaseModel]] = [
    messages.Rows,
    messages.Heartbeat,
    messages.Held,
    messages.FailedRun,
    messages.Position,
    messages.Presence,
]
ROWS: list[type[BaseModel]] = [
    messages.AttemptRow,
    messages.BlockRow,
    messages.LogRow,
    messages.DroppedRow,
    messages.SubmitRow,
    messages.SeenRow,
]
TOPIC_NOTES = {
    "assign": ("1", "an offer; repeated until a row answers it"),
    "cancel": ("1", "stop an attempt; repeated until *noted* or its end"),
    "control": ("1", "pause, resume, report now; repeated until *noted*, *refused* or its end"),
    "child": ("1", "how a child job stands; repeated until *seen*"),
    "ack": ("1", "what is recorded, and leave to move; never repeated: each repeat of yours draws a new one"),
    "block-status": ("1", "rows about attempts and blocks; repeat until acknowledged"),
    "log": ("1", "log rows; repeat until acknowledged"),
    "submit": ("1", "rows that ask for child jobs; repeat until acknowledged"),
    "heartbeat": ("0", "what is held and where the journal stands, every 2 s"),
    "presence": ("1, retained, last will", "connected or not; a hint for the screen"),
}


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def topic_table() -> str:
    """Every topic: its direction, message, quality of service and purpose."""
    rows = []
    for kind in (*topics.TO_AGENT, *topics.TO_CONTROLLER):
        quality, purpose = TOPIC_NOTES[kind]
        way = "to the agent" if kind in topics.TO_AGENT else "to the controller"
        note = f"{purpose} (reserved for stations)" if kind in RESERVED else purpose
        rows.append((f"`{kind}`", way, messages.MESSAGES[kind].__name__, quality, note))
    return table(("topic", "way", "message", "QoS", "purpose"), rows)


def section(model: type[BaseModel]) -> str:
    """One message: what it is, its fields, its JSON Schema."""
    schema = plain(model)
    rows = [_field(model, name, entry, schema.get("required", [])) for name, entry in schema["properties"].items()]
    fields = table(("field", "type", "required", "meaning"), rows)
    body = f"<details><summary>JSON Schema</summary>\n\n```json\n{_a_line_each(schema)}\n```\n\n</details>"
    return f"### {model.__name__}\n{_topics_of(model)}{(model.__doc__ or '').strip()}\n\n{fields}\n\n{body}\n"


def _a_line_each(schema: dict[str, Any]) -> str:
    """The schema as JSON, one line a property."""
    lines = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in schema["properties"].items()]
    rest = [f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in schema.items() if name != "properties"]
    return "{\n" + ",\n".join([*rest, ' "properties": {\n' + ",\n".join(lines) + "\n }"]) + "\n}"


def _topics_of(model: type[BaseModel]) -> str:
    kinds = [f"`{kind}`" for kind, message in messages.MESSAGES.items() if message is model]
    return f"Topic {', '.join(kinds)}. " if kinds else ""


def _field(model: type[BaseModel], name: str, entry: dict[str, Any], required: list[str]) -> tuple[str, ...]:
    return (f"`{name}`", kind_of(entry), "yes" if name in required else "", meaning(model, name, entry))


def meaning(model: type[BaseModel], name: str, entry: dict[str, Any]) -> str:
    """What a field is for; a `KeyError` here means that a new field needs a sentence."""
    said = entry.get("description") or MEANINGS.get(f"{model.__name__}.{name}")
    return str(said or MEANINGS[name])


def kind_of(entry: dict[str, Any]) -> str:
    """Type of a field in a few words."""
    if "anyOf" in entry:
        return " or ".join(dict.fromkeys(kind_of(one) for one in entry["anyOf"] if one.get("type") != "null"))
    if "$ref" in entry:
        return str(entry["$ref"]).rpartition("/")[2]
    if "enum" in entry:
        return ", ".join(f"`{word}`" for word in entry["enum"])
    if "const" in entry:
        return f"`{json.dumps(entry['const'])}`"
    if entry.get("type") == "array":
        return f"array of {kind_of(entry['items'])}" if "items" in entry else "array"
    return str(entry.get("type", "any"))


def plain(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of one message alone: other shapes are named, not repeated."""
    schema = model.model_json_schema(by_alias=True, ref_template="{model}")
    schema.pop("$defs", None)
    schema.pop("description", None)
    result = _tidy(schema)
    if model is messages.Rows:
        result["properties"]["rows"]["items"] = {"type": "object", "description": "a row, see Row kinds"}
    return dict(result)


def _tidy(value: Any) -> Any:
    """Without titles, which only repeat the names."""
    if isinstance(value, dict):
        return {k: _tidy(v) for k, v in value.items() if not (k == "title" and isinstance(v, str))}
    return [_tidy(one) for one in value] if isinstance(value, list) else value


def whole_schema() -> str:
    """All messages as one JSON Schema document."""
    models: list[type[BaseModel]] = [*dict.fromkeys(messages.MESSAGES.values()), *ROWS]
    _, schema = models_json_schema([(model, "validation") for model in models], by_alias=True)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Yardmaster wire messages, version 1"}
    return json.dumps(head | _tidy(schema), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def phases() -> str:
    """Every phase with the short state it stands for."""
    rows = [(f"`{phase}`", str(state or "-")) for phase, state in PHASE_STATE.items()]
    return table(("phase", "state"), rows)


def limits() -> str:
    """The sizes that are checked before anything is parsed."""
    rows = [
        ("`assign`", f"{messages.MAX_ASSIGN_BYTES:,} bytes", str(messages.MAX_ASSIGN_DEPTH)),
        ("every other message", f"{messages.MAX_MESSAGE_BYTES:,} bytes", str(messages.MAX_MESSAGE_DEPTH)),
        ("one row", f"{messages.MAX_ROW_BYTES:,} bytes", "as its message"),
    ]
    return table(("what", "at most", "depth of nesting"), rows)


def conversation() -> str:
    """The messages of a real job, as recorded."""
    if not CONVERSATION.exists():
        return "Made by `scripts/record-conversation` from a running box."
    lines = [json.loads(line) for line in CONVERSATION.read_text(encoding="utf-8").splitlines() if line]
    said = [f"{line['topic']}\n    {json.dumps(line['payload'], ensure_ascii=False)}" for line in lines]
    intro = (
        f"One job of three blocks, from offer to last acknowledgement: {len(lines)} messages, in the order in which "
        "the broker passed them on. Heartbeats in which nothing is held are left out."
    )
    return f"{intro}\n\n```\n" + "\n".join(said) + "\n```"


def slots() -> dict[str, str]:
    """What the template leaves open."""
    attempt_kinds = ", ".join(messages.AttemptRow.model_json_schema()["properties"]["kind"]["enum"])
    return {
        "prefix": topics.DEFAULT_PREFIX,
        "pure_kinds": ", ".join(f"`{kind}`" for kind in sorted(PURE_KINDS)),
        "topics": topic_table(),
        "to_agent": "\n".join(section(model) for model in TO_AGENT),
        "to_controller": "\n".join(section(model) for model in TO_CONTROLLER),
        "attempt_kinds": attempt_kinds,
        "rows": "\n".join(section(model) for model in ROWS),
        "phases": phases(),
        "limits": limits(),
        "step": f"{INCARNATION_STEP:,}",
        "conversation": conversation(),
    }


def wire_page() -> str:
    """The whole page."""
    page = TEMPLATE.read_text(encoding="utf-8")
    for name, content in slots().items():
        page = page.replace("{{" + name + "}}", content.rstrip())
    return page
