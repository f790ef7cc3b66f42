"""Runs one fault: boxes under load, cycles, healing, settling, and the check of everything that was promised."""

import bisect
import math
import random
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from config.clock import steady
from tests.faults.bench import Bench, NotReady, Plan, fresh, utc_minus_steady_us
from tests.faults.checker import Finding, check
from tests.faults.defects import uncaught
from tests.faults.evidence import Evidence
from tests.faults.fault import Alone, Fault, Scene, Size
from tests.faults.fleet import OUTSIDER
from tests.faults.load import Load
from tests.faults.row import SHOWN, Row, added

CALM_S = 2.0
"""A cycle begins after U(0, this)."""
Say = Callable[[str], None]
Keep = Callable[[Row, int], None]
"""(one box, its dice) -> nothing."""


@dataclass(frozen=True)
class How:
    """Beside its sizes: dice, a mutant, cycles done before, and the steady time after which no further box is begun."""

    seed: int = 1
    mutant: str | None = None
    done: int = 0
    until: float = math.inf
    say: Say = print
    keep: Keep = lambda _row, _seed: None


def run(fault: Fault, size: Size, folder: Path, how: How | None = None) -> Row:
    """One line of the table; a fresh box for each `size.a_box` cycles."""
    how = how or How()
    if reason := fault.missing():
        return Row(fault.name, 0, 0, skipped=reason)
    if isinstance(fault, Alone):
        row = fault.alone(size, fresh(folder / fault.name), how.mutant)
        how.keep(row, how.seed)
        return row
    fault.go_on(how.done)
    total = Row(fault.name, 0, 0)
    for first in range(how.done, size.cycles, size.a_box):
        seed = how.seed + first // size.a_box
        part = size._replace(cycles=min(size.a_box, size.cycles - first))
        row = _one_box(fault, part, fresh(folder / f"{fault.name}-{first}"), seed, how.mutant)
        how.keep(row, seed)
        total = added(total, row)
        done = first + part.cycles
        how.say(f"{fault.name}: {done} of {size.cycles} cycles, {total.jobs} jobs, {len(total.wrong)} findings")
        if not row.ok or steady() > how.until:
            break
    return total


def _one_box(fault: Fault, size: Size, folder: Path, seed: int, mutant: str | None) -> Row:
    plan = with_mutant(fault.plan(folder), mutant)
    try:
        with Bench(folder, plan) as bench:
            load = Load(bench, seed, fault.demand)
            scene = Scene(bench, load, random.Random(seed), size, folder)
            load.start()
            try:
                healed = _cycles(fault, scene)
            finally:
                load.finish(fault.settles_s)
            settled_s = _settle(fault, scene)
            return replace(_row(fault, scene, healed), settled_s=settled_s)
    except NotReady as error:
        return Row(fault.name, size.cycles, 0, stuck=1, wrong=(f"I10 {error}", *uncaught(folder)))
    finally:
        fault.close()


def with_mutant(plan: Plan, mutant: str | None) -> Plan:
    """The same box with one rule taken away, on the side that the mutant's name begins with."""
    if mutant is None:
        return plan
    if mutant.startswith("agent_"):
        return replace(plan, agent_mutant=mutant)
    return replace(plan, wrap=plan.wrap | {"controller": plan.wrap.get("controller", {}) | {"mutant": mutant}})


def _cycles(fault: Fault, scene: Scene) -> list[tuple[float, float]]:
    """When each fault was over, and when the next thing broke (steady seconds)."""
    over: list[float] = []
    next_at: list[float] = []
    for _ in range(scene.size.cycles):
        time.sleep(scene.size.rest_s + scene.dice.uniform(0, CALM_S))
        next_at.append(steady())
        fault.inject(scene)
        broken = steady()
        fault.heal(scene)
        over.append(broken if fault.heals_itself else steady())
    time.sleep(scene.size.rest_s + CALM_S)  # the last cycle, too, is seen to dispatch again
    return list(zip(over, [*next_at[1:], steady()], strict=True))


def _settle(fault: Fault, scene: Scene) -> float:
    """Wait until nothing is open; what then still is, the checker names. Returns how long it took (seconds)."""
    began = steady()
    end = began + fault.settles_s
    while steady() < end and not settled(scene.bench):
        fault.person(scene)
        time.sleep(0.2)
    return round(steady() - began, 1)


def settled(bench: Bench) -> bool:
    """Nothing is open anywhere."""
    try:
        jobs = bench.rows("select 1 from jobs where state not in ('succeeded', 'failed', 'cancelled') limit 1")
        open_ = jobs or any(
            bench.rows(f"select 1 from {table} where robot <> ? limit 1", OUTSIDER) for table in ("outbox", "holds")
        )
    except sqlite3.Error:
        return False
    return not open_ and not any(left for *_, left in Evidence(bench.database, bench.journals()).kept())


def evidence(fault: Fault, scene: Scene) -> Evidence:
    """Everything the checker looks at."""
    bench, load = scene.bench, scene.load
    return Evidence(
        bench.database,
        bench.journals(),
        bench.motions(),
        dict(load.accepted),
        dict(load.again),
        dict(load.asked),
        bench.deaths(),
        utc_minus_steady_us() if fault.is_wall_clock_good else None,
        fault.restores,
        fault.forgotten,
    )


def _row(fault: Fault, scene: Scene, healed: list[tuple[float, float]]) -> Row:
    proof = evidence(fault, scene)
    findings = check(proof)
    others = [*scene.load.wrong, *fault.judge(scene), *uncaught(scene.folder)]
    jobs = proof.rows("select count(*) from jobs")[0][0]
    return replace(
        counted(fault.name, findings, others),
        cycles=scene.size.cycles,
        jobs=jobs,
        waits=recoveries(proof, healed),
        note=fault.note(scene),
    )


def counted(name: str, findings: list[Finding], others: list[str]) -> Row:
    """Findings as figures."""

    def of(kind: str) -> int:
        return sum(finding.kind == kind for finding in findings)

    wrong = [finding.text for finding in findings] + others
    return Row(
        name, 0, 0, of("lost"), of("duplicated"), of("stuck"), of("overlap"), wrong=tuple(dict.fromkeys(wrong))[:SHOWN]
    )


def recoveries(proof: Evidence, healed: list[tuple[float, float]]) -> tuple[float, ...]:
    """The times from healing to the next assignment, of the cycles whose calm was long enough to have one."""
    if proof.offset_us is None:
        return ()
    rows = proof.rows("select at from events where topic = 'job' and event = 'assigned' order by at")
    times = [(row["at"] - proof.offset_us) / 1e6 for row in rows]
    waits = []
    for mended, next_fault in healed:
        at = bisect.bisect_left(times, mended)
        if at < len(times) and times[at] <= next_fault:
            waits.append(round(times[at] - mended, 2))
    return tuple(waits)
