"""For every command that changes something: a yard in which it is carried out, and what is asked of it then.

Whoever adds a command adds a scene; `test_audit` holds it to exactly one row in the audit, or none where it is silent.
"""

import base64
from collections.abc import Callable
from typing import Any

from schemas.ids import uuid7
from tests.fakes.yard import PRINT_FLOW, FakeRobot, Yard, running

CANARY = "canary-7f3a"
"""Where a secret is given it holds this, and no row may."""
PASSWORD_HASH = f"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ${CANARY}"
BROKER_HASH = f"$7$101$c2FsdHNhbHQ=${'QUJD' * 22}"
TOKEN_HASH, OTHER_HASH = "ab" * 32, "cd" * 32
SEALED = base64.b64encode(CANARY.encode()).decode()
SECRETS = (CANARY, BROKER_HASH, TOKEN_HASH, OTHER_HASH, SEALED)
END_US = 2_000_000_000_000_000
PARAMETERS = {"colour": CANARY}
COLOUR = {"name": "colour", "type": "String", "label": "colour", "required": False, "defaultValue": None}
COLOURED = PRINT_FLOW | {"inputParams": [COLOUR]}
PLAN = {"nodes": [{"id": "a", "x": 0.0, "y": 0.0}], "edges": []}
DEPLOYMENT: dict[str, Any] = {"name": "D", "flow": "hello", "target": {"queue": "main"}}
Args = dict[str, Any]
Scene = Callable[[Yard], Args]


def _queued(yard: Yard, **more: Any) -> str:
    yard.flow()
    return yard.submit(**more)


def _failed(yard: Yard) -> str:
    robot, job = running(yard, max_retries=0)
    robot.say(robot.about("failed", reason="broken"))
    return job


def _of_job(**more: Any) -> Scene:
    return lambda yard: {"job": _queued(yard)} | more


def _of_running(**more: Any) -> Scene:
    return lambda yard: {"job": running(yard)[1]} | more


def _of_failed(**more: Any) -> Scene:
    return lambda yard: {"job": _failed(yard)} | more


def _paused(yard: Yard) -> Args:
    robot, job = running(yard)
    yard.must("job.pause", job=job)
    command = robot.last("control")["command"]
    robot.say(robot.about("noted", command=command), robot.about("paused", command=command))
    return {"job": job}


def _forced(yard: Yard) -> Args:
    _, job = running(yard)
    yard.must("job.cancel", job=job)
    yard.tick(31)
    return {"job": job, "outcome": "cancelled", "reason": "seen standing"}


def _parked(yard: Yard) -> Args:
    job = _queued(yard)
    yard.connection.execute("update jobs set parked = 1")
    yard.boot()
    return {"job": job, "reason": "it never ran"}


def _stuck(yard: Yard) -> tuple[FakeRobot, str]:
    robot, job = running(yard, debug=True)
    assign = robot.last("assign")
    about = {"kind": "block", "job": assign["job"], "attempt": assign["attempt"], "path": "-1/1", "n": 1, "try": 0}
    robot.say(about | {"status": "start.begin"}, about | {"status": "monitor.failed", "reason": "jam"})
    robot.say(robot.about("paused", path="-1/1", reason="jam"))
    return robot, job


def _rerun_block(yard: Yard) -> Args:
    robot, job = _stuck(yard)
    return {"job": job, "run": f"{robot.last('assign')['attempt']}.1"}


def _robot(**more: Any) -> Scene:
    def scene(yard: Yard) -> Args:
        yard.robot("r1")
        return {"robot": "r1"} | more

    return scene


def _held_robot(yard: Yard) -> Args:
    yard.flow()
    robot = yard.robot("r1")
    for _ in range(3):
        yard.submit(max_retries=0)
        robot.accept()
        robot.say(robot.about("failed", reason="broken"))
    robot.beat()
    return {"robot": "r1", "reason": "new gripper"}


def _deployment(**more: Any) -> Scene:
    def scene(yard: Yard) -> Args:
        yard.flow("hello", COLOURED)
        yard.must("deployment.put", deployment="d", **DEPLOYMENT, parameters=PARAMETERS)
        return {"deployment": "d"} | more

    return scene


def _schedule(**more: Any) -> Scene:
    def scene(yard: Yard) -> Args:
        _deployment()(yard)
        yard.must("schedule.put", schedule="s", name="S", deployment="d", zone="UTC", every_s=3600)
        return {"schedule": "s"} | more

    return scene


def _batch(yard: Yard) -> Args:
    uid = yard.must("batch.preview", action="cancel", ids=[_queued(yard)])["batch"]
    for _ in range(50):
        row = yard.connection.execute("select * from batches where uid = ?", (uid,)).fetchone()
        if row["state"] != "collecting":
            break
        yard.tick()
    return {"batch": uid, "hash": row["hash"]}


def _asset(**more: Any) -> Scene:
    def scene(yard: Yard) -> Args:
        yard.must("asset.put", asset="a", sealed=SEALED)
        return {"asset": "a"} | more

    return scene


def _user(**more: Any) -> Scene:
    def scene(yard: Yard) -> Args:
        for name in ("ann", "root"):
            yard.must("user.add", user=name, role="admin", password=PASSWORD_HASH)
        return {"user": "ann"} | more

    return scene


def _token(yard: Yard) -> Args:
    token = uuid7()
    yard.must("token.create", token=token, name="wms", role="admin", hash=TOKEN_HASH)
    return {"token": token}


def _session(yard: Yard) -> Args:
    _user()(yard)
    yard.must("session.open", hash=TOKEN_HASH, user="ann", expires_at=END_US)
    return {"hash": TOKEN_HASH}


def _flow_args() -> Args:
    return {"flow": "hello", "name": "Hello", "definition": PRINT_FLOW}


def _queue(yard: Yard) -> Args:
    yard.must("queue.put", queue="q", name="Old")
    return {"queue": "q"}


def _submitted(yard: Yard) -> Args:
    yard.flow("hello", COLOURED)
    return {"flow": "hello", "target": {"queue": "main"}, "parameters": PARAMETERS}


SCENES: dict[str, Scene] = {
    "job.submit": _submitted,
    "job.submit_bulk": lambda yard: {"jobs": [_submitted(yard)] * 3},
    "job.priority": _of_job(priority=4000, reason="line 3 waits"),
    "job.cancel": _of_job(reason="not wanted"),
    "job.pause": _of_running(),
    "job.resume": _paused,
    "job.force": _forced,
    "job.release": _parked,
    "job.rerun": _of_failed(priority=7),
    "job.rollback": lambda yard: {"job": _stuck(yard)[1]},
    "job.rerun_block": _rerun_block,
    "job.retry": _of_failed(),
    "job.set_error": _of_job(reason="it fell down"),
    "batch.apply": _batch,
    "record.stop": _of_job(),
    "robot.put": _robot(kind="agv", queues=["main"], name="One"),
    "robot.delete": _robot(),
    "robot.enable": _robot(reason="back"),
    "robot.drain": _robot(reason="tyres"),
    "robot.disable": _robot(reason="tyres"),
    "robot.release": _held_robot,
    "robot.enrol": _robot(hash=BROKER_HASH),
    "robot.revoke": _robot(reason="stolen"),
    "queue.put": lambda yard: _queue(yard) | {"name": "New"},
    "queue.delete": _queue,
    "flow.save": lambda _: _flow_args(),
    "deployment.put": _deployment(**DEPLOYMENT | {"name": "E", "parameters": PARAMETERS}),
    "deployment.delete": _deployment(),
    "deployment.run": _deployment(parameters=PARAMETERS),
    "floor.put": lambda _: PLAN,
    "box.drain": lambda _: {"reason": "an update"},
    "box.undrain": lambda _: {},
    "box.accept_damage": lambda _: {"reason": "no backup from before"},
    "asset.put": _asset(sealed=SEALED, note="yearly change"),
    "asset.delete": _asset(),
    "schedule.put": _schedule(name="T", deployment="d", zone="UTC", every_s=60),
    "schedule.delete": _schedule(),
    "schedule.enable": _schedule(),
    "schedule.disable": _schedule(reason="holidays"),
    "user.add": lambda _: {"user": "ann", "role": "viewer", "password": PASSWORD_HASH},
    "user.change": _user(role="viewer", password=PASSWORD_HASH),
    "user.delete": _user(),
    "token.create": lambda _: {"token": uuid7(), "name": "wms", "role": "robot", "robot": "r1", "hash": TOKEN_HASH},
    "token.revoke": _token,
    "session.open": _user(hash=TOKEN_HASH, expires_at=END_US),
    "session.close": _session,
    "session.failed": _user(),
}
ELSEWHERE = {"secret.fetch": "test_api_assets: by the token of a robot that has the attempt"}
"""Commands whose row in the audit another test looks at."""
