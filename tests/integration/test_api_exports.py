"""The list of jobs as a CSV file: whole, harmless in a spreadsheet, honest where it was cut, and soon let go of."""

import csv
import io
from typing import Any
from urllib.parse import urlencode

import pytest

from controller.store.queries import exports, reader
from tests.fakes.box import Box
from web.api import exports as web_exports
from web.backend import EXPORTS

SOURCE = {
    "type": "handheld", "system": "WMS", "user": "王师傅", "device": "H-07", "ip": "10.0.0.9",
    "time": "2026-01-31T08:00:00Z", "client": "scanner 2.1", "remarks": '急, "A" 区\r\n先做',
}  # fmt: skip


def bulk(box: Box, n: int) -> list[str]:
    jobs = [{"flow": "hello", "target": {"queue": "main"}}] * n
    return [one["jobs"][0]["id"] for one in box.must("POST", "/jobs/bulk", {"jobs": jobs})["items"]]


def export(box: Box, **query: Any) -> list[dict[str, str]]:
    """The rows of the file by their heads."""
    response = box.ask("GET", f"/exports/jobs.csv?{urlencode(query, doseq=True)}")
    assert response.status_code == 200, response.text
    text = response.get_data().decode("utf-8")
    assert text.startswith("\ufeff")
    assert text.partition("\n")[0].endswith("retried_from\r")
    return list(csv.DictReader(io.StringIO(text[1:], newline="")))


def test_it_holds_every_job_of_the_list_in_its_order(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PART", 7)
    jobs = bulk(box, 40)
    for job in jobs[5:25]:
        box.must("POST", f"/jobs/{job}/cancel", {})
    assert [row["id"] for row in export(box)] == jobs[::-1]
    assert [row["id"] for row in export(box, order="oldest")] == jobs
    assert [row["id"] for row in export(box, state="cancelled")] == jobs[5:25][::-1]
    assert [row["id"] for row in export(box, order="ended_oldest")] == jobs[5:25]
    assert export(box, q="no such deployment") == []


def test_source_fields_are_kept_from_submission_to_every_view_and_the_file(box: Box) -> None:
    box.must("PUT", "/deployments/press", {"name": "2 号压机换模", "flow": "hello", "target": {"queue": "main"}}, 201)
    body = {"deployment": "press", "source": SOURCE}
    (submitted,) = box.must("POST", "/jobs", body, 201)["items"]
    job = submitted["id"]
    assert submitted["source"] == SOURCE
    assert box.must("GET", f"/jobs/{job}")["source"] == SOURCE
    assert box.must("GET", "/jobs?source=handheld")["items"][0]["source_type"] == "handheld"
    row = export(box)[0]
    assert {name: row[f"source_{name}"] for name in SOURCE} == SOURCE
    assert (row["deployment_name"], row["target"], row["created_by"]) == ("2 号压机换模", "queue main", "token:local")
    assert row["created_at"] == submitted["created_at"]
    box.must("POST", f"/jobs/{job}/cancel", {"reason": "订单取消"})
    again = box.must("POST", f"/jobs/{job}/rerun", {}, 201)["items"][0]
    assert (again["source"], again["source_type"]) == (SOURCE, "resend")
    old = export(box, state="cancelled")[0]
    assert (old["cancelled_while"], old["reason"], old["id"]) == ("queued", "订单取消", job)
    assert export(box, state="queued")[0]["rerun_of"] == job


def test_a_submission_without_a_source_keeps_from_where_it_came(box: Box) -> None:
    job = box.submit()
    source = box.must("GET", f"/jobs/{job}")["source"]
    row = export(box)[0]
    assert (row["source_ip"], row["source_client"]) == (source["ip"], source["client"])
    assert source["ip"] == "127.0.0.1"


@pytest.mark.parametrize("risky", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_what_a_spreadsheet_would_carry_out_is_defused(box: Box, risky: str) -> None:
    box.submit(source={"remarks": risky})
    assert export(box)[0]["source_remarks"] == "'" + risky
    assert web_exports.as_lines([["a=b", 'say "x"', "a,b", -5, None]]) == 'a=b,"say ""x""","a,b",-5,\r\n'


def test_a_cut_is_visible_in_the_last_line(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PART", 5)
    bulk(box, 20)
    sound, reads = exports.part_of_jobs, []

    def failing(*args: Any) -> Any:
        reads.append(1)
        if len(reads) == 3:
            raise reader.Unreadable("the disk ails")
        return sound(*args)

    monkeypatch.setattr(web_exports, "part_of_jobs", failing)
    rows = export(box)
    assert len(rows) == 11
    assert rows[-1]["id"] == web_exports.CUT


def test_an_error_before_the_first_row_is_an_ordinary_refusal(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_args: Any) -> Any:
        raise reader.Unreadable("the disk ails")

    monkeypatch.setattr(web_exports, "part_of_jobs", failing)
    for _ in range(EXPORTS + 1):
        box.refused("GET", "/exports/jobs.csv", status=503, code="store.unavailable")


def test_it_stops_when_the_client_goes_and_only_so_many_run_at_once(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PART", 5)
    bulk(box, 60)
    sound, reads = exports.part_of_jobs, []

    def counted(*args: Any) -> Any:
        reads.append(1)
        return sound(*args)

    monkeypatch.setattr(web_exports, "part_of_jobs", counted)
    open_ones = []
    for _ in range(EXPORTS):
        response = box.http.get("/api/v1/exports/jobs.csv", buffered=False)
        begun = response.iter_encoded()
        next(begun)
        open_ones.append(response)
    before = len(reads)
    box.refused("GET", "/exports/jobs.csv", status=503, code="stream.full")
    for response in open_ones:
        response.close()
    assert len(reads) == before <= 2 * EXPORTS
    assert len(export(box)) == 60


def test_a_head_takes_no_place_from_those_who_read(box: Box) -> None:
    for _ in range(EXPORTS):
        assert box.http.head("/api/v1/exports/jobs.csv").status_code == 200
        assert box.http.head("/api/v1/stream").status_code == 200
    assert export(box) == []
    assert box.app.extensions["yardmaster"].live.count == 0


def test_it_asks_for_the_viewers_role(box: Box) -> None:
    assert box.nobody().get("/api/v1/exports/jobs.csv").status_code == 401
    robot = {"Authorization": f"Bearer {box.token('r1', 'robot', robot='r1')}"}
    assert box.http.get("/api/v1/exports/jobs.csv", headers=robot).status_code == 403
    viewer = {"Authorization": f"Bearer {box.token('v', 'viewer')}"}
    assert box.http.get("/api/v1/exports/jobs.csv", headers=viewer).status_code == 200
