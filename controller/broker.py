"""The broker of the box: what it is told, and who may say what on it; a disposable pipe that keeps nothing."""

import os
import pwd
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.disk import write_private
from config.settings import Address
from controller.store.credentials import Credential
from schemas.topics import TO_AGENT, TO_CONTROLLER, Topics

AMQTT_LIMITS = (
    "mosquitto was not found: the broker is amqtt, which is for a demo with up to 20 robots, NOT for work. "
    "It knows no access rules, so every robot can speak for every other. Install mosquitto and start again."
)
CONTROLLER = "yardmaster"
CONFIG, RULES, PASSWORDS, PID = "mosquitto.conf", "acl", "passwords", "pid"
_CONFIG = """# Written at every start by yardmaster serve; changes here are lost.
pid_file {pid}
listener {port} {host}
{way_in}
# The client id is the user name, so the access rules hold and nobody has two connections.
use_username_as_clientid true
acl_file {acl}
# Truth is in the controller's database and the agents' journals; the broker's own would only delay both.
persistence false
# Without it a round trip takes 26 to 85 ms instead of 0.5.
set_tcp_nodelay true
# Beyond these a consumer that stalls would lose messages silently; the largest is an assign of 1 MiB.
max_inflight_messages 1000
max_queued_messages 1000000
max_queued_bytes 268435456
max_packet_size 1100000
# Started as root it would become another user, who cannot read a folder that is root's alone.
user {user}
log_dest stderr
log_type error
log_type warning
connection_messages false
{more}"""
_OPEN = """# Names are taken as they are given until a robot is enrolled; the listener is on loopback for that reason.
allow_anonymous true"""
_LOCKED = """allow_anonymous false
password_file {passwords}"""
_TLS = """
# Robots elsewhere, with passwords.
listener {port} {host}
use_username_as_clientid true
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
"""
_CERTIFICATES = """
# Robots elsewhere, each known by the name in the certificate that this box has signed.
listener {port} {host}
use_username_as_clientid true
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
cafile {ca}
crlfile {crl}
require_certificate true
use_identity_as_username true
"""


@dataclass(frozen=True)
class Tls:
    """The box's certificate, who signs those of robots, and where each of the two listeners is, if it is wanted."""

    certificate: Path
    key: Path
    ca: Path
    crl: Path
    passwords: Address | None = None
    certificates: Address | None = None


@dataclass(frozen=True)
class BrokerPlan:
    """How the box's mosquitto is set up; `own` has the hashed passwords of the box's own clients, by user name."""

    folder: Path
    address: Address
    topics: Topics
    own: Mapping[str, str] = field(default_factory=dict)
    tls: Tls | None = None


Robots = Sequence[Credential] | None
"""Who may come in; None: whoever can reach the listener, under the name that he gives."""


def access_rules(topics: Topics, robots: Robots = None, own: Sequence[str] = ()) -> str:
    """The controller may do everything below the prefix; a robot, known by its user name, only what is its own."""
    lines = ["# Written by Yardmaster; changes here are lost.", f"user {CONTROLLER}"]
    lines += [f"topic readwrite {topics.prefix}/#", ""]
    if robots is None:
        lines += _reach("pattern", topics, "%u")
    else:
        for name in dict.fromkeys((*own, *(one.robot for one in robots))):
            if name != CONTROLLER:
                lines += [f"user {name}", *_reach("topic", topics, name), ""]
    return "\n".join(lines) + "\n"


def _reach(word: str, topics: Topics, name: str) -> list[str]:
    read = [f"{word} read {topics.of(name, kind)}" for kind in TO_AGENT]
    return read + [f"{word} write {topics.of(name, kind)}" for kind in TO_CONTROLLER]


def passwords(own: Mapping[str, str], robots: Sequence[Credential]) -> str:
    """mosquitto's file of passwords; the box's own clients come before any robot of the same name."""
    lines = {one.robot: one.hash for one in robots if one.hash is not None} | dict(own)
    return "".join(f"{name}:{hash_}\n" for name, hash_ in sorted(lines.items()))


def write_config(plan: BrokerPlan, robots: Robots = None) -> Path:
    """Write mosquitto's configuration, access rules and passwords; gives the configuration's path."""
    plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in broker_files(plan, robots).items():
        write_private(plan.folder / name, text)  # mosquitto warns about what others may read
    return plan.folder / CONFIG


def broker_files(plan: BrokerPlan, robots: Robots) -> dict[str, str]:
    """Every file that mosquitto reads, by its name."""
    files = {
        CONFIG: _config(plan, locked=robots is not None),
        RULES: access_rules(plan.topics, robots, tuple(plan.own)),
    }
    return files if robots is None else files | {PASSWORDS: passwords(plan.own, robots)}


def _config(plan: BrokerPlan, *, locked: bool) -> str:
    folder, tls = plan.folder, plan.tls
    more = ""
    if tls is not None:
        files = {name: getattr(tls, name) for name in ("certificate", "key", "ca", "crl")}
        for text, where in ((_TLS, tls.passwords), (_CERTIFICATES, tls.certificates)):
            more += "" if where is None else text.format(host=where.host, port=where.port, **files)
    return _CONFIG.format(
        host=plan.address.host,
        port=plan.address.port,
        acl=folder / RULES,
        pid=folder / PID,
        way_in=_LOCKED.format(passwords=folder / PASSWORDS) if locked else _OPEN,
        user=pwd.getpwuid(os.getuid()).pw_name,
        more=more,
    )


def mosquitto_command(program: str, folder: Path) -> list[str]:
    """How to start mosquitto with what was written into a folder."""
    return [program, "-c", str(folder / CONFIG)]


def amqtt_command(address: Address) -> list[str]:
    """How to start the broker that comes with the Python packages."""
    return [sys.executable, "-m", "controller.demo_broker", str(address)]


def tell_mosquitto(folder: Path, number: signal.Signals) -> bool:
    """Signal the mosquitto that runs with this folder's configuration; False if there is none."""
    try:
        pid = int((folder / PID).read_text())
        told = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if str(folder / CONFIG).encode() not in told:  # the number is somebody else's by now
            return False
        os.kill(pid, number)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return False
    return True
