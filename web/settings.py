"""What the web server is told when it starts, as JSON in the environment of its worker."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

VARIABLE = "YARDMASTER_WEB"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
KEPT_THREADS = 64
"""Threads that streams never take, so that requests are always answered."""


@dataclass(frozen=True)
class WebSettings:
    """Where the box keeps its data, under which names it may be called, how many threads the server has."""

    data_dir: Path
    allowed_hosts: tuple[str, ...] = LOOPBACK
    threads: int = 320
    own_addresses: bool = False
    """Whether it may also be called by every address that its machine has at that moment."""
    zone: str = "UTC"
    """The site's time zone, by its IANA name."""
    project_id: str | None = None
    """The only one that scheduled-task records answer to; None: any."""
    demo: bool = False
    """Whether the page for signing in offers the demonstration's account with one click, on this machine."""
    answer_wait_s: float = 10.0
    """How long a request of a format that waits for the robot does so."""
    force_s: float = 30.0
    """After how long without a robot's answer a person's word ends a job."""
    mqtt: str = "127.0.0.1:1883"
    mqtts: str | None = None
    mqtts_certificates: str | None = None
    """Where robots connect: on this machine, by TLS with passwords, by TLS with certificates."""
    names: tuple[str, ...] = ()
    """Further names of the box, as its owner says."""
    certificate: str | None = None
    """The file of the certificate that robots are shown; None: no listener has TLS."""
    asks_robots: bool = True
    """Whether the broker is one that the box can have ask robots for credentials."""
    own_authority: bool = False
    """Whether the box is known by a certificate that it has made itself."""
    behind_proxy: bool = False
    """A proxy ends TLS, and what it says about who asks and how is believed."""

    @property
    def database(self) -> Path:
        """The controller's database, which the web only reads."""
        return self.data_dir / "yardmaster.db"

    @property
    def max_streams(self) -> int:
        """How many streams may be open at once."""
        return max(1, self.threads - KEPT_THREADS)

    def to_json(self) -> str:
        """As the worker reads it from its environment."""
        return json.dumps(asdict(self) | {"data_dir": str(self.data_dir)})

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "WebSettings":
        """Read `YARDMASTER_WEB`; raises `KeyError` or `ValueError`."""
        given: dict[str, Any] = json.loads(environment[VARIABLE])
        hosts, names = tuple(given.pop("allowed_hosts", LOOPBACK)), tuple(given.pop("names", ()))
        return cls(data_dir=Path(given.pop("data_dir")), allowed_hosts=hosts, names=names, **given)
