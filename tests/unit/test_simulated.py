"""The simulated robot: time, floor, battery, faults, and its own memory of what it did."""

import asyncio
import json
from pathlib import Path

import pytest

from config.clock import steady
from edge_agent.drivers import DRIVERS
from edge_agent.operations import OperationEvent
from edge_agent.simulator.motions import BadMotions, MotionLog, read_motions
from edge_agent.simulator.timers import LoopTimers
from tests.fakes.simulation import FLOOR, ManualTimers, Stage, drive, operation
from tests.waiting import wait_for


def test_it_drives_the_shortest_way_at_its_speed(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(drive("c"))
    assert stage.events == []  # nothing is said out of a call
    stage.timers.pass_(25)
    assert stage.said() == ["taken", "carried"]
    position = stage.driver.telemetry().position
    assert position == {"x": 20, "y": 5, "theta": pytest.approx(1.5708, abs=1e-3), "node": None}
    stage.timers.pass_(24.9)
    assert not stage.driver.idle()
    stage.timers.pass_(0.2)
    assert stage.said() == ["taken", "carried", "succeeded"]
    assert stage.events[-1].outputs == {"result": {"site": "c", "script": None, "metres": 50}}
    assert stage.driver.idle()


def test_speed_of_the_simulation_shortens_everything(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fleet = stage.fleet.model_copy(update={"speed": 10.0})
    stage.reboot()
    stage.driver.start(drive("c"))
    stage.timers.pass_(5.01)
    assert stage.said()[-1] == "succeeded"


def test_stopped_on_an_edge_it_stands_there_and_finds_its_way_from_there(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(drive("b"))
    stage.timers.pass_(4)
    stage.driver.stop((1, 1))
    stage.timers.pass_(100)
    assert stage.said() == ["taken", "carried", "stopped"]
    position = stage.driver.telemetry().position
    assert position is not None
    assert (position["x"], position["node"]) == (4, None)
    stage.driver.start(drive("dock", 2))
    stage.timers.pass_(4.1)
    assert stage.said()[-1] == "succeeded"
    stage.driver.start(drive("dock", 3))
    stage.timers.pass_(0)
    assert stage.said()[-1] == "succeeded"


def test_what_ended_while_its_process_did_not_run_cannot_be_stopped_any_more(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(drive("b"))
    stage.timers.pass_(4)
    stage.timers.sleep(60)
    stage.driver.stop((1, 1))
    stage.timers.pass_(0)
    assert stage.said() == ["taken", "carried", "succeeded"]
    assert [(m.outcome, m.end) for m in read_motions(tmp_path / "motions.jsonl")] == [("succeeded", 1020)]


def test_load_and_unload_change_the_load_when_they_are_over(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(operation("CAgvOperationBp", scriptName="load", pallet="P7"))
    stage.timers.pass_(1)
    assert stage.driver.telemetry().load is None
    stage.timers.pass_(15)
    assert stage.driver.telemetry().load == {"pallet": "P7"}
    stage.driver.start(operation("CAgvOperationBp", 2, targetSiteLabel="b", scriptName="unload"))
    stage.timers.pass_(20.5)
    assert stage.driver.telemetry().load == {"pallet": "P7"}
    stage.timers.pass_(15)
    assert stage.driver.telemetry().load is None


def test_battery_drains_on_the_way_and_charges_at_the_dock(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.timers.pass_(100)
    assert stage.driver.telemetry().battery == pytest.approx(60)
    assert stage.driver.telemetry().charging
    stage.driver.start(drive("b"))
    stage.timers.pass_(20)
    assert stage.driver.telemetry().battery == pytest.approx(58)
    stage.timers.pass_(1000)
    assert stage.driver.telemetry().battery == pytest.approx(58)
    assert not stage.driver.telemetry().charging
    stage.driver.start(operation("GetBatteryLevelBp", 2))
    stage.timers.pass_(0)
    assert stage.events[-1].outputs == {"batteryLevel": pytest.approx(58)}


def test_a_battery_fills_up_slowly_at_the_end(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    seen = []
    for _ in range(8):
        stage.timers.pass_(100)
        seen.append(round(stage.driver.telemetry().battery or 0, 1))
    assert seen == [60, 70, 80, 87.9, 92.6, 95.5, 97.3, 98.4]
    stage.timers.pass_(1e6)
    assert stage.driver.telemetry().battery == pytest.approx(100)
    assert stage.driver.telemetry().charging is False


def test_with_an_empty_battery_it_refuses_to_drive(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.fleet = stage.fleet.model_copy(
        update={"robots": (stage.fleet.robots[0].model_copy(update={"battery": 1.0, "start": "b"}),)}
    )
    stage.reboot()
    stage.driver.start(drive("c"))
    stage.timers.pass_(30)
    assert stage.driver.telemetry().battery == 0
    stage.driver.start(drive("b", 2))
    stage.timers.pass_(0)
    assert stage.events[-1] == OperationEvent((1, 2), "refused", reason="the battery is empty")


def test_where_it_stands(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(drive("b"))
    stage.timers.pass_(12)
    stage.driver.start(operation("VehicleStationBp", 2))
    stage.timers.pass_(0)
    assert stage.events[-1].outputs == {"station": None, "lastStation": "a"}


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        ("nowhere", "there is no site 'nowhere' on the floor plan"),
        ("island", "no way leads to 'island'"),
        ("", "neither targetSiteLabel nor scriptName is given"),
    ],
)
def test_what_it_cannot_do_it_refuses_and_writes_no_motion(tmp_path: Path, site: str, reason: str) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(drive(site))
    stage.timers.pass_(0)
    assert stage.events == [OperationEvent((1, 1), "refused", reason=reason)]
    assert read_motions(tmp_path / "motions.jsonl") == ()


def test_one_body_does_one_thing_at_a_time(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(drive("b"))
    stage.driver.start(drive("c", 2))
    stage.timers.pass_(0)
    assert stage.events[-1] == OperationEvent((1, 2), "refused", reason="the robot is busy with another operation")
    stage.timers.pass_(20)
    assert stage.events[-1].key == (1, 1)


def test_an_rpa_machine_takes_time_and_gives_outputs(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "rpa")
    stage.driver.start(operation("RpaRunBp", command="labels"))
    stage.timers.pass_(7.9)
    assert stage.said() == ["taken", "carried"]
    stage.timers.pass_(4.2)
    assert stage.events[-1].outputs == {"exitCode": 0, "stdout": "", "stderr": "", "outputs": {"labels": 4}}
    assert stage.driver.telemetry().position is None


def test_the_limit_of_an_operation_ends_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(drive("c", limit_s=5))
    stage.timers.pass_(6)
    assert stage.events[-1] == OperationEvent((1, 1), "failed", reason="took longer than 5 s")
    position = stage.driver.telemetry().position
    assert position is not None
    assert position["x"] == 5


# ---------------------------------------------------------------- faults
def fault(what: str, at: str = "CAgvOperationBp", rule: str = "every = 2", more: str = "") -> str:
    return f'\n[[fault]]\nat = "{at}"\nwhat = "{what}"\n{rule}\n{more}\n'


@pytest.mark.parametrize("at", ["b", "load", "CAgvOperationBp"])
def test_every_second_one_fails_half_way(tmp_path: Path, at: str) -> None:
    stage = Stage(tmp_path, more=fault("fail", at))
    for n in (1, 2, 3):
        stage.driver.start(operation("CAgvOperationBp", n, targetSiteLabel="b", scriptName="load"))
        stage.timers.pass_(40)
    ends = [event for event in stage.events if event.what in ("succeeded", "failed")]
    assert [event.what for event in ends] == ["succeeded", "failed", "succeeded"]
    assert ends[1].reason == f"simulated fault at {at}: failed"


def test_refuse_hang_and_slow(tmp_path: Path) -> None:
    more = fault("refuse", "a", "every = 1") + fault("hang", "b", "every = 1") + fault("slow", "c", "every = 1")
    stage = Stage(tmp_path, more=more + "times = 10")
    stage.driver.start(drive("a"))
    stage.timers.pass_(0)
    assert stage.said() == ["refused"]
    stage.driver.start(drive("c", 2))
    stage.timers.pass_(499)
    assert stage.said()[-1] == "carried"
    stage.timers.pass_(2)
    assert stage.said()[-1] == "succeeded"
    stage.driver.start(drive("b", 3))
    stage.timers.pass_(100_000)
    assert stage.said()[-1] == "carried"
    stage.driver.stop((1, 3))
    stage.timers.pass_(0)
    assert stage.said()[-1] == "stopped"


def test_chance_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    def ends(folder: str) -> list[str]:
        stage = Stage(tmp_path / folder, more=fault("fail", rule="chance = 0.5"))
        for n in range(1, 21):
            stage.driver.start(drive("a" if n % 2 else "b", n))
            stage.timers.pass_(40)
        return [what for what in stage.said() if what in ("succeeded", "failed")]

    assert ends("one") == ends("two")
    assert {"succeeded", "failed"} == set(ends("three"))


def test_accidents_of_the_agent_are_passed_on(tmp_path: Path) -> None:
    more = fault("drop_link", "b", "every = 1") + fault("crash", "c", "every = 1")
    stage = Stage(tmp_path, more=more)
    struck: list[str] = []
    stage.bodies.of("agv").accident = lambda fault: struck.append(fault.what)
    stage.driver.start(drive("b"))
    stage.timers.pass_(0)
    assert struck == ["drop_link"]
    stage.timers.pass_(20)
    stage.driver.start(drive("c", 2))
    stage.timers.pass_(14)
    assert struck == ["drop_link"]
    stage.timers.pass_(2)
    assert struck == ["drop_link", "crash"]


# ---------------------------------------------------------------- its own file
def test_start_is_on_file_before_it_moves_and_the_end_before_it_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    file = tmp_path / "motions.jsonl"
    stage.driver.start(drive("b"))
    (begun,) = read_motions(file)
    assert (begun.attempt, begun.n, begun.path, begun.try_, begun.what) == (1, 1, "-1/1", 0, "CAgvOperationBp")
    assert (begun.start, begun.end) == (1000, None)
    seen: list[float | None] = []
    stage.driver.emit = lambda event: seen.extend(m.end for m in read_motions(file))
    stage.timers.pass_(20)
    assert seen == [None, None, 1020]


def test_an_agent_that_crashes_alone_stops_the_robot_and_the_next_one_hears_unknown(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(drive("b"))
    stage.timers.pass_(5)
    stage.driver.close()
    stage.timers.pass_(60)
    assert stage.said() == ["taken", "carried"]
    assert [(m.outcome, m.end) for m in read_motions(tmp_path / "motions.jsonl")] == [("cut", 1005)]
    stage.connect().resume(drive("b"))
    stage.timers.pass_(0)
    assert stage.said()[-1] == "unknown"


def test_after_a_restart_of_the_process_the_file_answers(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(drive("b"))
    stage.timers.pass_(30)
    stage.driver.start(drive("c", 2))
    stage.timers.pass_(5)
    stage.reboot()
    assert stage.driver.idle()
    stage.driver.resume(drive("b"))
    stage.driver.resume(drive("c", 2))
    stage.driver.resume(drive("c", 3))
    stage.timers.pass_(100)
    assert [(event.key, event.what) for event in stage.events] == [
        ((1, 1), "succeeded"),
        ((1, 2), "unknown"),
        ((1, 3), "unknown"),
    ]
    assert stage.events[0].outputs == {"result": {"site": "b", "script": None, "metres": 20}}
    position = stage.driver.telemetry().position
    assert position is not None
    assert position["node"] == "b"


def test_a_robot_that_is_hands_on_goes_on_over_a_restart(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "stubborn")
    assert "stops_with_agent" not in stage.driver.capabilities
    stage.driver.start(drive("c"))
    stage.timers.pass_(10)
    stage.reboot()
    assert not stage.driver.idle()
    stage.driver.resume(drive("c"))
    stage.timers.pass_(39)
    assert stage.said() == ["carried"]
    stage.timers.pass_(2)
    assert stage.said() == ["carried", "succeeded"]
    assert [(m.outcome, m.end) for m in read_motions(tmp_path / "motions.jsonl")] == [("succeeded", 1050)]
    position = stage.driver.telemetry().position
    assert position is not None
    assert position["node"] == "c"


def test_a_robot_that_is_hands_on_tells_later_what_it_did_meanwhile(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "stubborn")
    stage.driver.start(drive("b"))
    stage.timers.pass_(5)
    stage.driver.close()
    assert not stage.driver.idle()
    stage.timers.pass_(100)
    stage.reboot()
    stage.driver.resume(drive("b"))
    stage.timers.pass_(0)
    assert stage.said() == ["succeeded"]


def test_a_robot_that_is_hands_on_can_be_stopped_by_the_next_agent_without_being_asked(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "stubborn")
    stage.driver.start(drive("c"))
    stage.timers.pass_(5)
    stage.reboot()
    stage.driver.stop((1, 1))
    stage.timers.pass_(0)
    assert (stage.said(), stage.driver.idle()) == (["stopped"], True)


def test_a_reboot_of_the_machine_began_the_clock_anew(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "stubborn")
    stage.driver.start(drive("c"))
    stage.timers.pass_(5)
    stage.timers = ManualTimers(now=20)
    stage.reboot()
    stage.driver.resume(drive("c"))
    stage.timers.pass_(0)
    assert (stage.said(), stage.driver.idle()) == (["unknown"], True)


def test_a_line_torn_by_a_kill_is_dropped_and_damage_is_named(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(drive("b"))
    stage.timers.pass_(30)
    file = tmp_path / "motions.jsonl"
    with file.open("ab") as lines:
        lines.write(b'{"robot":"agv","att')
    stage.reboot()
    assert len(read_motions(file)) == 1
    file.write_bytes(b"{}}\n" + file.read_bytes())
    with pytest.raises(BadMotions, match="line 1"):
        MotionLog(file)


def test_the_file_turns_over_and_is_read_whole(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.bodies.log.close()
    small = MotionLog(tmp_path / "motions.jsonl", max_bytes=900)
    stage.bodies.of("agv")._log = small
    for n in range(1, 4):
        stage.driver.start(drive("a" if n % 2 else "b", n))
        stage.timers.pass_(30)
    assert (tmp_path / "motions.jsonl.1").exists()
    assert [(m.n, m.outcome) for m in read_motions(tmp_path / "motions.jsonl")] == [
        (n, "succeeded") for n in range(1, 4)
    ]


def test_lines_are_plain_json_that_others_can_count(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.driver.start(drive("a"))
    stage.timers.pass_(30)
    begin, end = (json.loads(line) for line in (tmp_path / "motions.jsonl").read_text().splitlines())
    assert {"robot", "attempt", "n", "path", "try", "what", "start"} <= set(begin)
    assert {"robot", "attempt", "n", "what", "end", "outcome"} <= set(end)


# ---------------------------------------------------------------- real time
def test_a_driver_over_a_loop(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text("speed = 100\n" + FLOOR)
    events: list[OperationEvent] = []

    async def run() -> None:
        driver = DRIVERS["simulated"]("agv", {"fleet": tmp_path / "fleet.toml", "data_dir": tmp_path})
        driver.emit = events.append
        driver.start(drive("b"))
        while not driver.idle() or not events or events[-1].what != "succeeded":
            await asyncio.sleep(0.01)

    began = steady()
    asyncio.run(asyncio.wait_for(run(), 20))
    assert steady() - began >= 0.2
    assert [event.what for event in events] == ["taken", "carried", "succeeded"]


def test_timers_over_a_loop_call_in_order_and_not_inside_the_call() -> None:
    called: list[int] = []

    async def run() -> None:
        timers = LoopTimers(asyncio.get_running_loop())
        timers.call_at(timers.now() + 0.02, lambda: called.append(3))
        timers.call_at(timers.now() - 5, lambda: called.append(1))
        timers.call_at(0, lambda: called.append(2))
        timers.call_at(timers.now() + 0.01, lambda: called.append(9)).cancel()
        assert called == []
        while len(called) < 3:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 20))
    assert called == [1, 2, 3]
    wait_for(lambda: called, 1)
