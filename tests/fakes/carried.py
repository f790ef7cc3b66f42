"""A scripted robot that really runs its flow: the rows are those of an agent's interpreter, said at once."""

import json
from collections.abc import Mapping
from typing import Any

from edge_agent.flow.run import RobotFacts
from edge_agent.operations import BlockReport
from schemas.messages import Assign
from tests.fakes.flow_bench import Answer, Bench, Robot
from tests.fakes.yard import FakeRobot

ROW_S = 0.01
"""Between two rows, so that their times differ."""


def carry_out(robot: FakeRobot, script: Mapping[str, list[Answer]] | None = None, kind: str = "agv") -> None:
    """Accept the newest assignment, run its flow to its end and report everything; `script`: how operations go."""
    robot.accept()
    order = Assign.model_validate_json(json.dumps(robot.last("assign")))
    bench = Bench(order, Robot(script or {}), RobotFacts(robot.name, kind, robot.queues))
    end = bench.finish()
    for report in bench.host.rows:
        robot.yard.now += ROW_S
        robot.say(robot.about("block", **_fields(report)))
    for line in bench.host.logs:
        robot.yard.now += ROW_S
        robot.say(robot.about("log", **line), topic="log")
    robot.yard.now += ROW_S
    more = {"reason": end.reason, "path": end.path, "outputs": end.outputs}
    robot.say(robot.about(end.kind, **{name: value for name, value in more.items() if value is not None}))


def _fields(report: BlockReport) -> dict[str, Any]:
    fields = {"path": report.path, "n": report.n, "try": report.try_, "status": report.status.value}
    more = {"inputs": report.inputs, "outputs": report.outputs, "reason": report.reason}
    return fields | {name: value for name, value in more.items() if value is not None}
