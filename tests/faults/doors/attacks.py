"""What a robot can try with its own credential: each attack says how many tries it made, and what got through."""

from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.topics import TO_AGENT, TO_CONTROLLER
from tests.faults.doors.house import PRESENCE, TOPICS, House, Visitor, settle
from tests.waiting import wait_for

NASTY = (
    "$SYS/broker/clients/connected",
    "elsewhere",
    TOPICS.prefix,
    f"{TOPICS.prefix}/",
    f"{TOPICS.prefix}/yardmaster/heartbeat",
    f"{TOPICS.prefix}//heartbeat",
    f"{TOPICS.prefix}/r1/../r2/heartbeat",
    f"{TOPICS.prefix}/r1/heartbeat/r2",
    f"{TOPICS.prefix}/R2/heartbeat",
    f"/{TOPICS.prefix}/r2/heartbeat",
)
GREEDY = (
    "#",
    "$SYS/#",
    "+/+/+/+",
    f"{TOPICS.prefix}/#",
    f"{TOPICS.prefix}/+/+",
    f"{TOPICS.prefix}/+/assign",
    f"{TOPICS.prefix}/+/ack",
    f"$share/g/{TOPICS.prefix}/#",
    f"$share/g/{TOPICS.prefix}/r2/ack",
    *TOPICS.for_agent("r2"),
    *(TOPICS.of("r2", kind) for kind in TO_CONTROLLER),
)
BEAT = b'{"journal":"evil","boot":"b","beat":1,"highest":0,"head":0,"first":1,"kind":"agv","holds":[]}'
"""Whole and well: were it heard in r2's name, the box would take over its journal."""
OFFLINE = b'{"online":false,"boot":"evil"}'


@dataclass
class Outcome:
    """How many tries an attack made, and what of it had an effect."""

    tries: int = 0
    through: list[str] = field(default_factory=list)


@dataclass
class Scene:
    """A house with two robots, both enrolled and connected by raw clients."""

    house: House
    secrets: dict[str, str]
    r1: Visitor
    r2: Visitor


def at_the_door(house: House) -> Scene:
    """Two robots, enrolled and connected."""
    secrets = {name: house.enrol(name) for name in ("r1", "r2")}
    return Scene(house, secrets, *(Visitor(house, name, secrets[name], name) for name in ("r1", "r2")))


def speak_for_others(scene: Scene) -> Outcome:
    """Publish to another's topics, to what only the controller says, and to what is nobody's; plain and retained."""
    house, outcome = scene.house, Outcome()
    for topic in TOPICS.for_agent("r2"):
        scene.r2.subscribe(topic)
    before = house.counted("yardmaster_messages_total", "yardmaster_bad_messages_total", "yardmaster_unknown")
    topics = [TOPICS.of("r2", kind) for kind in (*TO_CONTROLLER, *TO_AGENT)] + [*TOPICS.for_agent("r1"), *NASTY]
    for topic in topics:
        for retain in (False, True):
            scene.r1.publish(topic, BEAT, retain=retain)
            outcome.tries += 1
    settle(house, scene.r1, "r1")
    heard = house.counted("yardmaster_messages_total", "yardmaster_bad_messages_total", "yardmaster_unknown") - before
    outcome.through += [f"the controller heard {heard - 1:g} messages"] * (heard > 1)
    outcome.through += [f"r2 was told on {topic}" for topic, payload in scene.r2.got if payload == BEAT]
    return outcome


def leave_something_behind(scene: Scene) -> Outcome:
    """Retained messages and last wills in others' names: a fresh listener finds none of them."""
    house, outcome = scene.house, Outcome()
    topics = [TOPICS.of("r2", "presence"), TOPICS.of("r2", "heartbeat"), *TOPICS.for_agent("r2")]
    for topic in topics:
        scene.r1.publish(topic, OFFLINE, retain=True)
        outcome.tries += 1
    for topic in topics:
        # A will is only spoken for who leaves without a goodbye.
        dying = Visitor(house, "r1", scene.secrets["r1"], will=(topic, OFFLINE))
        dying.client.loop_stop()
        sock = dying.client.socket()
        if sock is not None:
            sock.close()
        outcome.tries += 1
    scene.r1 = Visitor(house, "r1", scene.secrets["r1"])
    settle(house, scene.r1, "r1")
    late = Visitor(house, "r2", scene.secrets["r2"])
    for topic in (*TOPICS.for_agent("r2"), *(TOPICS.of("r2", kind) for kind in TO_CONTROLLER)):
        late.subscribe(topic)
    outcome.through += [f"{topic} was kept" for topic, _ in late.got]
    scene.r2 = late
    return outcome


def listen_to_others(scene: Scene) -> Outcome:
    """Subscribe to everything; nothing of what r2 says or is told may arrive."""
    outcome = Outcome()
    for topic in GREEDY:
        scene.r1.subscribe(topic)
        outcome.tries += 1
    if not scene.r1.is_in:  # some brokers throw out whoever asks for too much
        outcome.through += ["it was thrown out, so nothing was tried"]
        return outcome
    scene.r2.publish(TOPICS.of("r2", "presence"), PRESENCE)
    for kind in TO_AGENT:  # in the controller's own name, which may say everything
        _as_controller(scene, TOPICS.of("r2", kind))
    _as_controller(scene, TOPICS.of("r1", "control"), b'{"last":1}')
    wait_for(lambda: any(payload == b'{"last":1}' for _, payload in scene.r1.got), 15, "r1's own message")
    own = TOPICS.of("r1", "")
    outcome.through += [f"r1 heard {topic}" for topic, _ in scene.r1.got if not topic.startswith(own)]
    return outcome


def _as_controller(scene: Scene, topic: str, payload: bytes = b'{"do":"report_now"}') -> None:
    """One message of the controller: a second client of its name takes its place for a moment.

    The real one comes back at once and takes it again, perhaps before the message is out: then once more.
    """
    for _ in range(10):
        one = Visitor(scene.house, "yardmaster", scene.house.own.passwords["yardmaster"])
        published = one.publishes(topic, payload)
        one.close()
        wait_for(scene.house.is_well, 30, "the controller, back on its broker")
        if published:
            return
    raise AssertionError(f"nothing could be said in the controller's name on {topic}")


def take_their_place(scene: Scene) -> Outcome:
    """Connect under another's client id, also the controller's, with the own credential: nobody is thrown off."""
    house, outcome = scene.house, Outcome()
    log = house.folder / "controller.log"
    before = log.read_text().count("connected to the broker")
    for name in ("yardmaster", "r2", "station", "", "#", "+"):
        Visitor(house, "r1", scene.secrets["r1"], name).close()
        outcome.tries += 1
    scene.r1 = Visitor(house, "r1", scene.secrets["r1"])
    try:
        settle(house, scene.r1, "r1")
    except AssertionError:
        outcome.through += ["the controller hears nothing any more"]
    if not house.is_well() or log.read_text().count("connected to the broker") != before:
        outcome.through += ["the controller was thrown off"]
    outcome.through += ["r2 was thrown off"] * (not scene.r2.is_in)
    return outcome


ATTACKS: dict[str, Callable[[Scene], Outcome]] = {
    "speak for others": speak_for_others,
    "leave something behind": leave_something_behind,
    "listen to others": listen_to_others,
    "take their place": take_their_place,
}
