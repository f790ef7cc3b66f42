"""The broker of the box: what it is told, and who may say what on it; a disposable pipe that keeps nothing."""

import os
import pwd
import sys
from pathlib import Path

from config.settings import Address
from schemas.topics import TO_AGENT, TO_CONTROLLER, Topics

AMQTT_LIMITS = (
    "mosquitto was not found: the broker is amqtt, which is for a demo with up to 20 robots, NOT for work. "
    "It knows no access rules, so every robot can speak for every other. Install mosquitto and start again."
)
_CONFIG = """# Written at every start by yardmaster serve; changes here are lost.
listener {port} {host}
# Names are taken as they are given until robots have credentials; the listener is on loopback for that reason.
allow_anonymous true
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
"""


def access_rules(topics: Topics, controller: str = "yardmaster") -> str:
    """The controller may do everything below the prefix; a robot, known by its user name, only what is its own."""
    lines = ["# Written at every start by yardmaster serve.", f"user {controller}"]
    lines += [f"topic readwrite {topics.prefix}/#", ""]
    lines += [f"pattern read {topics.of('%u', kind)}" for kind in TO_AGENT]
    lines += [f"pattern write {topics.of('%u', kind)}" for kind in TO_CONTROLLER]
    return "\n".join(lines) + "\n"


def write_config(folder: Path, address: Address, topics: Topics) -> Path:
    """Write mosquitto's configuration and access rules into a folder and give the configuration's path."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    rules, config = folder / "acl", folder / "mosquitto.conf"
    _write(rules, access_rules(topics))
    user = pwd.getpwuid(os.getuid()).pw_name
    _write(config, _CONFIG.format(host=address.host, port=address.port, acl=rules, user=user))
    return config


def mosquitto_command(program: str, folder: Path, address: Address, topics: Topics) -> list[str]:
    """How to start mosquitto with rules written now."""
    return [program, "-c", str(write_config(folder, address, topics))]


def amqtt_command(address: Address) -> list[str]:
    """How to start the broker that comes with the Python packages."""
    return [sys.executable, "-m", "controller.demo_broker", str(address)]


def _write(path: Path, text: str) -> None:
    """For this user's eyes only; mosquitto warns about anything else."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")
