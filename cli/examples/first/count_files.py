"""Counts the files of a folder and hands the number to the flow, as any RPA command hands out its results."""

import json
import os
import sys
from pathlib import Path

folder = Path(sys.argv[1]).expanduser()
if not folder.is_dir():
    sys.exit(f"{folder} is no folder")
files = sum(one.is_file() for one in folder.iterdir())
sys.stdout.write(f"{folder} holds {files} files\n")
Path(os.environ["YARDMASTER_OUTPUT"]).write_text(json.dumps({"files": files}), encoding="utf-8")
