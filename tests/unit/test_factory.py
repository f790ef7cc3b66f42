"""The example factory: its flows hold, its deployments fit them, and its robots can do what they are asked."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cli.workload import CALM, EVERYDAY, REPORT_EVERY, TRUCK_EVERY, next_submissions
from config.fleet import Fleet, read_fleet
from edge_agent.simulator.actions import ACTIONS, World
from edge_agent.simulator.floor import Place
from schemas.blocks import OPERATION_KINDS
from schemas.flow import read_flow
from schemas.flow_check import bind_inputs, check_flow
from schemas.job import DeploymentSave, JobSubmit
from schemas.schedule import ScheduleSave

FACTORY = Path("cli/examples/factory")
FLOWS: dict[str, Any] = {f.stem: json.loads(f.read_text()) for f in sorted((FACTORY / "flows").glob("*.json"))}
DEPLOYMENTS: dict[str, dict[str, Any]] = {
    row["id"]: {name: value for name, value in row.items() if name != "id"}
    for row in json.loads((FACTORY / "deployments.json").read_text())
}


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return read_fleet(FACTORY / "fleet.toml")


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_holds(name: str) -> None:
    saved = FLOWS[name]
    assert saved["id"] == name
    assert saved["name"]
    assert check_flow(saved["definition"], name, lambda _: None).problems == ()


def test_each_flow_is_used() -> None:
    assert {row["flow"] for row in DEPLOYMENTS.values()} == set(FLOWS)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_fits_its_flow_and_some_robot(name: str, fleet: Fleet) -> None:
    saved = DeploymentSave.model_validate(DEPLOYMENTS[name])
    definition = FLOWS[saved.flow]["definition"]
    assert bind_inputs(definition, saved.parameters or {})[1] == ()
    assert saved.target is not None
    needs = check_flow(definition, saved.flow, lambda _: None).needs & OPERATION_KINDS
    able = [robot.id for robot in fleet.robots if saved.target.queue in robot.queues]
    assert able
    for robot in fleet.robots:
        if robot.id in able:
            assert needs <= set(ACTIONS[robot.kind]), robot.id


def test_the_schedules_are_of_its_deployments() -> None:
    for row in json.loads((FACTORY / "schedules.json").read_text()):
        saved = ScheduleSave.model_validate({name: value for name, value in row.items() if name != "id"})
        assert saved.deployment in DEPLOYMENTS


def test_a_shift_leader_finds_a_whole_factory(fleet: Fleet) -> None:
    kinds = [robot.kind for robot in fleet.robots]
    assert (kinds.count("agv") >= 6, kinds.count("rpa"), kinds.count("station")) == (True, 3, 1)
    assert 25 <= len(fleet.plan.nodes) <= 40
    assert all(node.name for node in fleet.plan.nodes.values() if node.station)
    inside = [area.name for area in fleet.plan.areas]
    assert inside == ["Goods in", "Storage", "Charging", "Assembly", "Packing"]


def test_every_station_is_reached_from_every_other(fleet: Fleet) -> None:
    floor = World.of(fleet).floor
    stations = [name for name, node in fleet.plan.nodes.items() if node.station]
    for start in stations:
        for goal in stations:
            floor.way(Place(start), goal)


def test_scripts_and_commands_of_the_flows_are_those_of_the_fleet(fleet: Fleet) -> None:
    scripts: set[str] = set()
    commands: set[str] = set()
    for saved in FLOWS.values():
        for block in read_flow(saved["definition"]).blocks():
            for param, found in (("scriptName", scripts), ("command", commands)):
                if param in block.params:
                    found.add(block.params[param].value)
    assert scripts <= set(fleet.scripts)
    assert commands == set(fleet.commands)


# ---------------------------------------------------------------- the work
def asked(seed: int, ticks: int) -> list[dict[str, Any]]:
    dice = Random(seed)
    return [body for tick in range(ticks) for body in next_submissions(dice, tick)]


def test_the_same_dice_ask_for_the_same_work() -> None:
    assert asked(3, 500) == asked(3, 500)
    assert asked(3, 500) != asked(4, 500)


def test_everything_asked_for_is_a_job_of_the_factory(fleet: Fleet) -> None:
    stations = {name for name, node in fleet.plan.nodes.items() if node.station}
    bodies = asked(1, 3000)
    for body in bodies:
        submit = JobSubmit.model_validate(json.loads(json.dumps(body)))
        assert submit.deployment is not None
        parameters = DEPLOYMENTS[submit.deployment]["parameters"] | (submit.parameters or {})
        assert bind_inputs(FLOWS[DEPLOYMENTS[submit.deployment]["flow"]]["definition"], parameters)[1] == ()
        sites = {value for key, value in parameters.items() if key in ("from", "to", "cell", "packing")}
        assert sites | set(parameters.get("positions", ())) <= stations
        assert len(sites) == len([key for key in parameters if key in ("from", "to", "cell", "packing")])
    assert {body["deployment"] for body in bodies} == set(DEPLOYMENTS)
    assert {body.get("priority") for body in bodies} == {None, 4500}


def test_the_work_is_about_as_much_as_the_robots_can_do() -> None:
    ticks = 9000
    bodies = asked(2, ticks)
    reports = [body for body in bodies if body["deployment"] == "shift-report"]
    deliveries = [body for body in bodies if body["deployment"] == "delivery"]
    assert (len(reports), len(deliveries)) == (ticks // REPORT_EVERY, ticks // TRUCK_EVERY)
    pallets = sum(body["parameters"]["pallets"] for body in deliveries)
    assert pallets == sum(body["deployment"] == "goods-in" for body in bodies)
    everyday = len(bodies) - len(reports) - len(deliveries) - pallets
    assert 0.8 * CALM < everyday / ticks < 1.2 * CALM
    assert len({work for work, _ in EVERYDAY}) == len(EVERYDAY)
