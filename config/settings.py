"""Every option of the box: from a TOML file, the environment (YARDMASTER_...) and flags, the later ones winning."""

import difflib
import os
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from schemas.topics import DEFAULT_PREFIX, Topics

PREFIX = "YARDMASTER_"
PART_VARIABLE = "YARDMASTER_PART"
"""Settings as JSON, from `yardmaster serve` to the processes that it starts."""
FLAGS = ("data_dir", "http", "mqtt", "broker", "log_level", "log_format")
"""Options that `yardmaster serve` also takes as flags."""
KEPT_THREADS = 64
"""Web threads that are kept for plain requests, whatever number of streams is open."""


class BadSettings(ValueError):
    """The box cannot start with these settings; `lines` says which option and what is allowed."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Address(NamedTuple):
    """Where something listens."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """Read HOST:PORT or [IPv6]:PORT; raises `ValueError`."""
    host, _, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("HOST:PORT is wanted, with a port from 0 to 65535")
    return Address(host, int(port))


def _is_prefix(text: str) -> str:
    return Topics(text).prefix


def _is_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("an IANA name like Europe/Berlin is wanted") from error


def _is_cron(text: str) -> str:
    from schemas.due import check_cron  # needs a package that only the box has

    return check_cron(text) if text.strip() else ""


def local_zone() -> str:
    """The machine's time zone by its IANA name; UTC where it does not say."""
    found = Path("/etc/localtime").resolve().as_posix().partition("/zoneinfo/")[2]
    try:
        return ZoneInfo(found).key if found else "UTC"
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"


def words(value: Any) -> Any:
    """A list may be written as words with commas between them, as environments want it."""
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:._-]{1,253}$")]
HostPort = Annotated[str, AfterValidator(lambda text: str(address(text)))]
Names = Annotated[tuple[HostName, ...], NoDecode, BeforeValidator(words), Field(max_length=32)]
Prefix = Annotated[str, AfterValidator(_is_prefix)]
Zone = Annotated[str, AfterValidator(_is_zone)]
Cron = Annotated[str, AfterValidator(_is_cron)]
Secret = Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json")]
Short = Annotated[float, Field(ge=0.1, le=60, allow_inf_nan=False)]
Long = Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)]
Days = Annotated[int, Field(ge=1, le=36_500)]
Count = Annotated[int, Field(ge=1, le=1000)]


class ServeSettings(BaseSettings):
    """What `yardmaster serve` may be told; docs/settings.md is made from it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, validate_default=True
    )

    data_dir: Path = Field(Path("var"), description="folder of the database and all else the box keeps")
    http: HostPort = Field("127.0.0.1:8080", description="where the console and the API listen; port 0: a free one")
    mqtt: HostPort = Field("127.0.0.1:1883", description="where robots connect; port 0: a free one")
    broker: Literal["auto", "mosquitto", "amqtt", "external"] = Field(
        "auto", description="mosquitto; amqtt (demo only); external: already running at `mqtt`; auto: the best found"
    )
    mqtt_passwords: Literal["auto", "on"] = Field(
        "auto",
        description="on: every robot needs a credential (`robot enrol`); auto: from the first one that is enrolled, "
        "and wherever `mqtts` or `mqtts_certificates` is set",
    )
    mqtts: HostPort | None = Field(
        None, description="where robots on other machines connect, by TLS with their passwords; unset: nowhere"
    )
    mqtts_certificates: HostPort | None = Field(
        None, description="the same for robots that show a certificate of this box instead of a password"
    )
    broker_user: str = Field("yardmaster", min_length=1, max_length=64, description="user name at an external broker")
    broker_password: Secret | None = Field(None, description="password at an external broker")
    topic_prefix: Prefix = Field(DEFAULT_PREFIX, description="first words of every MQTT topic")
    https: bool | None = Field(
        None, description="serve console and API by TLS; unset: wherever `http` is not loopback, unless `behind_proxy`"
    )
    behind_proxy: bool = Field(
        default=False,
        description="a proxy of yours ends TLS and passes `Host` on; its X-Forwarded-For and -Proto are believed",
    )
    names: Names = Field(
        (), description="further names and addresses by which this box is called, in its certificate and by browsers"
    )
    tls_certificate: Path | None = Field(
        None, description="certificate of the box (with its chain) for TLS; unset: one that the box makes itself"
    )
    tls_key: Path | None = Field(None, description="private key of `tls_certificate`")
    auto_accept: bool | None = Field(
        None,
        description="take unknown robots from their first heartbeat; unset: only while all of MQTT is loopback",
    )
    station: bool = Field(default=True, description="run the station agent of the box (robot and queue `station`)")
    web_threads: Annotated[int, Field(ge=72, le=2000)] = Field(
        320, description="threads of the web server; 64 are kept for requests, the others may hold open streams"
    )
    time_zone: Zone = Field(
        default_factory=local_zone, description="the site's zone, by its IANA name; unset: the machine's"
    )
    project_id: str | None = Field(
        None, min_length=1, max_length=255, description="the only project id that scheduled-task records answer to"
    )
    answer_wait_s: Annotated[float, Field(ge=0, le=60)] = Field(
        10.0, description="how long requests that wait for a robot's answer (stop, reRun, resume) do so"
    )
    demo: bool = Field(
        default=False,
        description="let people on this machine in with one click; only with `http` on loopback",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is logged")
    log_format: Literal["plain", "json"] = Field("plain", description="lines for people, or one JSON object a line")

    heard_s: Long = Field(6.0, description="a robot gets new work only if heard within this time")
    answer_s: Long = Field(10.0, description="an assign not answered for this long goes back to the queue")
    silent_s: Long = Field(25.0, description="a robot not heard for this long is silent: its job becomes uncertain")
    lease_s: Long = Field(15.0, description="how long a robot may go on unheard with a job of `on_lost: requeue`")
    force_s: Long = Field(30.0, description="a cancel unanswered for this long may be forced")
    resend_first_s: Short = Field(2.0, description="an unanswered message is sent again after this time, then doubling")
    resend_max_s: Long = Field(15.0, description="the longest time between two sendings of a message")
    retry_first_s: Short = Field(5.0, description="a failed job waits this long before its next attempt, then doubling")
    retry_max_s: Long = Field(60.0, description="the longest wait before a further attempt")
    refuse_first_s: Short = Field(5.0, description="a robot that refused is asked again after this, then doubling")
    refuse_max_s: Long = Field(300.0, description="the longest time until a robot that refused is asked again")
    failures_to_hold: Count = Field(3, description="failures of different jobs in a row that put a robot on hold")
    refusals_to_hold: Count = Field(5, description="refusals in a row that put a robot on hold")
    idempotency_days: Annotated[int, Field(ge=1, le=3650)] = Field(30, description="how long answered keys are known")
    check_start_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = Field(
        10.0, description="how long a start may check the database before anything works; the rest is checked later"
    )
    artifact_mb: Annotated[int, Field(ge=1, le=100_000)] = Field(
        200, description="the most that one screenshot, recording or file may have, in MB"
    )
    artifacts_per_attempt: Annotated[int, Field(ge=1, le=10_000)] = Field(
        500, description="screenshots, recordings and files of one attempt"
    )
    artifacts_gb: Annotated[float, Field(ge=0.1, le=100_000, allow_inf_nan=False)] = Field(
        20.0, description="the most that all of them together may have; above it no more are taken"
    )
    retain_jobs_days: Days = Field(365, description="how long ended jobs are kept, with their attempts, runs and moves")
    retain_logs_days: Days = Field(90, description="how long log rows of ended jobs are kept, and reports as they came")
    retain_artifacts_days: Days = Field(30, description="how long screenshots, video and files of ended jobs are kept")
    retain_audit_days: Days = Field(730, description="how long the audit is kept")
    data_gb: Annotated[float, Field(ge=0.01, le=100_000, allow_inf_nan=False)] = Field(
        50.0, description="the most that the database may have; above it the jobs that ended first go first"
    )
    ballast_mb: Annotated[int, Field(ge=0, le=10_000)] = Field(
        64,
        description="room that is kept free by a file, so that a full disk can still finish what runs; "
        "at most a twentieth of the disk, 0: none",
    )
    backup_cron: Cron = Field(
        "0 3 * * *", description="when a backup is made, as a cron expression in `time_zone`; empty: never by itself"
    )
    backup_keep: Count = Field(7, description="how many backups are kept")
    backup_dir: Path | None = Field(None, description="folder of the backups; unset: `backups` in the data directory")
    reconnect_first_s: Short = Field(0.5, description="first wait before connecting to the broker again, then doubling")
    reconnect_max_s: Long = Field(30.0, description="the longest wait before connecting to the broker again")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        self._doors_agree()
        if self.broker == "external" and self.mqtt_at.port == 0:
            raise ValueError("mqtt: an external broker has a port of its own; port 0 is for a broker started here")
        if self.demo and (self.behind_proxy or not self.http_at.is_loopback):
            raise ValueError("demo: only with http on a loopback address, and without a proxy")
        self._durations_agree()
        return self

    def _doors_agree(self) -> None:
        if not self.http_at.is_loopback and self.https is False and not self.behind_proxy:
            raise ValueError(
                f"https: with http on {self.http} passwords could be read on the way; only loopback is safe without TLS"
            )
        if self.broker != "external" and not self.mqtt_at.is_loopback:
            raise ValueError(
                f"mqtt: {self.mqtt} is refused: passwords could be read on the way, so only loopback is safe; robots "
                "on other machines connect by TLS: set mqtts (or broker = external, with a broker that checks them)"
            )
        if self.broker in ("external", "amqtt") and self.locks_mqtt:
            raise ValueError(f"broker: {self.broker} knows nothing of mqtts and mqtt_passwords; they need mosquitto")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate: needs tls_key, and tls_key needs tls_certificate")

    def _durations_agree(self) -> None:
        for kind in ("resend", "retry", "refuse", "reconnect"):
            if getattr(self, f"{kind}_first_s") > getattr(self, f"{kind}_max_s"):
                raise ValueError(f"{kind}_first_s: at most {kind}_max_s")
        if self.silent_s < self.lease_s + 5:
            raise ValueError("silent_s: at least lease_s + 5, or a job is given away before its robot has stopped")

    @property
    def http_at(self) -> Address:
        """Where HTTP listens, taken apart."""
        return address(self.http)

    @property
    def mqtt_at(self) -> Address:
        """Where MQTT is, taken apart."""
        return address(self.mqtt)

    @property
    def accepts_unknown(self) -> bool:
        """Whether a robot nobody declared is taken from its first heartbeat."""
        near = self.mqtt_at.is_loopback and self.mqtts is None and self.mqtts_certificates is None
        return near if self.auto_accept is None else self.auto_accept

    @property
    def locks_mqtt(self) -> bool:
        """Whether robots need credentials even if none was ever enrolled."""
        return self.mqtt_passwords == "on" or self.mqtts is not None or self.mqtts_certificates is not None

    @property
    def serves_tls(self) -> bool:
        """Whether the box's own HTTP server speaks TLS."""
        if self.https is None:
            return not self.http_at.is_loopback and not self.behind_proxy
        return self.https

    @property
    def speaks_tls(self) -> bool:
        """Whether any listener of the box shows a certificate."""
        return self.serves_tls or self.mqtts is not None or self.mqtts_certificates is not None

    @property
    def uses_own_authority(self) -> bool:
        """Whether the box is known by a certificate that it has made itself."""
        return self.speaks_tls and self.tls_certificate is None

    @property
    def url(self) -> str:
        """Where the console is, for who is on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.http_at.host, self.http_at.host)  # noqa: S104
        return f"{'https' if self.serves_tls else 'http'}://{Address(host, self.http_at.port)}"

    @property
    def streams(self) -> int:
        """How many streams may be open at once."""
        return min(self.web_threads - KEPT_THREADS, 256)


def load(config: Path | None = None, **flags: Any) -> ServeSettings:
    """Settings from all sources, a flag that is None counting as not given; raises `BadSettings`."""
    given = {name: value for name, value in flags.items() if value is not None}
    stored = {name: value for name, value in _from_file(config).items() if _variable(name) not in os.environ}
    try:
        return ServeSettings(**(stored | given))
    except ValidationError as error:
        raise BadSettings(explain(error)) from error


def from_supervisor() -> ServeSettings:
    """The settings that the supervisor handed to this process; raises `KeyError` when there is none."""
    return ServeSettings.model_validate_json(os.environ[PART_VARIABLE])


def _variable(option: str) -> str:
    return PREFIX + option.upper()


def _from_file(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSettings([f"settings file {config}: {error}"]) from error


def explain(error: ValidationError) -> list[str]:
    """One line for each wrong option: its name, what it was, what is allowed."""
    return [_line(problem) for problem in error.errors(include_url=False)]


def _line(problem: Any) -> str:
    option = str(problem["loc"][0]) if problem["loc"] else ""
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(option, ServeSettings.model_fields, 1)
        return f"{option}: no such option" + (f"; did you mean {near[0]}?" if near else "; docs/settings.md lists them")
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not option:
        return message
    value = "" if "password" in option else f" {problem['input']!r}:"
    flag = f"--{option.replace('_', '-')}, " if option in FLAGS else ""
    return f"{option}:{value} {message} ({flag}{_variable(option)} or the settings file)"


def table() -> str:
    """The options as a Markdown table, as docs/settings.md shows them."""
    schema = ServeSettings.model_json_schema(mode="validation")["properties"]
    lines = ["| option | default | allowed | what it does |", "|---|---|---|---|"]
    for name, entry in schema.items():
        default = entry.get("default")
        shown = "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        lines.append(f"| `{name}` | {shown} | {_allowed(name, entry)} | {entry['description']} |")
    return "\n".join(lines) + "\n"


def _allowed(name: str, entry: dict[str, Any]) -> str:
    if "enum" in entry:
        return ", ".join(f"`{word}`" for word in entry["enum"])
    if "minimum" in entry:
        return f"{entry['minimum']:g} to {entry['maximum']:g}"
    if name in ("http", "mqtt", "mqtts", "mqtts_certificates"):
        return "HOST:PORT" + (", loopback (any with `broker = external`)" if name == "mqtt" else "")
    words = {"boolean": "true, false", "string": "text"}
    kinds = [entry] if "type" in entry else entry.get("anyOf", [])
    return words.get(kinds[0].get("type", ""), "") if kinds else ""
