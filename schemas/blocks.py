"""The table of block kinds: whoever checks, runs, shows or edits flows reads it here."""

from collections.abc import Mapping
from typing import Any, Literal

from schemas.agent_words import OF_AGENTS
from schemas.block_kind import ONE, BlockKind, Param, ParamType, Words, describe

__all__ = [
    "BLOCK_KINDS",
    "OPERATION_KINDS",
    "PURE_KINDS",
    "SENTENCES",
    "BlockKind",
    "Param",
    "Words",
    "describe",
    "sentence",
]

DAY_MS = 86_400_000
MAX_REPEAT, MAX_ITERATIONS = 1_000, 10_000

BRANCH_DONE = {
    "branch_done": Words("all child blocks of branch {branch} are done", "分支 {branch} 的所有子块执行完成"),
}
RETRY = {
    "retry": Words(
        "try {try} of {name} failed ({reason}); it is tried again", "{name} 第 {try} 次执行失败({reason}),将重新执行"
    ),
}
FAILED = {"failed": Words("failed: {reason}", "执行失败: {reason}")}
DEBUGGED = {
    "again": Words(
        "try {try} of {name} failed ({reason}); a person has it run again",
        "{name} 第 {try} 次执行失败({reason}),由人工重新执行",
    ),
    "rollback": Words("what {name} has done is undone", "回滚 {name} 已完成的操作"),
}
INTERRUPTED = {
    "interrupted": Words(
        "nobody can tell what became of {name} when the agent stopped", "代理停止时 {name} 的执行结果无法确认"
    ),
}


def _p(
    name: str,
    type_: ParamType,
    en: str,
    zh: str,
    *,
    required: bool = False,
    default: object = None,
    bounds: tuple[float, float] | None = None,
) -> Param:
    low, high = bounds or (None, None)
    return Param(name, type_, Words(en, zh), required, default, low, high)


_FLOW = (
    BlockKind("RootBp", Words("Root", "根节点"), "flow", branches=ONE, sentences=BRANCH_DONE),
    BlockKind("SerialFlowBp", Words("Serial", "串行块"), "flow", branches=ONE),
    BlockKind("ParallelFlowBp", Words("Parallel", "并行块"), "flow", branches=ONE),
    BlockKind(
        "IfBp",
        Words("If", "条件块"),
        "flow",
        (_p("condition", "Boolean", "condition", "条件", required=True),),
        ONE,
    ),
    BlockKind(
        "IfElseBp",
        Words("If, else", "条件分支块"),
        "flow",
        (_p("conditionIf", "Boolean", "condition", "条件", required=True),),
        ("if", "else"),
        sentences=BRANCH_DONE,
    ),
    BlockKind(
        "IfElseIfBp",
        Words("If, else if, else", "多条件分支块"),
        "flow",
        (
            _p("conditionIf", "Boolean", "condition", "条件", required=True),
            _p("conditionElseIf", "Boolean", "second condition", "第二条件", required=True),
        ),
        ("if", "else_if", "else"),
        sentences=BRANCH_DONE,
    ),
    BlockKind(
        "WhileBp",
        Words("While", "循环块"),
        "flow",
        (
            _p("loopCondition", "Boolean", "goes on while", "循环条件", required=True),
            _p("retryPeriod", "Long", "wait between passes (ms)", "循环间隔(毫秒)", bounds=(0, DAY_MS)),
            _p("max", "Long", "most passes", "最大循环次数", bounds=(1, MAX_ITERATIONS)),
        ),
        ONE,
        loop=True,
    ),
    BlockKind(
        "RepeatNumBp",
        Words("Repeat", "重复执行块"),
        "flow",
        (_p("num", "Long", "times", "次数", required=True, bounds=(0, MAX_REPEAT)),),
        ONE,
        ("index",),
        loop=True,
        early=True,
    ),
    BlockKind(
        "IterateListBp",
        Words("For each", "遍历列表块"),
        "flow",
        (_p("list", "JSONArray", "list", "列表", required=True),),
        ONE,
        ("index", "item"),
        loop=True,
        early=True,
    ),
    BlockKind("BreakBp", Words("Leave the loop", "跳出循环块"), "flow"),
    BlockKind("ReturnBp", Words("Return", "返回块"), "flow"),
    BlockKind(
        "TryCatchBp",
        Words("Try, catch", "异常捕获块"),
        "flow",
        (
            _p("swallowError", "Boolean", "the failure ends here", "是否忽略异常", default=False),
            _p("ignoreAbort", "Boolean", "a stop at the robot is not caught", "是否忽略中止", default=False),
        ),
        ("try", "catch"),
        ("error",),
        early=True,
        sentences={"caught": Words("caught: {reason}", "捕获异常: {reason}")},
    ),
    BlockKind(
        "ThrowExceptionBp",
        Words("Fail", "抛出异常块"),
        "flow",
        (_p("message", "String", "message", "异常信息", required=True),),
    ),
    BlockKind(
        "DelayBp",
        Words("Wait", "延时块"),
        "flow",
        (_p("timeMillis", "Long", "time (ms)", "时长(毫秒)", required=True, bounds=(0, DAY_MS)),),
    ),
)

_DATA = (
    BlockKind(
        "SetTaskVariableBp",
        Words("Set variable", "设置任务变量块"),
        "data",
        (
            _p("varName", "String", "name", "变量名", required=True),
            _p("varValue", "Any", "value", "变量值"),
        ),
    ),
    BlockKind("PrintBp", Words("Print", "打印块"), "data", (_p("message", "String", "text", "打印内容"),)),
    BlockKind("TimestampBp", Words("Time stamp", "时间戳块"), "data", outputs=("timestamp",)),
    BlockKind("CreateUuidBp", Words("New id", "生成UUID块"), "data", outputs=("createUuid",)),
    BlockKind(
        "StringToJsonObjectBp",
        Words("Text to object", "字符串转JSON对象块"),
        "data",
        (_p("convertString", "String", "text", "字符串", required=True),),
        outputs=("convertObject",),
    ),
)

_TASK = (
    BlockKind(
        "SubTaskBp",
        Words("Sub-task", "子任务块"),
        "task",
        (
            _p("flow", "String", "flow", "流程", required=True),
            _p("ifAsync", "Boolean", "runs beside", "是否异步", default=False),
        ),
        extra=Words("inputs of that flow", "子任务输入参数"),
    ),
    BlockKind(
        "TaskStateBp",
        Words("State text", "任务状态块"),
        "task",
        (_p("stateMsg", "String", "text", "状态描述", required=True),),
    ),
    BlockKind(
        "WorkTypesBp",
        Words("Work types", "工作类型块"),
        "task",
        (
            _p("workTypes", "String", "work types", "工作类型"),
            _p("workStations", "String", "work stations", "工作站"),
        ),
    ),
)

_ROBOT = (
    BlockKind(
        "CSelectAgvBp",
        Words("Select the AGV", "选择执行机器人块"),
        "robot",
        (
            _p("keyRoute", "String", "where the work begins", "关键点"),
            _p("vehicle", "String", "robot", "指定机器人"),
            _p("group", "String", "queue", "机器人组"),
            _p("tag", "String", "tag", "标签"),
            _p("priority", "Long", "priority", "优先级", bounds=(0, 5000)),
        ),
        ONE,
        ("selectedAgvId",),
        early=True,
        sentences={"agv_selected": Words("robot selected, block {block_name}", "选择机器人块成功, 块id:{block_name}")},
    ),
    BlockKind(
        "CAgvOperationBp",
        Words("Operate the AGV", "机器人操作块"),
        "robot",
        (
            _p("targetSiteLabel", "String", "place", "目标站点"),
            _p("scriptName", "String", "script", "脚本名称"),
        ),
        outputs=("result",),
        operation=True,
        extra=Words("parameters of the script", "脚本参数"),
        one_of=("targetSiteLabel", "scriptName"),
        sentences=INTERRUPTED,
    ),
    BlockKind(
        "GetBatteryLevelBp",
        Words("Battery level", "获取电量块"),
        "robot",
        outputs=("batteryLevel",),
        operation=True,
        reads=True,
        sentences=INTERRUPTED,
    ),
    BlockKind(
        "VehicleStationBp",
        Words("Where it stands", "获取机器人站点块"),
        "robot",
        outputs=("station", "lastStation"),
        operation=True,
        reads=True,
        sentences=INTERRUPTED,
    ),
)

_RPA = (
    BlockKind(
        "RpaRunBp",
        Words("Run a program", "执行RPA程序块"),
        "rpa",
        (
            _p("command", "String", "command", "命令"),
            _p("package", "String", "package", "程序包"),
            _p("arguments", "JSONArray", "arguments", "参数列表"),
            _p("secrets", "JSONObject", "secrets", "机密参数"),
            _p("timeout", "Long", "longest time (ms)", "超时(毫秒)", bounds=(1, DAY_MS)),
        ),
        outputs=("exitCode", "stdout", "outputs"),
        operation=True,
        one_of=("command", "package"),
        sentences=INTERRUPTED,
    ),
)

BLOCK_KINDS: dict[str, BlockKind] = {row.kind: row for row in (*_FLOW, *_DATA, *_TASK, *_ROBOT, *_RPA)}
"""Every kind an agent can run, by its name in definitions."""
OPERATION_KINDS = frozenset(name for name, row in BLOCK_KINDS.items() if row.operation)
"""Kinds that need the robot's driver; a robot's capabilities name those it has."""
PURE_KINDS = frozenset(BLOCK_KINDS) - OPERATION_KINDS
"""Kinds that every agent runs by itself."""
SENTENCES: dict[str, Words] = (
    OF_AGENTS
    | RETRY
    | FAILED
    | DEBUGGED
    | {key: words for row in BLOCK_KINDS.values() for key, words in row.sentences.items()}
)
"""Every log sentence of flows, by message key."""


def sentence(message: str, args: Mapping[str, Any], language: Literal["en", "zh"] = "en") -> str:
    """A log message as people read it; one that we do not know, or that lacks an argument, as it came."""
    words = SENTENCES.get(message)
    try:
        return str(getattr(words, language).format_map(args)) if words else f"{message} {dict(args) or ''}".strip()
    except (KeyError, ValueError, IndexError, AttributeError):
        return f"{message} {dict(args)}"
