"""The console's pages of schedules: what they say, how they ask, what they never believe."""

import re

import pytest

from tests.fakes.box import Box

HX = {"HX-Request": "true"}
NASTY = '<script>alert("x")</script>'


@pytest.fixture(autouse=True)
def schedule(box: Box) -> None:
    box.must("PUT", "/deployments/d", {"name": "Deployment D", "flow": "hello", "target": {"queue": "main"}}, 201)
    box.must("PUT", "/schedules/s", {"name": "Each hour", "deployment": "d", "cron": "0 * * * *"}, 201)


def fire(box: Box) -> str:
    box.yard.tick(3600, step=600)
    return str(box.must("GET", "/schedules/s/firings")["items"][0]["id"])


def page(box: Box, path: str, status: int = 200, lang: str = "en") -> str:
    response = box.http.get(path, headers={"Accept-Language": lang})
    assert response.status_code == status, response.text[:500]
    return re.sub(r"\s+", " ", response.text)


def test_the_list_says_what_comes_and_how_it_came_out(box: Box) -> None:
    html = page(box, "/schedules")
    for text in ("Each hour", "Deployment D", "cron 0 * * * *", "not fired yet", "Disable…"):
        assert text in html
    fire(box)
    html = page(box, "/schedules")
    assert "1 firing: 0 with failures, 0 without a job." in html
    assert "Queued <b>1</b>" in html


def test_without_schedules_it_says_how_to_make_one(box: Box) -> None:
    box.must("DELETE", "/schedules/s", status=204)
    assert "There is no schedule yet" in page(box, "/schedules")


def test_every_page_is_there_in_chinese(box: Box) -> None:
    uid = fire(box)
    assert "任务计划" in page(box, "/schedules", lang="zh")
    assert "触发记录" in page(box, "/schedules/s", lang="zh")
    assert "每个目标一行" in page(box, f"/firings/{uid}", lang="zh")


def test_a_schedules_page_has_its_firings_and_links_each(box: Box) -> None:
    uid = fire(box)
    html = page(box, "/schedules/s")
    assert f'href="/firings/{uid}"' in html
    assert "make another one" in html


def test_a_firing_shows_a_row_for_each_target_with_its_job_or_the_reason(box: Box) -> None:
    box.yard.robot("r1")
    box.yard.robot("r2")
    box.must("PUT", "/deployments/d", {"name": "D", "flow": "hello", "target": {"robots": ["r1", "r2"]}})
    box.must("DELETE", "/robots/r2", status=204)
    uid = fire(box)
    html = page(box, f"/firings/{uid}")
    job = box.must("GET", f"/firings/{uid}")["rows"][0]["job"]
    assert f'href="/jobs/{job}"' in html
    assert "The robot was removed." in html
    assert "机器人已移除。" in page(box, f"/firings/{uid}", lang="zh")


def test_what_was_missed_says_why(box: Box) -> None:
    box.yard.tick()
    box.yard.now += 7200
    box.yard.tick()
    uid = box.must("GET", "/schedules/s/firings")["items"][-1]["id"]
    assert "It was due while the box was down or its clock was wrong." in page(box, f"/firings/{uid}")
    assert "到点时设备未运行，或时钟不准。" in page(box, f"/firings/{uid}", lang="zh")


def test_older_firings_are_a_page_away(box: Box) -> None:
    box.must("PUT", "/schedules/s", {"name": "S", "deployment": "d", "every_s": 10})
    box.yard.tick(330, step=10)
    first = page(box, "/schedules/s")
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    assert "Newest" in page(box, older[1].replace("&amp;", "&"))


def test_a_removed_schedule_still_shows_what_it_did(box: Box) -> None:
    uid = fire(box)
    box.must("DELETE", "/schedules/s", status=204)
    assert "This schedule was removed." in page(box, "/schedules/s")
    page(box, f"/firings/{uid}")


def test_a_deployment_that_is_gone_is_said_everywhere(box: Box) -> None:
    box.yard.connection.execute("delete from deployments where id = 'd'")
    assert "gone: d" in page(box, "/schedules")
    assert "every firing is skipped" in page(box, "/schedules/s")


def test_a_clock_that_ran_ahead_is_said_and_how_to_mend_it(box: Box) -> None:
    box.yard.connection.execute("update schedules set done_until = 4102444800000000")
    assert "The clock of the box once was ahead." in page(box, "/schedules/s")


def test_names_are_text(box: Box) -> None:
    box.must("PUT", "/schedules/s", {"name": NASTY, "deployment": "d", "every_s": 60})
    for path in ("/schedules", "/schedules/s", "/schedules/s/disable"):
        html = page(box, path)
        assert NASTY not in html
        assert "&lt;script&gt;" in html


def test_switching_asks_first_and_then_does_it_once(box: Box) -> None:
    html = page(box, "/schedules/s/disable")
    key = re.search(r'name="key" value="([^"]+)"', html)
    assert key is not None
    assert "Have “Each hour” fire no more?" in html
    form = {"key": key[1], "reason": "holiday"}
    for _ in range(2):
        answer = box.http.post("/schedules/s/disable", data=form, headers=HX)
        assert answer.status_code == 200
        assert "fires no more" in answer.headers["HX-Trigger"].encode().decode("unicode_escape")
    assert box.must("GET", "/schedules/s")["version"] == 2
    newest = box.must("GET", "/audit?limit=1")["items"][0]
    assert (newest["action"], newest["why"]) == ("schedule.disable", "holiday")
    assert "is disabled already" in page(box, "/schedules/s/disable")
    assert "Enable…" in page(box, "/schedules")


def test_a_form_from_elsewhere_changes_nothing(box: Box) -> None:
    assert box.http.post("/schedules/s/disable", data={"key": "k"}).status_code == 403
    assert box.must("GET", "/schedules/s")["enabled"] is True


def test_a_viewer_looks_and_does_not_switch(box: Box) -> None:
    viewer = {"X-Auth-Token": box.token("v", "viewer")}
    assert box.nobody().get("/schedules", headers=viewer).status_code == 200
    assert box.nobody().get("/schedules/s/disable", headers=viewer).status_code == 403
    assert box.nobody().post("/schedules/s/disable", headers=viewer | HX).status_code == 403


@pytest.mark.parametrize("path", ["/schedules/none", "/schedules/none/disable", "/firings/none", "/firings/..%5Cx"])
def test_what_is_not_there_is_a_page_that_says_so(box: Box, path: str) -> None:
    assert "There is no such" in page(box, path, status=404)


def test_a_place_in_the_list_that_makes_no_sense_is_said(box: Box) -> None:
    page(box, "/schedules?after=nonsense", status=422)
    page(box, "/schedules/s?after=nonsense", status=422)
    page(box, f"/schedules?after={'x' * 600}", status=422)


def test_without_the_controller_nothing_can_be_switched(box: Box) -> None:
    page(box, "/schedules")
    box.controller.go_down()
    html = page(box, "/schedules")
    assert "Each hour" in html
