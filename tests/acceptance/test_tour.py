"""The README's tour, word for word: its commands are run as they stand there, only in folders of their own."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.client import Client, find_token
from tests.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.usefixtures("mosquitto")
BIN = shlex.quote(f"{sys.prefix}/bin")
"""A folder's name may hold a blank."""
FOREGROUND = ("scripts/demo", "yardmaster agent ")
"""Commands that stay: the tour gives each a terminal of its own."""


def commands() -> list[str]:
    """What the tour tells people to type, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tour = text.split("\n## Five minutes\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", tour, re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


class Terminals:
    """What people have open: one for what is typed, one for each thing that stays."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.typed = folder, ["set -e"]
        self.stay: list[subprocess.Popen[str]] = []
        self.env = os.environ | {"YARDMASTER_AGENT_DATA_DIR": str(folder / "office-1")}

    def elsewhere(self, command: str) -> str:
        """The same in this test's folders: nobody's own demonstration is touched."""
        return command.replace("var/", f"{self.folder}/").replace(". .venv/bin/", f". {BIN}/")

    def start(self, command: str) -> None:
        """In a terminal of its own."""
        where = f" --data-dir {self.folder}/demo" if command == "scripts/demo" else ""
        log = (self.folder / f"terminal-{len(self.stay)}").open("w", encoding="utf-8")
        self.stay.append(subprocess.Popen(
            ["bash", "-c", f"PATH={BIN}:$PATH exec {command}{where}"],
            cwd=ROOT, env=self.env, text=True, stdout=log, stderr=log, start_new_session=True,
        ))  # fmt: skip

    def type(self, command: str) -> str:
        """In the terminal that remembers what was set before; it must succeed."""
        script = "\n".join([*self.typed, "echo '--'", self.elsewhere(command)])
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout.split("--\n", 1)[1]

    def remember(self, command: str) -> None:
        """Settings that hold for what follows; what was made is not made again."""
        name, _, value = command.partition("=")
        made = re.fullmatch(r"\$\((.*)\)", value)
        self.typed.append(f"{name}={self.type(made[1]).strip()}" if made else self.elsewhere(command))

    def ready(self) -> dict[str, str]:
        """Where the demonstration's box is, once it says so."""
        path, said = self.folder / "demo" / "ready.json", self.folder / "terminal-0"
        wait_for(lambda: "open  http" in said.read_text(encoding="utf-8"), 90, "the demonstration prints its address")
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def close(self) -> None:
        """Ctrl-C in each, the last one first."""
        for process in reversed(self.stay):
            process.send_signal(signal.SIGINT)
            process.wait(60)


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    opened = Terminals(tmp_path)
    yield opened
    opened.close()


@pytest.mark.timeout(300)
def test_every_command_of_the_tour_does_what_it_says(terminals: Terminals) -> None:
    typed = commands()
    assert typed[0] == "scripts/demo"
    for command in typed:
        if command.startswith(FOREGROUND):
            terminals.start(command)
            _wait_until_it_is_there(terminals, command)
        elif re.match(r"(export )?[A-Z_]+=|\. ", command):
            terminals.remember(command)
        else:
            CHECKS.get(command.split(" --")[0], str)(terminals.type(command))


def _wait_until_it_is_there(terminals: Terminals, command: str) -> None:
    ready = terminals.ready()
    terminals.env["YARDMASTER_AGENT_MQTT"] = ready["mqtt"]
    if command.startswith("yardmaster agent"):
        with Client(ready["http"], find_token(None, None, terminals.folder / "demo")) as client:
            wait_for(lambda: "office-1" in {r["id"] for r in client.every("/robots")}, 30, "the robot is on the page")


def _says(*words: str) -> Callable[[str], None]:
    def check(said: str) -> None:
        assert all(word in said for word in words), said

    return check


CHECKS: dict[str, Callable[[str], object]] = {
    "yardmaster robot list": _says("AGV-03", "RPA-01"),
    "yardmaster deployment list": _says("supply-cell"),
    "yardmaster job submit": _says("succeeded"),
    "yardmaster job cancel $JOB": _says("cancel"),
    "yardmaster flow save cli/examples/first/count.json": _says("count"),
    "yardmaster job list": _says("succeeded", "office-1"),
}
"""What a reader sees when it worked."""
