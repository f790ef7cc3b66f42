"""Every option of an agent: from a TOML file, the environment (YARDMASTER_AGENT_…) and flags, later ones winning."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from config.settings import Address, BadSettings, HostPort, Long, Prefix, Secret, Short, address, words
from schemas.ids import Slug
from schemas.robot import KindOfRobot, Tag
from schemas.topics import DEFAULT_PREFIX

PREFIX = "YARDMASTER_AGENT_"
BESIDE = ("password_file", "ca_file", "certificate", "key", "token_file")
"""What a settings file names relative to itself: these files come with it, in one folder."""

Queues = Annotated[tuple[Slug, ...], NoDecode, BeforeValidator(words), Field(max_length=32)]
Tags = Annotated[tuple[Tag, ...], NoDecode, BeforeValidator(words), Field(max_length=32)]
Words = Annotated[tuple[str, ...], Field(max_length=100)]
"""A program and its arguments; as an environment variable a JSON list."""
BoxUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@\s]+/?$", max_length=300)]


def is_readable_on_the_way(url: str) -> bool:
    """Whether what is sent there leaves this machine, and not encrypted."""
    return url.startswith("http://") and not Address(urlsplit(url).hostname or "", 0).is_loopback


class AgentSettings(BaseSettings):
    """What `yardmaster agent` may be told."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, validate_default=True
    )

    name: Slug = Field(description="robot id: user name and client id at the broker")
    kind: KindOfRobot = Field("agv", description="agv, rpa, station or a word of your own")
    label: str | None = Field(None, max_length=200, description="the robot's name for people")
    driver: str | None = Field(
        None,
        description="rpa, simulated or none; unset: simulated with a `fleet`, rpa for kind rpa, else none",
    )
    mqtt: HostPort = Field("127.0.0.1:1883", description="where the broker is")
    password: Secret | None = Field(None, description="the robot's password at the broker")
    password_file: Path | None = Field(
        None, description="file with that password, or JSON of robot to password; read anew at each connection"
    )
    tls: bool | None = Field(
        None,
        description="speak TLS with the broker; unset: if `ca_file` or `certificate` is given, and wherever a password "
        "would leave this machine; false: password and token go in clear",
    )
    ca_file: Path | None = Field(
        None, description="certificate by which the box is known, for broker and HTTP; unset: as the system trusts"
    )
    certificate: Path | None = Field(None, description="the robot's own certificate for the broker")
    key: Path | None = Field(None, description="private key of `certificate`")
    topic_prefix: Prefix = Field(DEFAULT_PREFIX, description="first words of every MQTT topic, as on the box")
    data_dir: Path | None = Field(None, description="folder of this agent's journal alone; unset: var/agents/NAME")
    http: BoxUrl | None = Field(
        None,
        description="the box over HTTP, https://HOST:PORT (on this machine also http://); with `token_file`: uploads "
        "and secrets",
    )
    token_file: Path | None = Field(
        None, description="file with the robot's token, or JSON of robot to token; made by `yardmaster token create`"
    )
    queues: Queues = Field((), description="queues a box with `auto_accept` puts an unknown robot in")
    tags: Tags = Field((), description="tags a box with `auto_accept` gives an unknown robot")
    capacity: Annotated[int, Field(ge=1, le=64)] = Field(1, description="attempts at once; above 1 for stations only")
    commands: dict[str, Any] = Field(
        default_factory=dict,
        description="driver rpa: what may be run, name to {argv, cwd, env, timeout_s}",
    )
    recorder: Words = Field(
        (), description="driver rpa: program that records the screen into {output}, around each run, as a list of words"
    )
    screenshot: Words = Field(
        (), description="driver rpa: program that takes a picture of the screen into {output}, after a failure"
    )
    recordings_mb: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        500, description="recordings that may wait on the robot for their upload, in MB; further ones are not kept"
    )
    fleet: Path | None = Field(None, description="driver simulated: fleet file that describes this robot")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is logged")
    log_format: Literal["plain", "json"] = Field("plain", description="lines for people, or one JSON object a line")

    heartbeat_s: Short = Field(2.0, description="time between two heartbeats")
    grant_age_s: Long = Field(15.0, description="a grant counts only if it was asked for less than this long ago")
    resend_first_s: Short = Field(5.0, description="unacknowledged reports are sent again after this, then doubling")
    resend_max_s: Long = Field(30.0, description="the longest time between two sendings of a report")
    reconnect_first_s: Short = Field(0.5, description="longest first wait before connecting again, then doubling")
    reconnect_max_s: Long = Field(30.0, description="the longest wait before connecting again")
    journal_rows: Annotated[int, Field(ge=100, le=1_000_000)] = Field(
        20_000, description="unacknowledged reports kept before the oldest log lines are dropped"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for kind in ("resend", "reconnect"):
            if getattr(self, f"{kind}_first_s") > getattr(self, f"{kind}_max_s"):
                raise ValueError(f"{kind}_first_s: at most {kind}_max_s")
        self._shown_agrees()
        for name in ("recorder", "screenshot"):
            words = getattr(self, name)
            if words and not any("{output}" in word for word in words[1:]):
                raise ValueError(f"{name}: one of its arguments must name {{output}}, the file to write")
        if self.capacity > 1 and self.kind != "station":
            raise ValueError("capacity: more than 1 is for kind station")
        return self

    def _shown_agrees(self) -> None:
        if (self.http is None) != (self.token_file is None):
            raise ValueError("http: needs token_file, and token_file needs http")
        if self.password is not None and self.password_file is not None:
            raise ValueError("password_file: or password, not both")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate: needs key, and key needs certificate")
        if self.tls is not False and self._token_in_clear():
            raise ValueError(
                f"http: {self.http} is refused: the token could be read on the way; say https://, or tls = false for a "
                "way that nobody reads"
            )

    def _token_in_clear(self) -> bool:
        return self.http is not None and is_readable_on_the_way(self.http)

    @property
    def in_clear(self) -> list[str]:
        """What others on the way to another machine can read, because these settings say so."""
        has_password = self.password is not None or self.password_file is not None
        password = has_password and not self.speaks_tls and not self.mqtt_at.is_loopback
        return ["password"] * password + ["token"] * self._token_in_clear()

    @property
    def mqtt_at(self) -> Address:
        """Where the broker is, taken apart."""
        return address(self.mqtt)

    @property
    def speaks_tls(self) -> bool:
        """Whether the broker is spoken to by TLS."""
        if self.tls is not None:
            return self.tls
        if self.ca_file is not None or self.certificate is not None:
            return True
        return not self.mqtt_at.is_loopback and (self.password is not None or self.password_file is not None)

    @property
    def uploads(self) -> bool:
        """Whether what the robot records can go to the box."""
        return self.http is not None

    @property
    def folder(self) -> Path:
        """Where the journal is."""
        return self.data_dir or Path("var") / "agents" / self.name

    @property
    def driver_name(self) -> str:
        """The driver that is meant."""
        if self.driver is not None:
            return self.driver
        if self.fleet is not None:
            return "simulated"
        return "rpa" if self.kind == "rpa" else "none"


def load_agent(config: Path | None = None, **flags: Any) -> AgentSettings:
    """Settings from all sources, a flag that is None or empty counting as not given; raises `BadSettings`."""
    given = {name: value for name, value in flags.items() if value is not None and value != ()}
    stored = {name: value for name, value in _from_file(config).items() if PREFIX + name.upper() not in os.environ}
    if config is not None:
        stored |= {name: config.parent / stored[name] for name in BESIDE if isinstance(stored.get(name), str)}
    try:
        return AgentSettings(**(stored | given))
    except ValidationError as error:
        raise BadSettings([_line(problem) for problem in error.errors(include_url=False)]) from error


def agent_table() -> str:
    """The options as a Markdown table."""
    lines = ["| option | default | what it does |", "|---|---|---|"]
    for name, field in AgentSettings.model_fields.items():
        default = "" if field.is_required() or field.default in (None, ()) or field.default_factory else field.default
        lines.append(f"| `{name}` | {f'`{default}`' if default != '' else ''} | {field.description} |")
    return "\n".join(lines) + "\n"


def _from_file(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSettings([f"settings file {config}: {error}"]) from error


def _line(problem: Any) -> str:
    """Which option, what it was, what is allowed."""
    option = str(problem["loc"][0]) if problem["loc"] else ""
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not option:
        return message
    if problem["type"] == "extra_forbidden":
        return f"{option}: no such option"
    value = "" if option == "password" or problem["type"] == "missing" else f" {problem['input']!r}:"
    return f"{option}:{value} {message} (flag, {PREFIX}{option.upper()} or the settings file)"
