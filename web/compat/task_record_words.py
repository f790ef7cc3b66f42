"""Chinese sentences of the AGV task records: how a job stands, why it waits or failed, why a request is refused."""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.record import SET_ERROR
from schemas.status import JobState
from web.errors import ApiError

FAILED = "执行失败"
STANDS: dict[JobState, str] = {
    JobState.QUEUED: "任务等待中",
    JobState.ASSIGNED: "已分配机器人 {robot},等待开始",
    JobState.RUNNING: "任务执行中",
    JobState.PAUSED: "任务已暂停",
    JobState.CANCELLING: "任务取消中",
    JobState.UNCERTAIN: "任务状态不明,机器人 {robot} 未响应",
    JobState.SUCCEEDED: "任务已完成",
    JobState.FAILED: "任务失败: {why}",
    JobState.CANCELLED: "任务已取消",
}
"""`state_description`, unless the flow's own TaskStateBp has set one."""
WAITS: dict[str, str] = {
    "parked": "系统恢复前可能已执行,等待人工确认",
    "backing_off": "上次执行未成功,等待重新执行",
    "broker": "消息服务不可用",
    "no_robots": "没有可用的机器人",
    "next": "空闲,即将执行",
    "removed": "已移除",
    "disabled": "已停用",
    "offline": "未连接",
    "not_accepting": "暂不接受任务",
    "foreign": "持有未知任务",
    "busy": "正在执行其他任务",
    "not_capable": "不具备所需能力",
    "refused": "未接受该任务",
}
HELD = "已暂停派单"
"""Of every code that begins with `hold.`"""
ROBOTS_NAMED = 3

WHY: dict[str, str] = {
    "queue_timeout": "等待超时,没有机器人接受任务",
    "time_limit": "超过任务运行时限",
    "silent": "机器人失去联系,无法确认执行结果",
    "interrupted": "执行被中断,无法确认执行结果",
}
"""Reasons of ours; everything else is the robot's or a person's own sentence."""
OWN_WORDS = frozenset({SET_ERROR, "forced", "failed"})

_REQUEST: dict[str, str] = {
    "request.json": "请求体不是有效的JSON",
    "request.depth": "请求体嵌套过深",
    "request.length": "缺少请求体或Content-Length",
    "request.size": "请求体过大",
    "request.type": "请求体必须为application/json",
    "request.timeout": "请求体未及时送达",
    "request.busy": "同时处理的请求过多,请稍后重试",
}
_DOOR: dict[str, str] = {
    "auth.missing": "未认证: 请提供访问令牌",
    "auth.invalid": "未认证: 访问令牌无效",
    "auth.expired": "未认证: 访问令牌已过期",
    "auth.role": "权限不足",
    "auth.csrf": "权限不足: 会话只能由控制台页面使用",
    "auth.origin": "拒绝访问: 请求来源不被允许",
    "route.not_found": "请求的地址不存在",
    "request.method": "不支持该请求方法",
}
_OURS: dict[str, str] = {
    "controller.down": "控制器未运行,请求未执行",
    "controller.no_answer": "控制器未响应,执行结果未知,请稍后查询",
    "store.full": "存储空间不足,请求未执行",
    "store.unavailable": "数据库暂时无法读取,请稍后重试",
    "flow.not_found": "任务定义不存在",
    "job.parked": "系统恢复前可能已执行,所有机器人恢复联系前不能操作",
    "asset.not_found": "参数引用的机密资产已不存在",
}
UNSAID = "未说明原因"
UNKNOWN = "系统内部错误,详情见日志"


def why_failed(code: str | None, why: str | None) -> str:
    """Why a job failed: a sentence for people."""
    if code not in OWN_WORDS and code in WHY:
        return WHY[code]
    return why or FAILED


def stands(state: JobState, robot: str | None, why: str) -> str:
    """How a job stands."""
    return STANDS[state].format(robot=robot or "-", why=why)


def waits(position: int | None, reasons: Iterable[Mapping[str, Any]]) -> str:
    """Why a queued job waits; reasons as the controller names them, robot by robot."""
    parts = [STANDS[JobState.QUEUED]]
    if position is not None and position > 1:
        parts.append(f"前面还有 {position - 1} 个任务")
    named: dict[str | None, str] = {}
    for reason in reasons:
        code = str(reason["code"])
        word = HELD if code.startswith("hold.") else WAITS.get(code, str(reason.get("message") or code))
        named.setdefault(reason.get("robot"), word)
    parts += [word if robot is None else f"{robot} {word}" for robot, word in list(named.items())[:ROBOTS_NAMED]]
    return ",".join(parts)


def ended(state: JobState, why: str) -> str:
    """Why nothing was done to a record: it has ended, or its robot went on with it."""
    if state == JobState.SUCCEEDED:
        return "任务已执行成功"
    if state == JobState.FAILED:
        return f"任务已失败: {why}"
    if state == JobState.CANCELLED:
        return "任务已取消"
    return f"机器人拒绝取消: {why}"


def bad_request(error: ApiError) -> str:
    """What is wrong with a request."""
    names = _named(error)
    wrong = f"参数 {names} 无效" if names else "参数无效"
    return f"请求参数错误: {_REQUEST.get(error.code, wrong)}"


def at_the_door(error: ApiError) -> str | None:
    """Why somebody may not, or why there is nothing; None for other refusals."""
    return _DOOR.get(error.code)


def our_fault(error: ApiError) -> str:
    """What does not work, or why it was not done."""
    said = _OURS.get(error.code, UNKNOWN)
    return f"{said}: {_named(error)}" if error.code == "asset.not_found" and error.details else said


def _named(error: ApiError) -> str:
    """What a refusal is about, by the names in its details."""
    return ", ".join(dict.fromkeys(detail.path.strip("/") for detail in error.details if detail.path.strip("/")))
