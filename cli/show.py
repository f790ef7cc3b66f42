"""Tables and trees for people; what robots and people wrote is shown as text, never as markup."""

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

COLOURS = {
    "succeeded": "green",
    "running": "cyan",
    "assigned": "cyan",
    "working": "cyan",
    "free": "green",
    "queued": "yellow",
    "paused": "yellow",
    "cancelling": "yellow",
    "draining": "yellow",
    "uncertain": "red",
    "failed": "red",
    "on_hold": "red",
    "offline": "red",
    "cancelled": "dim",
    "disabled": "dim",
}
PIPE_WIDTH = 200
"""Columns where the output is no terminal: nothing is cut that a person may want to grep."""
MS = 1000


def console() -> Console:
    """Where tables go; made at each use, so that it follows a redirected stdout."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False)


def text(value: Any) -> Text:
    """One cell: words coloured by their meaning, absent values as a dash, structures as JSON."""
    if value is None or value in ("", [], {}):
        return Text("-", style="dim")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return Text(", ".join(value))
    if isinstance(value, dict | list):
        return Text(json.dumps(value, ensure_ascii=False))
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    return Text(str(value), style=COLOURS.get(str(value), ""))


def as_json(value: Any) -> None:
    """For machines."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def moment(value: Any) -> str | None:
    """An RFC 3339 time to the second; the box's own words, so UTC stays UTC."""
    return f"{value[:10]} {value[11:19]}" if isinstance(value, str) and value else None


def duration(milliseconds: Any) -> str | None:
    """Milliseconds as seconds, minutes or hours."""
    if milliseconds is None:
        return None
    seconds = float(milliseconds) / MS
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], nothing: str = "nothing to show") -> None:
    """Print rows, or one sentence when there are none."""
    found = [[text(cell) for cell in row] for row in rows]
    if not found:
        console().print(Text(nothing, style="dim"))
        return
    grid = Table(*heads, box=None, header_style="bold", pad_edge=False)
    for column in grid.columns:
        column.overflow = "fold"
    for row in found:
        grid.add_row(*row)
    console().print(grid)


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print name and value lines, absent values left out."""
    grid = Table(box=None, show_header=False, pad_edge=False)
    for name, value in pairs:
        if value not in (None, "", [], {}):
            grid.add_row(Text(name, style="bold"), text(value))
    console().print(grid)


def heading(words: str) -> None:
    """Print a line that begins a part."""
    console().print(Text(f"\n{words}", style="bold"))


def reason(value: Any) -> str | None:
    """A reason {code, message} as one sentence."""
    if isinstance(value, dict):
        code, message = value.get("code"), value.get("message")
        return f"{message} [{code}]" if message and code and message != code else str(message or code or "")
    return str(value) if value else None


def results(answer: dict[str, Any]) -> None:
    """Print the nested result of a job; where no tree can be made, the flat list of its block runs."""
    if answer.get("flat"):
        heads = ("block run", "kind", "state", "reason")
        table(heads, [(r.get("path"), r.get("kind"), r.get("state"), reason(r.get("reason"))) for r in answer["items"]])
        return
    tree = Tree(_node_label(answer), guide_style="dim")
    _grow(tree, answer)
    console().print(tree)


def _grow(tree: Tree, node: dict[str, Any], *, in_pass: bool = False) -> None:
    passes = node.get("iterations")
    if passes:
        for one in passes:
            _grow_children(tree.add(Text(f"pass {one['index']}", style="dim")), one["children"], in_pass=True)
    else:
        _grow_children(tree, node.get("children") or (), in_pass=in_pass)


def _grow_children(tree: Tree, children: Iterable[dict[str, Any]], *, in_pass: bool = False) -> None:
    for child in children:
        label = _node_label(child, counts=not in_pass)
        if child.get("branch") not in (None, "default"):
            label = Text.assemble((f"{child['branch']}: ", "dim"), label)
        _grow(tree.add(label), child, in_pass=in_pass)


def _node_label(node: dict[str, Any], *, counts: bool = True) -> Text:
    """`counts`: say how often it ran; below a pass that number would be of all passes."""
    run = node.get("run") or {}
    name, kind = str(node["block_name"]), str(node.get("label") or node["kind"])
    label = Text.assemble((name, "bold"), " ", (kind, "dim"), "  ")
    label.append_text(text(run.get("state") or "not executed"))
    if counts and node.get("runs", 0) > 1 and not node.get("iterations"):
        label.append(f"  x{node['runs']}", style="dim")
    if run.get("outputs"):
        label.append(f"  {json.dumps(run['outputs'], ensure_ascii=False)[:160]}")
    if run.get("reason"):
        label.append(f"  {reason(run['reason'])}", style="red")
    return label
