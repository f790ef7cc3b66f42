"""Checking flows: every problem is found, with its path, and nothing makes the check fall over."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.blocks import BLOCK_KINDS
from schemas.flow import MAX_BLOCKS, MAX_FLOW_BYTES, MAX_LEVELS, read_flow
from schemas.flow_check import FlowCheck, check_flow
from tests.fakes.flow_bench import block, flow
from tests.fakes.flow_examples import EXAMPLES


def check(definition: Any, **subs: Any) -> FlowCheck:
    return check_flow(definition, "main", lambda name: subs.get(name))


def found(*blocks: dict[str, Any], inputs: Any = None, **subs: Any) -> list[tuple[str, str]]:
    problems = check(flow(*blocks, inputs=inputs), **subs).problems
    assert all(problem.message for problem in problems)
    return [(problem.path, problem.code) for problem in problems]


def made(kind: str, name: str, value: Any) -> dict[str, Any]:
    parameters: Any = {f"p_{name}": value}
    return block(1, kind, **parameters)


def go(id_: int, **rest: Any) -> dict[str, Any]:
    return block(id_, "CAgvOperationBp", **({"p_targetSiteLabel": "P"} | rest))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_in_order(name: str) -> None:
    subs = EXAMPLES[name].get("subFlows", {})
    assert check(EXAMPLES[name], **subs).problems == ()


def test_needs_and_sub_flows_are_told() -> None:
    inner = flow(block(1, "RpaRunBp", p_command="x"))
    outer = flow(block(1, "SubTask::inner"))
    result = check(flow(block(1, "SubTask::outer"), block(2, "PrintBp")), outer=outer, inner=inner)
    assert result.problems == ()
    assert result.needs == {"RootBp", "SubTaskBp", "PrintBp", "RpaRunBp"}
    assert result.sub_flows == {"outer": outer, "inner": inner}


def test_what_editors_write_besides_is_ignored() -> None:
    noisy = block(1, "IfBp", e_condition="true", o_refTaskDefId="", o_selected=False, o_expanded=True)
    noisy["children"] = {"submodules": [block(2, "PrintBp", p_message="x", p_unknown=" ")]}
    definition = flow(noisy, block(3, "DelayBp", p_timeMillis="1000", o_maxTimeOut="0", o_remark="wait", o_retry=None))
    assert check(definition).problems == ()
    root = read_flow(definition).root
    assert root is not None
    assert [child.id for child in root.branches["default"][0].branches["default"]] == ["2"]


def test_every_problem_is_listed_with_its_path() -> None:
    loop = block(1, "IterateListBp", block(2, "PrintBp", e_message="1 +"), p_list="no list")
    assert found(
        loop,
        block(3, "NoSuchBp"),
        block(4, "DelayBp"),
        block(4, "BreakBp", name="b1"),
        block(6, "RpaRunBp"),
        block(7, "DelayBp", p_timeMillis="-1"),
        block(8, "PrintBp", p_colour="red"),
        block(9, "IfBp", e_condition="taskInputs.x", b_else=[go(10)]),
        inputs=[{"name": "n", "type": "Long", "defaultValue": "many"}],
    ) == [
        ("-1/9", "unknown_branch"),
        ("n", "bad_value"),
        ("-1/4", "duplicate"),
        ("-1/4", "duplicate"),
        ("-1/1", "bad_value"),
        ("-1/1/2", "bad_expression"),
        ("-1/3", "unknown_block_kind"),
        ("-1/4", "missing_parameter"),
        ("-1/6", "missing_parameter"),
        ("-1/7", "bad_value"),
        ("-1/8", "unknown_parameter"),
        ("-1/4", "misplaced"),
        ("-1/9", "unknown_input"),
    ]


@pytest.mark.parametrize("kind", BLOCK_KINDS)
def test_a_required_parameter_is_missed(kind: str) -> None:
    row = BLOCK_KINDS[kind]
    needed = [param.name for param in row.params if param.required] or list(row.one_of)[:1]
    missing = [code for _, code in found(block(1, kind))].count("missing_parameter")
    assert missing == len(needed)


@pytest.mark.parametrize(
    "kind", [name for name, row in BLOCK_KINDS.items() if any(p.low is not None for p in row.params)]
)
def test_a_number_out_of_bounds_is_refused(kind: str) -> None:
    for param in BLOCK_KINDS[kind].params:
        if param.low is not None and param.high is not None:
            for value in (param.low - 1, param.high + 1):
                assert ("-1/1", "bad_value") in found(made(kind, param.name, value))


PRINT = "PrintBp"


@pytest.mark.parametrize(
    ("blocks", "bad"),
    [
        ([go(1), block(2, PRINT, e_message="blocks.b1.result")], []),
        ([block(2, PRINT, e_message="blocks.b1.result"), go(1)], [("-1/2", "reference")]),
        ([block(2, PRINT, e_message="blocks.b2.x")], [("-1/2", "reference")]),
        ([block(2, PRINT, e_message="blocks.b9.x")], [("-1/2", "unknown_block")]),
        ([block(1, "SerialFlowBp", go(2)), block(3, PRINT, e_message="blocks.b2.result")], []),
        (
            [
                block(
                    1, "IfElseBp", e_conditionIf="true", b_if=[go(2)], b_else=[block(3, PRINT, e_message="blocks.b2.x")]
                )
            ],
            [("-1/1/3", "reference")],
        ),
        ([block(1, "TryCatchBp", b_try=[go(2)], b_catch=[block(3, PRINT, e_message="blocks.b2.result")])], []),
        (
            [block(1, "TryCatchBp", b_try=[block(3, PRINT, e_message="blocks.b2.x")], b_catch=[go(2)])],
            [("-1/1/3", "reference")],
        ),
        (
            [block(1, "RepeatNumBp", block(2, PRINT, e_message="blocks.b3.result + blocks.b1.index"), go(3), p_num=2)],
            [],
        ),
        ([block(1, "WhileBp", go(2), e_loopCondition="blocks.b2.result == null")], []),
        ([block(1, "ParallelFlowBp", block(2, PRINT, e_message="blocks.b3.result"), go(3))], []),
        ([block(1, "IfBp", go(2), e_condition="blocks.b2.result")], [("-1/1", "reference")]),
    ],
)
def test_references_to_blocks_that_cannot_have_run(blocks: list[Any], bad: list[Any]) -> None:
    assert found(*blocks) == bad


def test_places() -> None:
    assert found(block(1, "CSelectAgvBp", block(2, "SerialFlowBp", block(3, "CSelectAgvBp")))) == [
        ("-1/1/2/3", "misplaced")
    ]
    assert found(block(1, "RepeatNumBp", block(2, "IfBp", block(3, "BreakBp"), e_condition="true"), p_num=1)) == []
    assert found(block(1, "RootBp")) == [("-1/1", "misplaced")]
    assert ("-1", "misplaced") in [(p.path, p.code) for p in check({"rootBlock": block(-1, "SerialFlowBp")}).problems]
    selecting = flow(block(1, "CSelectAgvBp"))
    assert found(block(1, "CSelectAgvBp", block(2, "SubTask::s")), s=selecting) == [("-1/1/2", "misplaced")]


def test_what_runs_beside_is_not_tried_again() -> None:
    beside = block(2, "SubTaskBp", p_flow="s", p_ifAsync="true")
    tries: Any = {"o_retry": {"times": 1}}
    assert found(block(1, "SerialFlowBp", beside, **tries), s=flow()) == [("-1/1", "misplaced")]
    assert found(block(1, "SubTask::t", **tries), t=flow(beside), s=flow()) == [("-1/1", "misplaced")]
    assert found(block(1, "SubTaskBp", p_flow="s", e_ifAsync="vars.x", **tries), s=flow()) == [("-1/1", "misplaced")]
    assert found(block(1, "SubTaskBp", p_flow="s", p_ifAsync="false", **tries), s=flow()) == []


def test_sub_flows() -> None:
    sub = flow(block(3, "NoSuchBp"), inputs=[{"name": "n", "type": "Long", "required": True}])
    assert found(block(12, "SubTask::s", p_n="1"), block(13, "SubTask::s", p_n="2"), s=sub) == [
        ("-1/12/-1/3", "unknown_block_kind")
    ]
    assert found(block(12, "SubTask::s"), s=flow(inputs=sub["inputParams"])) == [("-1/12", "missing_parameter")]
    wrong = block(12, "SubTask::s", p_n="x", p_m="1", p_taskRecordId="")
    assert found(wrong, s=flow(inputs=sub["inputParams"])) == [("-1/12", "unknown_parameter"), ("-1/12", "bad_value")]
    assert found(block(1, "SubTask::missing")) == [("-1/1", "unknown_flow")]
    assert found(block(1, "SubTaskBp", e_flow="vars.x")) == [("-1/1", "bad_value")]


def test_recursion_is_found_however_long_the_way() -> None:
    assert found(block(1, "SubTask::main")) == [("-1/1", "recursion")]
    a, b = flow(block(1, "SubTask::b")), flow(block(1, "SubTask::a"))
    assert found(block(1, "SubTask::a"), a=a, b=b) == [("-1/1/-1/1/-1/1", "recursion")]


def nested(levels: int) -> dict[str, Any]:
    inner = block(levels, "SerialFlowBp")
    for id_ in range(levels - 1, 0, -1):
        inner = block(id_, "SerialFlowBp", inner)
    return inner


def test_bounds() -> None:
    assert found(nested(MAX_LEVELS - 1)) == []
    assert [code for _, code in found(nested(MAX_LEVELS))] == ["bounds"]
    assert found(block(100, "SerialFlowBp", block(101, "SubTask::s")), s=flow(nested(MAX_LEVELS - 4))) == []
    assert found(block(100, "SerialFlowBp", block(101, "SubTask::s")), s=flow(nested(MAX_LEVELS - 3))) == [
        ("-1/100/101", "bounds")
    ]
    many = [block(id_, "ReturnBp") for id_ in range(MAX_BLOCKS)]
    assert [code for _, code in found(*many[1:])] == []
    assert "bounds" in [code for _, code in found(*many)]
    half = flow(*many[: MAX_BLOCKS // 2])
    assert [code for _, code in found(*many[1 : MAX_BLOCKS // 2], block(9999, "SubTask::s"), s=half)] == ["bounds"]
    large = block(1, "PrintBp", p_message="x" * MAX_FLOW_BYTES)
    assert found(large) == [("", "bounds")]
    third = flow(
        block(1, "SubTask::next", p_text="x" * 30_000), inputs=[{"name": "text", "defaultValue": "y" * 400_000}]
    )
    assert found(block(1, "SubTask::a"), a=third, next=third) == [("-1/1/-1/1", "bounds")]


def test_a_chain_of_sub_flows_ends() -> None:
    subs = {f"s{n}": flow(block(1, f"SubTask::s{n + 1}")) for n in range(200)}
    codes = {code for _, code in found(block(1, "SubTask::s0"), **subs)}
    assert codes == {"bounds"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
BLOCK_KEYS = ["id", "name", "blockType", "children", "inputParams", "retry", "rollback", "maxTimeOut"]
OTHER_KEYS = [
    "default",
    "if",
    "type",
    "value",
    "rootBlock",
    "outputParams",
    "list",
    "condition",
    "flow",
    "defaultValue",
]
KEYS = st.sampled_from([*BLOCK_KEYS, *OTHER_KEYS])
KINDS = st.sampled_from([*BLOCK_KINDS, "SubTask::main", "SubTask::x", "Simple", "Expression", "JSON", "Key-Value"])
ODD = st.recursive(
    JSON | KINDS | st.sampled_from(["vars.x", "blocks.b.c", "1 +", "-1", -1, 1]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=7),
    max_leaves=20,
)
ODD_BLOCK = st.fixed_dictionaries(
    {"id": st.integers(-1, 5) | ODD, "name": st.sampled_from(["a", "b"]) | ODD, "blockType": KINDS | ODD},
    optional={"inputParams": ODD, "children": ODD, "retry": ODD, "rollback": ODD, "maxTimeOut": ODD},
)
BLOCKS = st.recursive(
    ODD_BLOCK,
    lambda inner: st.builds(
        lambda one, items: one | {"children": {"default": items}}, ODD_BLOCK, st.lists(inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(ODD | st.builds(lambda root, inputs: {"rootBlock": root, "inputParams": inputs}, BLOCKS, ODD), ODD)
def test_whatever_a_definition_holds_the_check_answers(definition: Any, sub: Any) -> None:
    result = check(definition, x=sub)
    assert all(problem.code and problem.message for problem in result.problems)


def test_what_is_not_even_json() -> None:
    endless: dict[str, Any] = {}
    endless["rootBlock"] = {"children": {"default": [endless]}}
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    odd: list[Any] = [endless, {"rootBlock": deep}, {"rootBlock": object()}, None, 5, [], {1: 2}, {"x": {1, 2}}]
    for definition in odd:
        assert check(definition).problems
