"""Makes docs/cli.md from the commands themselves, so that every option is documented and none that does not exist."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.main import SUBCOMMANDS, load
from cli.options import SHARED

TEMPLATE = Path(__file__).parent / "cli.template.md"
SHARED_NAMES = frozenset(SHARED)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, groups unfolded."""
    for name in SUBCOMMANDS:
        found = load(name)
        if hasattr(found, "commands"):
            yield from ((f"{name} {word}", one) for word, one in found.commands.items())
        else:
            yield name, found


def options(command: Any) -> list[Any]:
    """Its options, without --help."""
    return [one for one in command.params if one.param_type_name == "option" and one.name != "help"]


def arguments(command: Any) -> list[str]:
    """Its arguments as people write them."""
    return [str(one.metavar or one.name.upper()) for one in command.params if one.param_type_name == "argument"]


def is_client(command: Any) -> bool:
    """Whether it asks a box, and so has the shared options."""
    return {one.name for one in command.params} >= SHARED_NAMES


def section(name: str, command: Any) -> str:
    """One command: how to write it, what it does, its options."""
    line = " ".join(["yardmaster", name, *arguments(command)])
    shared = is_client(command)
    own = [one for one in options(command) if not (shared and one.name in SHARED_NAMES)]
    listed = [f"| {_names(one)} | {_help(one)} |" for one in own]
    table = ["| option | meaning |", "|---|---|", *listed] if listed else []
    ends = [f"Also {', '.join(f'`{flag(one)}`' for one in _shared(command))}."] if shared else []
    help_text = " ".join(str(command.help or "").split())
    return "\n".join([f"### `{line}`", help_text, "", *table, *([""] if table and ends else []), *ends]).rstrip() + "\n"


def flag(option: Any) -> str:
    """Longest way to write an option."""
    return str(max(option.opts, key=len))


def _shared(command: Any) -> list[Any]:
    return [one for one in options(command) if one.name in SHARED_NAMES]


def _names(option: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _help(option: Any) -> str:
    words = " ".join(str(option.help or "").split()).replace("|", "\\|")
    return f"{words} Required." if option.required else words


def cli_page() -> str:
    """The whole page."""
    sections = ["### `yardmaster --version`\nShow the version and exit.\n"]
    sections += [section(name, command) for name, command in commands()]
    return TEMPLATE.read_text(encoding="utf-8").replace("{{commands}}", "\n".join(sections).rstrip())
