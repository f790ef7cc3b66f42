"""Example flows that use every pure kind, loops, tries, branches and sub-flows, for the tests of restarts."""

from typing import Any

from tests.fakes.flow_bench import Answer, block, flow


def _go(id_: int, place: str = "P1", **rest: Any) -> dict[str, Any]:
    return block(id_, "CAgvOperationBp", p_targetSiteLabel=place, **rest)


def _set(id_: int, name: str, **value: Any) -> dict[str, Any]:
    return block(id_, "SetTaskVariableBp", p_varName=name, **value)


_PICK = flow(
    _go(1, name="pick"),
    _set(2, "picked", e_varValue="taskInputs.place"),
    block(3, "IfBp", block(4, "ReturnBp"), e_condition="taskInputs.place == 'C'"),
    block(5, "PrintBp", e_message="'picked at ' + vars.picked"),
    inputs=[{"name": "place", "type": "String", "required": True}],
    outputParams=[{"name": "picked", "type": "String"}],
)

EXAMPLES: dict[str, dict[str, Any]] = {
    "serial": flow(
        block(
            9,
            "CSelectAgvBp",
            _go(1),
            block(2, "DelayBp", p_timeMillis=2000),
            block(3, "TimestampBp"),
            block(4, "CreateUuidBp"),
            block(5, "PrintBp", e_message="blocks.b4.createUuid + str(blocks.b3.timestamp)"),
            block(6, "TaskStateBp", p_stateMsg="loaded"),
            block(7, "WorkTypesBp", p_workTypes="in"),
            block(8, "StringToJsonObjectBp", p_convertString='{"to": "P9"}'),
            block(10, "CAgvOperationBp", e_targetSiteLabel="blocks.b8.convertObject.to"),
            p_keyRoute="AP1",
        )
    ),
    "while": flow(
        block(
            1,
            "WhileBp",
            _go(2),
            _set(3, "n", e_varValue="(0 if vars.n == null else vars.n) + 1"),
            block(
                4, "IfElseBp", e_conditionIf="vars.n == 3", b_if=[_set(5, "done", p_varValue="true")], b_else=[_go(6)]
            ),
            e_loopCondition="vars.done != true",
            p_retryPeriod=1500,
            p_max=10,
        ),
        block(7, "PrintBp", e_message="str(vars.n) + blocks.b6.result"),
    ),
    "loops": flow(
        block(
            1,
            "IterateListBp",
            block(
                2,
                "RepeatNumBp",
                _go(3),
                block(4, "IfBp", block(5, "BreakBp"), e_condition="blocks.b2.index == blocks.b1.index"),
                block(6, "PrintBp", e_message="blocks.b1.item + str(blocks.b2.index)"),
                p_num=3,
            ),
            p_list='["x", "y"]',
        ),
        block(8, "CAgvOperationBp", e_targetSiteLabel="blocks.b1.item", e_script="str(blocks.b2.index)"),
    ),
    "tries": flow(
        block(
            1,
            "TryCatchBp",
            b_try=[
                block(
                    2,
                    "RepeatNumBp",
                    _set(3, "n", e_varValue="(0 if vars.n == null else vars.n) + 1"),
                    _go(4),
                    _go(5, name="slips", o_retry={"times": 1, "interval": 1000}),
                    p_num=2,
                    o_retry={"times": 1, "interval": 500},
                ),
                _go(6),
            ],
            b_catch=[_go(7), block(8, "PrintBp", e_message="blocks.b1.error")],
            p_swallowError="true",
        ),
        block(9, "IfElseIfBp", e_conditionIf="vars.n == 9", e_conditionElseIf="vars.n == 3", b_else_if=[_go(10)]),
        block(11, "ThrowExceptionBp", e_message="'end ' + str(vars.n)"),
    ),
    "sub": flow(
        block(
            1,
            "IterateListBp",
            block(2, "SubTask::pick", e_place="blocks.b1.item", name="sub"),
            block(3, "PrintBp", e_message="blocks.sub.picked"),
            p_list='["A", "C"]',
        ),
        block(4, "SubTaskBp", p_flow="pick", p_ifAsync="true", p_place="B"),
        _go(5),
        subFlows={"pick": _PICK},
    ),
    "parallel": flow(
        block(
            1,
            "ParallelFlowBp",
            block(2, "SerialFlowBp", _go(3, name="slow"), _set(4, "a", p_varValue=1), block(5, "TimestampBp")),
            block(
                6, "SerialFlowBp", _go(7), block(8, "DelayBp", p_timeMillis=500), _set(9, "b", p_varValue=2), _go(10)
            ),
        ),
        block(11, "PrintBp", e_message="str(vars.a + vars.b)"),
        _go(12),
    ),
    "parallel that fails": flow(
        block(
            1,
            "TryCatchBp",
            b_try=[
                block(
                    2,
                    "ParallelFlowBp",
                    block(3, "SerialFlowBp", _go(4, name="endless"), _go(5)),
                    block(6, "SerialFlowBp", _go(7), _go(8, name="bang")),
                    block(9, "DelayBp", p_timeMillis=900_000),
                )
            ],
            b_catch=[_go(10)],
            p_swallowError=True,
        ),
        _go(11),
    ),
    "limits": flow(
        block(
            1,
            "TryCatchBp",
            b_try=[block(2, "SerialFlowBp", _go(3), _go(4, name="endless"), o_maxTimeOut=3000)],
            b_catch=[block(5, "SerialFlowBp", _go(6, name="endless too", o_maxTimeOut=2000))],
        ),
        _go(7),
    ),
}

EXAMPLES["limited tries"] = flow(
    block(
        1,
        "TryCatchBp",
        b_try=[
            block(
                2,
                "SerialFlowBp",
                _go(3),
                _go(4, name="slips", o_retry={"times": 3, "interval": 5000}),
                o_maxTimeOut=4000,
                o_retry={"times": 2},
            )
        ],
        p_swallowError=True,
    ),
    _go(5),
)

SCRIPT: dict[str, list[Answer]] = {
    "slips": [Answer("failed", reason="slip"), Answer("failed", reason="slip"), Answer()],
    "slow": [Answer(seconds=4, outputs={"result": "slow"})],
    "endless": [Answer(seconds=None)],
    "endless too": [Answer(seconds=None)],
    "bang": [Answer("failed", reason="bang")],
    "b6": [Answer(outputs={"result": "six"})],
}
TIMED = frozenset({"parallel", "parallel that fails", "sub"})
"""Branches of these run side by side, so a restart may change which of them gets its number first."""
