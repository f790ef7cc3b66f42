"""The console's pages and live parts, one row each."""

from flask import Blueprint

from web.console import (
    assets,
    audit,
    batch,
    find,
    job,
    job_actions,
    jobs,
    jobs_asked,
    me,
    overview,
    people,
    people_actions,
    robot_accept,
    robot_actions,
    robots,
    schedule_actions,
    schedules,
    sign_in,
    stream,
    token_actions,
)
from web.console.frame import frame_facts
from web.console.parts import Part

BLUEPRINTS: tuple[Blueprint, ...] = (
    sign_in.page,
    me.page,
    people.page,
    people_actions.page,
    token_actions.page,
    audit.page,
    overview.page,
    jobs.page,
    jobs_asked.page,
    batch.page,
    job_actions.page,
    job.page,
    robots.page,
    robot_actions.page,
    robot_accept.page,
    assets.page,
    schedules.page,
    schedule_actions.page,
    find.page,
    stream.page,
)
PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        Part("frame", frame_facts),
        *(Part(name, facts) for name, facts in overview.FACTS.items()),
        Part("robots", robots.facts),
        Part("robot", robots.about),
        Part("schedules", schedules.facts),
        Part("schedule", schedules.about),
        Part("firing", schedules.firing),
        Part("assets", assets.facts),
    )
}
