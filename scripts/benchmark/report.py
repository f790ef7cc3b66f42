"""Figures as one table for people, as JSON for later, and beside those of another day."""

import json
from pathlib import Path
from typing import Any

from scripts.benchmark.figures import SIGNS, Figure

Found = dict[str, list[Figure]]
"""Measurement to its figures."""


def as_json(
    machine: dict[str, str], scale: str, found: Found, failed: dict[str, str], others: dict[str, float]
) -> dict[str, Any]:
    """All of it, as it is written to a file; `others`: percent of a core that everybody else used meanwhile."""
    return {
        "machine": machine,
        "scale": scale,
        "figures": [_row(name, figure) for name, figures in found.items() for figure in figures],
        "failed": failed,
        "others": others,
    }


def _row(measurement: str, figure: Figure) -> dict[str, Any]:
    goal = None if figure.goal is None else {"kind": figure.goal.kind, "limit": figure.goal.limit, "met": figure.met}
    return {
        "measurement": measurement,
        "name": figure.name,
        "unit": figure.unit,
        "values": list(figure.values),
        "median": figure.median,
        "goal": goal,
        "also": dict(figure.also),
    }


def write(file: Path, document: dict[str, Any]) -> None:
    """Keep a document."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(file: Path) -> dict[str, Any]:
    """A document of an earlier run; raises `ValueError` for anything else."""
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or "figures" not in document or "machine" not in document:
        raise ValueError(f"{file} is not a benchmark's JSON")
    return document


# ------------------------------------------------------------ for people
def table(document: dict[str, Any]) -> str:
    """Machine, then every figure: median of the runs, smallest to largest, the goal and whether it is met."""
    lines = [
        *_facts(document),
        "",
        "| | figure | median | runs | goal | | beside it |",
        "|---|---|---|---|---|---|---|",
    ]
    before = ""
    for row in document["figures"]:
        first = "" if row["measurement"] == before else f"**{row['measurement']}**"
        before = row["measurement"]
        lines.append(f"| {first} | {row['name']} | {_value(row)} | {_runs(row)} | {_goal(row)} | {_also(row)} |")
    busy = ", ".join(f"{name} {number(round(percent))}" for name, percent in document["others"].items())
    lines += ["", f"Used by everything else on the machine meanwhile, percent of a core: {busy}."]
    lines += [f"\n**{name} could not be measured:** {_short(why)}" for name, why in document["failed"].items()]
    return "\n".join(lines) + "\n"


def _short(text: str) -> str:
    """What it is about and how it ended; the whole is in the JSON."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return lines[0] if len(lines) == 1 else f"{lines[0]} … {lines[-1]}"


def _facts(document: dict[str, Any]) -> list[str]:
    said = " · ".join(f"{name}: {value}" for name, value in document["machine"].items())
    return [f"{said} · {document['scale']} benchmark"]


def number(value: float) -> str:
    """Three digits that mean something, no more."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _value(row: dict[str, Any]) -> str:
    return f"**{number(row['median'])}** {row['unit']}"


def _runs(row: dict[str, Any]) -> str:
    values = row["values"]
    return "one" if len(values) == 1 else f"{number(min(values))} to {number(max(values))}"


def _goal(row: dict[str, Any]) -> str:
    goal = row["goal"]
    if goal is None:
        return " | "
    return f"{SIGNS[goal['kind']]} {number(goal['limit'])} | {'met' if goal['met'] else '**not met**'}"


def _also(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {number(value)}" for name, value in row["also"].items())


# ------------------------------------------------------------ beside another day
def comparison(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Medians of two documents and their ratio, for every figure that both have."""
    before = {(row["measurement"], row["name"]): row for row in old["figures"]}
    lines = [f"old: {_facts(old)[0]}", "", f"new: {_facts(new)[0]}", "", "| | figure | old | new | new / old |"]
    lines.append("|---|---|---|---|---|")
    for row in new["figures"]:
        was = before.get((row["measurement"], row["name"]))
        if was is not None:
            ratio = f"{row['median'] / was['median']:.2f}" if was["median"] else ""
            values = f"{number(was['median'])} | {number(row['median'])} {row['unit']}"
            lines.append(f"| {row['measurement']} | {row['name']} | {values} | {ratio} |")
    return "\n".join(lines) + "\n"
