"""Schedules over HTTP: saved, shown with their next fires, switched; firings with a row a target."""

from datetime import datetime

import pytest

from config.clock import instant
from tests.fakes.box import Box

HOURLY = {"name": "Every hour", "deployment": "d", "cron": "0 * * * *"}


@pytest.fixture(autouse=True)
def deployment(box: Box) -> None:
    box.must("PUT", "/deployments/d", {"name": "D", "flow": "hello", "target": {"queue": "main"}}, 201)


def fire(box: Box, name: str = "s") -> str:
    """Let an hour pass; the newest firing's id."""
    box.yard.tick(3600, step=1800)
    return str(box.must("GET", f"/schedules/{name}/firings")["items"][0]["id"])


def test_a_schedule_is_saved_shown_and_listed(box: Box) -> None:
    made = box.must("PUT", "/schedules/s", HOURLY | {"zone": "Europe/Berlin", "catch_up": True}, 201)
    names = ("id", "name", "deployment", "deployment_name", "cron", "zone", "overlap", "enabled")
    assert {name: made[name] for name in names} == {
        "id": "s", "name": "Every hour", "deployment": "d", "deployment_name": "D", "cron": "0 * * * *",
        "zone": "Europe/Berlin", "overlap": "allow", "enabled": True,
    }  # fmt: skip
    assert (made["every_s"], made["at"], made["from"], made["until"], made["source"]) == (None,) * 5
    assert (made["catch_up"], made["version"], made["updated_by"]) == (True, 1, "token:local")
    assert box.must("GET", "/schedules/s") == made
    assert box.must("GET", "/schedules?q=hour")["items"] == [made]
    assert box.must("GET", "/schedules?q=nothing")["items"] == []


def test_the_next_fires_are_five_moments_from_now_on(box: Box) -> None:
    box.must("PUT", "/schedules/s", {"name": "S", "deployment": "d", "at": "2999-01-01T01:00:00+01:00"}, 201)
    assert box.must("GET", "/schedules/s")["next_fires"] == ["2999-01-01T00:00:00.000000Z"]
    shown = box.must("PUT", "/schedules/s", HOURLY)
    assert len(shown["next_fires"]) == 5
    assert all(one.endswith(":00:00.000000Z") for one in shown["next_fires"])
    assert box.must("POST", "/schedules/s/disable")["next_fires"] == []


def test_without_a_zone_the_sites_zone_counts(box: Box) -> None:
    assert box.must("PUT", "/schedules/s", HOURLY, 201)["zone"] == "UTC"


def test_it_is_switched_off_and_on(box: Box) -> None:
    box.must("PUT", "/schedules/s", HOURLY, 201)
    assert box.must("POST", "/schedules/s/disable", {"reason": "holiday"})["enabled"] is False
    assert box.must("POST", "/schedules/s/disable")["enabled"] is False
    assert box.must("POST", "/schedules/s/enable")["enabled"] is True
    box.refused("POST", "/schedules/nope/enable", status=404, code="schedule.not_found")


def test_an_operator_switches_and_only_an_administrator_saves(box: Box) -> None:
    box.must("PUT", "/schedules/s", HOURLY, 201)
    operator = {"Authorization": f"Bearer {box.token('op', 'operator')}"}
    viewer = {"Authorization": f"Bearer {box.token('v', 'viewer')}"}
    assert box.ask("POST", "/schedules/s/disable", **operator).status_code == 200
    box.refused("PUT", "/schedules/s", HOURLY, status=403, code="auth.role", **operator)
    box.refused("DELETE", "/schedules/s", status=403, code="auth.role", **operator)
    box.refused("POST", "/schedules/s/enable", status=403, code="auth.role", **viewer)
    assert box.ask("GET", "/schedules/s", **viewer).status_code == 200


def test_versions_are_kept(box: Box) -> None:
    box.must("PUT", "/schedules/s", HOURLY, 201)
    box.refused("PUT", "/schedules/s", HOURLY, status=412, code="version.mismatch", If_Match='"9"')
    assert box.ask("PUT", "/schedules/s", HOURLY | {"name": "New"}, If_Match='"1"').headers["ETag"] == '"2"'


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"cron": "61 * * * *"}, "/cron"), ({"zone": "Mars/Olympus"}, "/zone"), ({"deployment": "none"}, "/deployment"),
        ({"every_s": 5}, ""), ({"until": "tomorrow"}, "/until"), ({"overlap": "queue"}, "/overlap"),
        ({"more": 1}, "/more"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_place(box: Box, change: dict[str, object], path: str) -> None:
    refused = box.refused("PUT", "/schedules/s", HOURLY | change, status=422, code="request.invalid")
    assert [one["path"] for one in refused["details"]] == [path]


def test_a_firing_shows_a_row_for_each_target(box: Box) -> None:
    for name in ("r1", "r2"):
        box.yard.robot(name)
    box.must("PUT", "/deployments/d", {"name": "D", "flow": "hello", "target": {"robots": ["r1", "r2"]}})
    box.must("PUT", "/schedules/s", HOURLY, 201)
    box.must("DELETE", "/robots/r2", status=204)
    firing = box.must("GET", f"/firings/{fire(box)}")
    assert (firing["schedule"], firing["reason"], firing["states"]) == ("s", None, {"queued": 1, "skipped": 1})
    made, left_out = firing["rows"]
    assert (made["robot"], made["state"], made["id"]) == ("r1", "queued", made["job"])
    assert left_out == {
        "id": f"{firing['id']}.2", "n": 2, "robot": "r2", "flow": "hello", "job": None, "state": "skipped",
        "reason": {"code": "robot.not_found", "message": "The robot r2 was removed."}, "started_at": None,
        "ended_at": None,
    }  # fmt: skip
    job = box.must("GET", f"/jobs/{made['job']}")
    assert (job["firing"], job["source"]["type"]) == (firing["id"], "schedule")
    box.refused("GET", "/firings/none", status=404, code="firing.not_found")


def test_firings_are_paged_newest_first_and_outlive_their_schedule(box: Box) -> None:
    box.must("PUT", "/schedules/s", HOURLY, 201)
    ids = [fire(box) for _ in range(3)]
    box.must("DELETE", "/schedules/s", status=204)
    box.refused("GET", "/schedules/s", status=404, code="schedule.not_found")
    first = box.must("GET", "/schedules/s/firings?limit=2")
    rest = box.must("GET", f"/schedules/s/firings?limit=2&after={first['next']}")
    assert [one["id"] for one in first["items"] + rest["items"]] == ids[::-1]
    box.refused("GET", "/schedules/t/firings", status=404, code="schedule.not_found")
    box.refused("GET", f"/schedules/t/firings?after={first['next']}", status=404, code="schedule.not_found")


def test_a_schedule_whose_zone_is_gone_is_still_shown(box: Box) -> None:
    box.must("PUT", "/schedules/s", HOURLY, 201)
    box.yard.connection.execute(
        "update schedules set body = replace(body, '\"UTC\"', '\"Gone/Zone\"'), zone = 'Gone/Zone'"
    )
    shown = box.must("GET", "/schedules/s")
    assert (shown["zone"], shown["next_fires"]) == ("Gone/Zone", [])


def test_next_fires_begin_at_the_present_of_the_box(box: Box) -> None:
    box.must("PUT", "/schedules/s", {"name": "S", "deployment": "d", "every_s": 60}, 201)
    box.yard.connection.execute("update schedules set done_until = 0")
    before = instant().utc_us // 1_000_000
    first = datetime.fromisoformat(box.must("GET", "/schedules/s")["next_fires"][0]).timestamp()
    assert before < first <= instant().utc_us // 1_000_000 + 60
