"""Writes every document that is made from the code; with --check only says which are stale."""

import sys
from pathlib import Path

from config.agent import agent_table
from scripts.api_docs import api_page
from scripts.cli_docs import cli_page
from scripts.lifecycle_docs import lifecycle_page
from scripts.wire_docs import DOCS, ROOT, whole_schema, wire_page


def robots_page() -> str:
    """How to connect a robot, with the agent's options."""
    template = ROOT / "scripts" / "robots.template.md"
    return template.read_text(encoding="utf-8").replace("{{options}}", agent_table().rstrip())


def made() -> dict[Path, str]:
    """Every document that is made from the code, with what it must say."""
    return {
        DOCS / "wire.md": wire_page(),
        DOCS / "wire-schema.json": whole_schema(),
        DOCS / "cli.md": cli_page(),
        DOCS / "robots.md": robots_page(),
        DOCS / "lifecycle.md": lifecycle_page(),
        DOCS / "api.md": api_page(),
    }


def main() -> int:
    """Write what is stale, or name it."""
    pages = made()
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        name = path.relative_to(ROOT)
        if "--check" in sys.argv[1:]:
            print(f"{name} is stale: run scripts/docs", file=sys.stderr)
        else:
            path.write_text(pages[path], encoding="utf-8")
            print(f"wrote {name}")
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
