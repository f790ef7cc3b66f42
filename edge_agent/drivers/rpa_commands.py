"""The commands that a robot's own configuration allows, and how a flow's arguments join them."""

import codecs
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from edge_agent.mask import Secret
from schemas.reference import is_secret

MAX_ARGUMENTS, MAX_ARGUMENT = 256, 32_768
MAX_SECRETS = 32
OUR_PREFIX = "YARDMASTER_"
"""Variables of the agent (they may hold its password) that no command gets to see."""
SECRET_PREFIX = OUR_PREFIX + "SECRET_"
"""Variables in which a command finds its secrets. Their names begin with ours, so that no flow can set `PATH`."""
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z", re.ASCII)


class BadCommand(ValueError):
    """The operation names nothing that this machine may run; the message is a sentence for people."""


class Command(BaseModel):
    """One allowed program. `argv` is started as it is: no shell reads it, nor the arguments behind it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    argv: Annotated[tuple[str, ...], Field(min_length=1)]
    cwd: Path | None = Field(default=None, description="absent: a folder of its own for each run")
    env: dict[str, str] = Field(default_factory=dict)
    timeout_s: Annotated[float | None, Field(gt=0, le=86_400, description="a block may only shorten it")] = None
    encoding: str = Field(default="utf-8", description="of what it prints")

    @field_validator("argv")
    @classmethod
    def _no_batch_file(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        if PureWindowsPath(argv[0]).suffix.lower() in (".bat", ".cmd"):
            raise ValueError("Windows runs batch files through a shell; name the program itself")
        return argv

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            return codecs.lookup(encoding).name
        except LookupError as error:
            raise ValueError(str(error)) from error


class RpaSettings(BaseModel):
    """What an RPA robot's configuration holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path
    commands: dict[Annotated[str, Field(min_length=1, max_length=64)], Command] = Field(default_factory=dict)
    recorder: tuple[str, ...] = ()
    screenshot: tuple[str, ...] = ()
    record: bool = False
    """Whether anybody uploads what is recorded."""


def command_of(inputs: Mapping[str, Any], commands: Mapping[str, Command]) -> tuple[Command, tuple[str, ...]]:
    """The command a block names, and its whole argument list; raises `BadCommand`."""
    name = inputs.get("command") or inputs.get("package")
    if not isinstance(name, str) or name not in commands:
        raise BadCommand(f"there is no command {name!r} on this machine")
    command = commands[name]
    return command, (*command.argv, *_arguments(inputs.get("arguments")))


def _arguments(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list | tuple) or len(given) > MAX_ARGUMENTS:
        raise BadCommand(f"arguments must be a list of at most {MAX_ARGUMENTS} texts")
    return tuple(_argument(number, value) for number, value in enumerate(given, 1))


def _argument(number: int, value: object) -> str:
    if isinstance(value, Secret) or is_secret(value):
        raise BadCommand(f"argument {number} is a secret, and everybody sees command lines; pass it on in `secrets`")
    # Numbers are common in flows and have one spelling; everything else would be somebody's guess.
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise BadCommand(f"argument {number} must be a text or a number")
    if "\0" in text or len(text) > MAX_ARGUMENT:
        raise BadCommand(f"argument {number} holds a null character or is longer than {MAX_ARGUMENT}")
    return text


def secret_variables(inputs: Mapping[str, Any]) -> dict[str, str]:
    """What a block has under `secrets`, as the variables in which its command finds them; raises `BadCommand`."""
    given = inputs.get("secrets") or {}
    if not isinstance(given, Mapping) or len(given) > MAX_SECRETS:
        raise BadCommand(f"secrets must be an object of at most {MAX_SECRETS} texts")
    for name, value in given.items():
        if not _SECRET_NAME.match(str(name)) or not isinstance(value, str) or "\0" in value:
            raise BadCommand("secrets are texts without a null character, called by letters, digits and _")
    return {SECRET_PREFIX + str(name).upper(): str(value) for name, value in given.items()}


def environment(command: Command, *own: Mapping[str, str]) -> dict[str, str]:
    """The agent's environment without the agent's own settings, the command's, and what this run adds."""
    found = {name: value for name, value in os.environ.items() if not name.upper().startswith(OUR_PREFIX)}
    for more in (command.env, *own):
        found |= more
    return found


def find_program(program: str, folder: Path, env: Mapping[str, str]) -> str:
    """Where a program lies; raises `BadCommand` when it cannot be started from `folder`."""
    if not folder.is_dir():
        raise BadCommand(f"the folder {folder} does not exist")
    has_folder = os.sep in program or bool(os.altsep and os.altsep in program)
    found = shutil.which(str(folder / program) if has_folder else program, path=env.get("PATH"))
    if found is None:
        raise BadCommand(f"the program {program!r} is not on this machine, or may not be run")
    return found
