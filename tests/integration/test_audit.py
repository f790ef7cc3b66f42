"""The audit: one row for each change, with who, from where, before and after, and no secret; none for a refusal."""

from typing import Any

import pytest

from controller.service.audit import SILENT
from controller.store import chain
from controller.store.queries import accounts
from schemas.commands import COMMANDS, QUERIES, Answer, Caller, Frame
from schemas.views import AuditRow
from tests.fakes.box import Box
from tests.fakes.people import People
from tests.fakes.yard import Yard
from tests.integration.audit_scenes import ELSEWHERE, SCENES, SECRETS

ANN = Caller(name="ann", role="operator", ip="10.4.1.20", client="Handheld 7")
CHANGES = sorted(set(COMMANDS) - QUERIES - SILENT)


def ask(yard: Yard, command: str, args: dict[str, Any], key: str | None = None) -> Answer:
    """As the web asks in the name of somebody."""
    with yard.store.transaction():
        answer = yard.core.command(yard.instant(), Frame(id=1, command=command, caller=ANN, key=key, args=args))
    yard.pump()
    return answer


def rows(yard: Yard) -> list[AuditRow]:
    """The audit, the newest first."""
    return accounts.page_of_audit(yard.connection, limit=200).items


@pytest.fixture
def yard() -> Yard:
    """A controller with one queue."""
    made = Yard()
    made.must("queue.put", queue="main")
    return made


def test_every_command_that_changes_something_has_a_scene() -> None:
    assert set(CHANGES) == set(SCENES) | set(ELSEWHERE)


@pytest.mark.parametrize("command", sorted(SCENES))
def test_a_change_leaves_one_row_and_no_secret(yard: Yard, command: str) -> None:
    args = SCENES[command](yard)
    before = len(rows(yard))
    answer = ask(yard, command, args)
    assert answer.ok is not None, answer.error
    newest, *others = rows(yard)
    assert len(others) == before, "one row"
    assert (newest.who, newest.role, newest.ip, newest.client) == ("ann", "operator", "10.4.1.20", "Handheld 7")
    assert (newest.action, newest.why) == (command, args.get("reason"))
    assert newest.after is not None
    whole = newest.model_dump_json()
    assert [secret for secret in SECRETS if secret in whole] == []


@pytest.mark.parametrize("command", sorted(SCENES))
def test_a_refusal_leaves_none(yard: Yard, command: str) -> None:
    args = SCENES[command](yard)
    before = len(rows(yard))
    refused = 0
    for name in args:
        answer = ask(yard, command, args | {name: "there is no such thing"})
        refused += answer.error is not None
        assert len(rows(yard)) == before + (answer.ok is not None)
        before = len(rows(yard))
    assert refused > 0 or command in ("session.close", "box.drain", "box.undrain", "box.accept_damage")


@pytest.mark.parametrize("command", sorted(SILENT & {"session.seen", "token.used"}))
def test_what_happens_all_the_time_leaves_none(yard: Yard, command: str) -> None:
    scene = {"session.seen": "session.close", "token.used": "token.revoke"}[command]
    args = SCENES[scene](yard)
    before = len(rows(yard))
    assert ask(yard, command, args).ok is not None
    assert len(rows(yard)) == before


def test_an_answer_that_is_given_again_is_no_second_change(yard: Yard) -> None:
    args = SCENES["job.cancel"](yard)
    ask(yard, "job.cancel", args, "key-1")
    before = len(rows(yard))
    assert ask(yard, "job.cancel", args, "key-1").replayed
    assert len(rows(yard)) == before


SUBJECTS = {
    "job.priority": "job", "job.submit": "job", "robot.put": "robot", "queue.put": "queue", "flow.save": "flow",
    "deployment.put": "deployment", "deployment.run": "deployment", "schedule.put": "schedule", "asset.put": "asset",
    "user.change": "user", "token.create": "token", "session.open": "user", "session.close": "user",
    "batch.apply": "batch",
}  # fmt: skip


@pytest.mark.parametrize(("command", "noun"), SUBJECTS.items())
def test_a_row_names_what_it_is_about(yard: Yard, command: str, noun: str) -> None:
    args = SCENES[command](yard)
    answer = ask(yard, command, args)
    assert answer.ok is not None
    made = {"job.submit": answer.ok.get("jobs", [""])[0], "session.close": "ann"}
    which = args.get(noun) or made[command]
    assert rows(yard)[0].subject == f"{noun}:{which}"


def test_before_and_after_name_their_fields_alike(yard: Yard) -> None:
    args = SCENES["deployment.put"](yard)
    ask(yard, "deployment.put", args)
    row = rows(yard)[0]
    assert (row.before["name"], row.after["name"]) == ("D", "E")
    assert row.before["target"] == row.after["target"] == {"queue": "main"}
    assert "parameters" not in row.before | row.after, "they may hold what nobody is to read"


def test_long_lists_are_cut_and_counted(yard: Yard) -> None:
    args = SCENES["job.submit_bulk"](yard)
    ask(yard, "job.submit_bulk", {"jobs": args["jobs"][:1] * 300})
    jobs = rows(yard)[0].after["jobs"]
    assert (len(jobs), jobs[-1]) == (51, "and 250 more")


# ---------------------------------------------------------------- the chain
def test_no_row_can_be_changed_or_taken_away_unseen(yard: Yard) -> None:
    for n in range(5):
        ask(yard, "queue.put", {"queue": f"q{n}"})
    db = yard.connection
    first, last = rows(yard)[-1].id, rows(yard)[0].id
    assert chain.check(db, "audit").wrong == []
    for change, found in (
        (f"update audit set who = 'bob' where id = {last - 1}", last - 1),
        (f"update audit set at = at + 1 where id = {first}", first),
        (f"update audit set after = null where id = {last}", last),
        (f"delete from audit where id = {last - 2}", last - 1),
        (f"delete from audit where id <= {first + 1}", first + 2),
        (f"delete from audit where id >= {last}", 0),
    ):
        db.execute("begin")
        db.execute(change)
        assert [row for row, _ in chain.check(db, "audit").wrong][:1] == [found], change
        db.execute("rollback")


# ---------------------------------------------------------------- reading it
def test_the_audit_is_read_in_pages_and_by_who_what_about_what_and_when(people: People, box: Box) -> None:
    for n in range(5):
        people.wait(60)
        people.add(f"u{n}")
    box.must("PATCH", "/users/u1", {"name": "One"})
    first = box.must("GET", "/audit?action=user.add&limit=3")
    rest = box.must("GET", f"/audit?action=user.add&limit=3&after={first['next']}")
    assert [row["subject"] for row in first["items"] + rest["items"]] == [f"user:u{n}" for n in (4, 3, 2, 1, 0)]
    assert {row["action"] for row in box.must("GET", "/audit?subject=user:u1")["items"]} == {"user.add", "user.change"}
    assert box.must("GET", "/audit?who=token:local&action=user.change")["items"][0]["after"] == {
        "user": "u1",
        "name": "One",
    }
    at = first["items"][0]["at"]
    assert [row["subject"] for row in box.must("GET", f"/audit?action=user.add&from={at}")["items"]] == ["user:u4"]
    assert "user:u4" not in [row["subject"] for row in box.must("GET", f"/audit?to={at}")["items"]]
    box.refused("GET", f"/audit?who=ann&after={first['next']}", status=422, code="page.cursor")
    box.refused("GET", f"/audit?from={at}&to=2020-01-01T00:00:00Z", status=422, code="request.invalid")


def test_nothing_in_the_api_changes_or_removes_a_row(box: Box) -> None:
    rules = [rule for rule in box.app.url_map.iter_rules() if "audit" in rule.rule]
    assert {method for rule in rules for method in rule.methods or ()} <= {"GET", "HEAD", "OPTIONS"}
