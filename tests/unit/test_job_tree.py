"""The rows of a job's tree: what ran, what did not, which pass, whose fault; and that all of it is bounded."""

from typing import Any

import pytest

from controller.store.queries.flow_index import FlowIndex
from schemas.status import AttemptState, BlockState, Phase
from schemas.views import Attempt, AttemptRuns, BlockRun, Reason
from tests.rows import block, definition
from web.console.job_attempts import Played, above, place_of, played_out
from web.console.job_timeline import Stretch, lay_out
from web.console.job_tree import MAX_ROWS, PASSES, Row, Tree, flat

NOW = 1000.0
STATES = {"s": BlockState.SUCCEEDED, "f": BlockState.FAILED, "c": BlockState.CANCELLED, "r": BlockState.RUNNING}


def at(second: float | None) -> str | None:
    return None if second is None else f"1970-01-01T00:{int(second) // 60:02}:{second % 60:09.6f}Z"


def run(n: int, path: str, state: str = "s", span: tuple[float, float | None] = (0, 1), **more: Any) -> BlockRun:
    """A block run; `span` in seconds."""
    return BlockRun.model_construct(
        id=f"7.{n}", attempt=7, block=path.rpartition("/")[2], block_name=None, kind=more.get("kind"), path=path,
        try_=more.get("try_", 0), state=STATES[state], phase=Phase.START_BEGIN, inputs=more.get("inputs"), outputs=None,
        reason=more.get("reason"), truncated=False, started_at=at(span[0]), ended_at=at(span[1]), duration_ms=None,
    )  # fmt: skip


def attempt(
    *runs: BlockRun, state: AttemptState = AttemptState.SUCCEEDED, reason: str | None = None, start: float = 0
) -> AttemptRuns:
    is_open = state is AttemptState.RUNNING
    made = Attempt(
        number=7, robot="r1", state=state, open=is_open, counted=True,
        reason=Reason(code=None, message=reason) if reason else None, created_at=str(at(start)), started_at=at(start),
        ended_at=None if is_open else at(start + 100), duration_ms=None,
    )  # fmt: skip
    return AttemptRuns.model_construct(attempt=made, runs=list(runs), truncated=False)


def rows(
    flow: dict[str, Any], *attempts: AttemptRuns, opened: tuple[str, ...] = (), uncertain: bool = False
) -> list[Row]:
    played = played_out(attempts, len(attempts), NOW, known=not uncertain)
    scale = lay_out([Stretch(one.start, one.upto) for one in played])
    chosen = len(played) - 1 if played else None
    return Tree(FlowIndex(flow), played, chosen, scale, opened, uncertain).build("The job", "running")


def played(*attempts: AttemptRuns) -> list[Played]:
    return played_out(attempts, len(attempts), NOW)


def named(found: list[Row], name: str) -> Row:
    return next(row for row in found if row.name == name)


SAY = block(1, "say", "PrintBp")
CHOICE = definition(
    block(2, "choice", "IfElseBp", {"if": [block(3, "yes", "PrintBp")], "else": [block(4, "no", "PrintBp")]}), SAY
)
LOOP = definition(block(5, "loop", "IterateListBp", {"default": [block(6, "pick", "PrintBp")]}), SAY)
CAUGHT = definition(
    block(7, "guard", "TryCatchBp", {"try": [block(8, "drive", "PrintBp")], "catch": [block(9, "rescue", "PrintBp")]}),
    SAY,
)


def test_every_block_has_a_row_and_what_did_not_run_says_so() -> None:
    found = rows(CHOICE, attempt(run(0, "-1"), run(1, "-1/2"), run(2, "-1/2/4", span=(0, 0.5))))
    assert [(row.name, row.level, row.branch, row.state) for row in found] == [
        ("The job", 1, None, "running"),
        ("choice", 2, "default", "succeeded"),
        ("yes", 3, "if", "not_executed"),
        ("no", 3, "else", "succeeded"),
        ("say", 2, "default", "not_executed"),
    ]
    assert named(found, "no").took_s == 0.5
    assert (named(found, "choice").open, named(found, "say").open) == (True, None)


def test_a_job_without_attempts_is_all_not_executed() -> None:
    found = rows(LOOP)
    assert {row.state for row in found[1:]} == {"not_executed"}
    assert [row.bars for row in found] == [()] * len(found) or all(not row.bars for row in found)


def test_a_line_shows_its_block_in_every_attempt() -> None:
    one = attempt(run(0, "-1", "f"), run(1, "-1/1", "f", (0, 40)), state=AttemptState.FAILED)
    two = attempt(run(0, "-1", span=(500, 600)), run(1, "-1/1", "s", (510, 520)), start=500)
    say = named(rows(definition(SAY), one, two), "say")
    assert [bar.kind for bar in say.bars] == ["bad", "past"]
    assert (say.state, say.took_s) == ("succeeded", 10.0)


def test_the_last_pass_is_open_and_the_others_are_counted() -> None:
    runs = [run(0, "-1"), run(1, "-1/5", inputs={"list": ["A-01", "B-02", "C-03"]})]
    runs += [run(2 + k, f"-1/5#{k}/6", span=(k * 10, k * 10 + 5 + k)) for k in range(3)]
    found = rows(LOOP, attempt(*runs))
    loop, pick = named(found, "loop"), named(found, "pick")
    assert (loop.folded, loop.of) == (2, (3, 3))
    assert (pick.key, pick.took_s, len(pick.bars)) == ("-1/5#2/6", 7.0, 3)
    listed = rows(LOOP, attempt(*runs), opened=("-1/5",))
    passes = [row for row in listed if row.what == "pass"]
    assert [(row.key, row.count, row.about, row.open) for row in passes] == [
        ("-1/5#0", 1, "A-01", False),
        ("-1/5#1", 2, "B-02", False),
        ("-1/5#2", 3, "C-03", True),
    ]
    assert [row.key for row in listed if row.name == "pick"] == ["-1/5#2/6"]
    both = rows(LOOP, attempt(*runs), opened=("-1/5", "-1/5#0"))
    first = next(row for row in both if row.key == "-1/5#0/6")
    assert (first.level, first.took_s, len(first.bars)) == (4, 5.0, 1)


def test_what_undid_a_loop_is_shown_once_below_it_whether_or_not_its_passes_are_listed() -> None:
    undo = {"rollback": [block(61, "undo loop", "PrintBp")]}
    inner = block(6, "pick", "PrintBp") | {"rollback": [block(62, "undo pick", "PrintBp")]}
    flow = definition(block(5, "loop", "IterateListBp", {"default": [inner]}) | undo, SAY)
    runs = [run(0, "-1"), run(1, "-1/5"), run(2, "-1/5#0/6"), run(3, "-1/5#1/6"), run(4, "-1/5/61")]
    runs += [run(5, "-1/5#1/6/62"), run(6, "-1/5#0/6/62")]
    for opened in ((), ("-1/5",), ("-1/5", "-1/5#0")):
        found = rows(flow, attempt(*runs), opened=opened)
        assert [(row.key, row.level, row.branch) for row in found if row.name == "undo loop"] == [
            ("-1/5/61", 3, "rollback")
        ]
        undone = [row.key for row in found if row.name == "undo pick"]
        assert undone == (["-1/5#0/6/62", "-1/5#1/6/62"] if len(opened) == 2 else ["-1/5#1/6/62"])
    assert "undo loop" not in {row.name for row in rows(flow, attempt(*runs[:4]))}


def test_thousands_of_passes_list_the_newest_and_say_how_many_are_left_out() -> None:
    runs = [run(0, "-1"), run(1, "-1/5"), *(run(2 + k, f"-1/5#{k}/6") for k in range(3000))]
    listed = rows(LOOP, attempt(*runs), opened=("-1/5",))
    assert len([row for row in listed if row.what == "pass"]) == PASSES
    assert [row.count for row in listed if row.what == "passes_left"] == [3000 - PASSES]


def test_a_running_block_counts_on_and_one_that_nobody_hears_of_does_not() -> None:
    runs = (run(0, "-1", "r", (900, None)), run(1, "-1/1", "r", (950, None)))
    say = named(rows(definition(SAY), attempt(*runs, state=AttemptState.RUNNING)), "say")
    assert (say.state, say.since, say.bars[0].kind) == ("running", at(950), "run")
    lost = named(rows(definition(SAY), attempt(*runs, state=AttemptState.RUNNING), uncertain=True), "say")
    assert (lost.state, lost.since, lost.bars[0].kind) == ("uncertain", None, "unk")
    over = named(rows(definition(SAY), attempt(*runs, state=AttemptState.FAILED)), "say")
    assert (over.state, over.bars[0].kind) == ("unknown", "unk")


# ------------------------------------------------------------ whose fault
def test_only_what_failed_by_itself_is_the_culprit() -> None:
    failed = attempt(
        run(0, "-1", "f"), run(1, "-1/7", "f"), run(2, "-1/7/8", "f", reason="blocked"), run(3, "-1/7/9"),
        state=AttemptState.FAILED, reason="blocked",
    )  # fmt: skip
    found = rows(CAUGHT, failed)
    assert [row.name for row in found if row.culprit] == ["drive"]
    assert [(row.name, row.reason) for row in found if row.reason] == [("drive", "blocked")]
    kinds = {row.name: [bar.kind for bar in row.bars] for row in found}
    assert (kinds["drive"], kinds["guard"], kinds["rescue"], kinds["The job"]) == (["bad"], ["via"], ["past"], ["via"])


def test_a_failure_that_was_caught_is_nobodys_fault() -> None:
    caught = attempt(run(0, "-1"), run(1, "-1/7"), run(2, "-1/7/8", "f", reason="blocked"), run(3, "-1/7/9"))
    found = rows(CAUGHT, caught)
    drive = named(found, "drive")
    assert not any(row.culprit for row in found)
    assert (drive.state, drive.reason, drive.bars[0].kind) == ("failed", "blocked", "via")


def test_the_caught_failure_is_not_blamed_for_a_later_one() -> None:
    later = attempt(
        run(0, "-1", "f"), run(1, "-1/7", "s"), run(2, "-1/7/8", "f", reason="blocked"), run(3, "-1/7/9"),
        run(4, "-1/1", "f", (2, 3), reason="no paper"), state=AttemptState.FAILED, reason="no paper",
    )  # fmt: skip
    assert [row.name for row in rows(CAUGHT, later) if row.culprit] == ["say"]


def test_of_two_that_failed_the_attempts_own_reason_decides() -> None:
    beside = definition(block(2, "both", "ParallelFlowBp", {"default": [block(3, "a", "PrintBp"), SAY]}))
    runs = (
        run(0, "-1", "f"), run(1, "-1/2", "f"), run(2, "-1/2/3", "f", (0, 5), reason="A broke"),
        run(3, "-1/2/1", "f", (0, 9), reason="B broke"),
    )  # fmt: skip
    one = rows(beside, attempt(*runs, state=AttemptState.FAILED, reason="A broke"))
    assert [row.name for row in one if row.culprit] == ["a"]


def test_where_no_block_failed_the_job_itself_says_why() -> None:
    late = attempt(run(0, "-1", "f", reason="too late"), run(1, "-1/1", "c"), state=AttemptState.FAILED)
    found = rows(definition(SAY), late)
    assert [(row.level, row.reason) for row in found if row.culprit] == [(1, "too late")]
    assert named(found, "say").bars[0].kind == "gone"


def test_the_try_that_counts_is_the_last() -> None:
    tried = attempt(run(0, "-1"), run(1, "-1/1", "f", (0, 2), reason="x"), run(2, "-1/1", "s", (3, 4), try_=1))
    say = named(rows(definition(SAY), tried), "say")
    assert (say.state, say.tries, say.culprit, [bar.kind for bar in say.bars]) == (
        "succeeded",
        2,
        False,
        ["via", "past"],
    )


# ------------------------------------------------------------ bounds
def test_a_long_tree_shows_what_is_quiet_folded_and_what_runs_open() -> None:
    groups = [
        block(
            g,
            f"group {g}",
            "SerialFlowBp",
            {"default": [block(g * 100 + i, f"b{g}.{i}", "PrintBp") for i in range(20)]},
        )
        for g in range(1, 11)
    ]
    runs = [
        run(0, "-1", "r", (0, None)),
        run(1, "-1/1"),
        run(2, "-1/2", "r", (5, None)),
        run(3, "-1/2/200", "r", (5, None)),
    ]
    found = rows(definition(*groups), attempt(*runs, state=AttemptState.RUNNING))
    shut = {row.name for row in found if row.open is False}
    assert shut == {f"group {g}" for g in range(1, 11)} - {"group 2"}
    assert named(found, "b2.0").hidden is False
    assert named(found, "b1.0").hidden is True
    assert named(found, "group 3").hidden is False


def test_no_tree_is_longer_than_a_page_bears() -> None:
    many = definition(*(block(i, f"b{i}", "PrintBp") for i in range(1, MAX_ROWS + 501)))
    found = rows(many, attempt(run(0, "-1")))
    assert len(found) == MAX_ROWS + 1
    assert (found[-1].what, found[-1].count) == ("rows_left", 501)


def test_a_sub_flow_is_one_step_with_its_blocks_below() -> None:
    called = definition(block(3, "call", "SubTaskBp", flow="other"))
    called["subFlows"] = {"other": definition(SAY)}
    found = rows(called, attempt(run(0, "-1"), run(1, "-1/3"), run(2, "-1/3/-1/1")))
    assert [(row.name, row.level, row.state) for row in found[1:]] == [
        ("call", 2, "succeeded"),
        ("say", 3, "succeeded"),
    ]


def test_without_a_definition_runs_stand_one_after_the_other_and_are_bounded() -> None:
    one = played(attempt(*(run(n, f"-1/{n}", span=(n / 10, n / 10 + 0.1)) for n in range(900))))
    found, left = flat(one[0], lay_out([Stretch(0, 100)]), 0)
    assert (len(found), left, found[-1].name) == (300, 600, "-1/899")
    assert flat(None, lay_out([]), 0) == ([], 0)


def test_offers_that_were_not_taken_are_no_attempts() -> None:
    offer = attempt(start=5)
    offer = AttemptRuns.model_construct(
        attempt=offer.attempt.model_copy(update={"started_at": None}), runs=[], truncated=False
    )
    found = played_out([attempt(run(0, "-1")), offer, attempt(run(0, "-1"), start=9)], 7, NOW)
    assert [one.k for one in found] == [6, 7]


@pytest.mark.parametrize(
    ("path", "place", "parent"),
    [("-1", "-1", ""), ("-1/5#2/7", "-1/5/7", "-1/5"), ("-1/5#2/7#11/9", "-1/5/7/9", "-1/5#2/7")],
)
def test_paths(path: str, place: str, parent: str) -> None:
    assert (place_of(path), above(path)) == (place, parent)
