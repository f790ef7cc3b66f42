"""Other people's files are the ones that were published, each with its licence beside it."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = (ROOT / "web/static/vendor", ROOT / "tests/browser/vendor")
ROW = re.compile(r"\| (?P<file>\S+) \| .+ \| .+\((?P<licence>\S+)\) \| (?P<digest>[0-9a-f]{64}) \|")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.parent.name)
def test_each_file_is_in_the_table_and_as_published(folder: Path) -> None:
    rows = {m["file"]: m for m in ROW.finditer((folder / "README.md").read_text(encoding="utf-8"))}
    libraries = {f.name for f in folder.iterdir() if f.suffix in (".js", ".css")}
    assert set(rows) == libraries
    for name, row in rows.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == row["digest"]
        assert (folder / row["licence"]).is_file()
