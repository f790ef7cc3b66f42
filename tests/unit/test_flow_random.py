"""Random flows on robots with random luck: dying at random rows changes nothing of what comes out."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.flow_check import check_flow
from tests.fakes.flow_bench import Answer, Bench, Crash, Robot, assign, block, flow
from tests.unit.test_flow_replay import check_rows, result

COUNT = "(0 if vars.n == null else vars.n) + 1"
LEAVES = ("go",) * 6 + ("count",) * 3 + ("delay",) * 2 + ("print", "throw", "break", "return")
NODES = ("serial", "if", "else", "repeat", "while", "try", "each")


def tree(side_by_side: bool) -> st.SearchStrategy[Any]:
    nodes = (*NODES, "parallel") if side_by_side else NODES
    leaf = st.tuples(st.sampled_from(LEAVES), st.integers(0, 3))
    return st.recursive(
        leaf,
        lambda inner: st.tuples(
            st.sampled_from(nodes),
            st.integers(0, 3),
            st.lists(inner, min_size=1, max_size=3),
            st.lists(inner, max_size=2),
        ),
        max_leaves=12,
    )


def build(made: Any, ids: Iterator[int], in_loop: bool = False) -> dict[str, Any]:
    """A definition from what was drawn; the number varies parameters, tries and limits."""
    kind, number, *rest = made
    id_ = next(ids)
    looping = in_loop or kind in ("repeat", "while", "each")
    first, second = ([build(item, ids, looping) for item in items] for items in (*rest, [], [])[:2])
    tries: Any = {"o_retry": {"times": number % 2, "interval": 700}} if kind != "return" else {}
    kinds: dict[str, Any] = {
        "go": lambda: block(id_, "CAgvOperationBp", p_targetSiteLabel="P", **tries),
        "count": lambda: block(id_, "SetTaskVariableBp", p_varName="n", e_varValue=COUNT),
        "delay": lambda: block(id_, "DelayBp", p_timeMillis=400 * number),
        "print": lambda: block(id_, "PrintBp", e_message="str(vars.n == null or vars.n)"),
        "throw": lambda: block(id_, "ThrowExceptionBp", e_message="'thrown ' + str(json(vars.n))"),
        "break": lambda: block(id_, "BreakBp") if in_loop else block(id_, "CreateUuidBp"),
        "return": lambda: block(id_, "ReturnBp"),
        "serial": lambda: block(id_, "SerialFlowBp", *first, *second, **tries),
        "parallel": lambda: block(id_, "ParallelFlowBp", *first, *second),
        "if": lambda: block(id_, "IfBp", *first, e_condition=f"vars.n != {number}"),
        "else": lambda: block(id_, "IfElseBp", e_conditionIf=f"vars.n == {number}", b_if=first, b_else=second),
        "repeat": lambda: block(id_, "RepeatNumBp", *first, p_num=number, **tries),
        "each": lambda: block(id_, "IterateListBp", *first, p_list=list(range(number + 1))),
        "while": lambda: block(id_, "WhileBp", *first, e_loopCondition="vars.n == null or vars.n < 3", p_max=4),
        "try": lambda: block(id_, "TryCatchBp", b_try=first, b_catch=second, p_swallowError=number % 2 == 0, **tries),
    }
    found: dict[str, Any] = kinds[kind]()
    return found


def luck(draws: list[int], ids: range) -> dict[str, list[Answer]]:
    answers = {0: Answer(), 1: Answer("failed", reason="slip"), 2: Answer("stopped"), 3: Answer("refused", reason="no")}
    good = Answer(outputs={"result": "ok"}, seconds=0.5)
    return {f"b{id_}": [answers[draws[id_ % len(draws)]], good] for id_ in ids}


def flow_of(made: list[Any]) -> dict[str, Any]:
    ids = iter(range(1, 1000))
    return flow(*(build(item, ids) for item in made))


def run_with(definition: dict[str, Any], script: Any, lives: int | None) -> Bench:
    b = Bench(assign(definition), Robot(script))
    b.host.lives = lives
    while True:
        try:
            b.finish()
        except Crash:
            b.crash()
            b.host.lives = lives
        else:
            return b


DRAWS = st.lists(st.sampled_from([0, 0, 0, 0, 0, 1, 1, 2, 3]), min_size=7, max_size=7)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.lists(tree(side_by_side=False), min_size=2, max_size=4), DRAWS, st.integers(5, 25))
def test_dying_again_and_again_changes_nothing(made: list[Any], draws: list[int], lives: int) -> None:
    definition, script = flow_of(made), luck(draws, range(1, 60))
    assert check_flow(definition, "main", lambda _: None).problems == ()
    whole, cut = run_with(definition, script, None), run_with(definition, script, lives)
    check_rows_of(whole)
    check_rows_of(cut)
    assert without_ids(result(cut, "")) == without_ids(result(whole, ""))


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.lists(tree(side_by_side=True), min_size=2, max_size=4), DRAWS, st.integers(5, 25))
def test_with_branches_side_by_side_every_run_still_begins_and_ends_once(
    made: list[Any], draws: list[int], lives: int
) -> None:
    definition, script = flow_of(made), luck(draws, range(1, 60))
    b = run_with(definition, script, lives)
    assert b.run.end is not None
    check_rows_of(b)


def check_rows_of(b: Bench) -> None:
    if b.robot.started and b.host.rows:
        check_rows(b)


def without_ids(found: dict[str, Any]) -> dict[str, Any]:
    """Ids that were made before they could be recorded are made anew."""
    runs = {
        key: (n, status, inputs, None if outputs and "createUuid" in outputs else outputs, reason)
        for key, (n, status, inputs, outputs, reason) in found["runs"].items()
    }
    return {**found, "runs": runs}
