"""What must be true of the disk that a power cut left: it is opened, and what lives on it is started."""

import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path

from controller.store.connection import Store
from controller.store.findings import findings
from controller.store.pages import Damaged
from controller.store.queries.verify import CHECKS
from edge_agent.journal import Journal, JournalFile
from schemas.messages import ENDS
from tests.fakes.agent_bench import Bench as Agent
from tests.fakes.agent_bench import ScriptedDriver
from tests.faults import bench
from tests.faults.storage import scenes
from tests.faults.storage.scenes import DATABASE, SAFE_EVERY, Known

Found = tuple[str, str] | None
LIVES_S = 4.0
"""How long a box is watched after its start: no robot has been silent for long, so nothing may move."""


def box(folder: Path, known: Known) -> Found:
    """The box starts by itself, has every turn, tells the truth, and works."""
    try:
        store = Store.open(folder / DATABASE)
    except Damaged as error:
        return "wrong", f"nothing is damaged, and it says: {error}"
    try:
        found = _store(store, known)
    finally:
        store.close()
    return found or _controller(folder, known)


def _store(store: Store, known: Known) -> Found:
    turns = known.get("turns", 0)
    if store.turns < turns:
        return "lost", f"{turns} turns were acknowledged, {store.turns} are there"
    if store.restored:
        return "wrong", f"nothing was lost, and it says: {store.why}"
    there = {row["uid"]: row["state"] for row in store.db.execute("select uid, state from jobs")}
    for uid, state in known.get("jobs", {}).items():
        if uid not in there:
            return "lost", f"the job {uid} was acknowledged and is gone"
        if there[uid] != state and store.turns == turns:
            return "wrong", f"the job {uid} was {state}, no turn came after, and it is {there[uid]}"
    bad = [f"{name}: {check.wrong[0]}" for name, look in CHECKS if not (check := look(store.db)).ok]
    bad += [f"page {page} does not match its sum" for page in _bad(store)]
    return ("wrong", bad[0]) if bad else None


def _bad(store: Store) -> list[int]:
    page, bad = 1, []
    while page and store.sums is not None:
        page, some = store.sums.look(page)
        bad += some
    return bad


def _controller(folder: Path, known: Known) -> Found:
    """The real core begins on it and lives for a while."""
    with closing(Store.open(folder / DATABASE)) as store:
        before = {row["uid"]: row["state"] for row in store.db.execute("select uid, state from jobs")}
    box = scenes.Box(folder)
    try:
        box.tick(LIVES_S)
        said = [finding.text for finding in findings(box.store.db)]
        if box.states() != before:
            return "wrong", f"a start changed jobs: {before} became {box.states()}"
        return ("wrong", f"nothing is wrong, and it says: {said[0]}") if said else None
    finally:
        box.store.close()


def served(folder: Path, known: Known) -> Found:
    """`yardmaster serve` starts on it by itself, is well, and shows every job over its API."""
    room = bench.fresh(folder.with_name("served"))
    shutil.copytree(folder, room / "box")
    box = bench.Bench(room)
    box.wrap({})
    try:
        box.start_box()
        box.wait_for(box.decides, bench.START_S, "the controller answers")
        with box.client() as client:
            health = client.get("/health")
            jobs = {uid: client.get(f"/jobs/{uid}")["state"] for uid in known.get("jobs", {})}
    finally:
        box.end()
    if health["state"] != "ok":
        return "wrong", f"nothing is wrong, and it says: {health}"
    odd = [
        f"{uid} was {state} and is {jobs[uid]}"
        for uid, state in known.get("jobs", {}).items()
        if _is_odd(state, jobs[uid])
    ]
    return ("wrong", odd[0]) if odd else None


def _is_odd(state: str, now: str) -> bool:
    """One turn more than was acknowledged may be there; an end is for ever."""
    return state in ("succeeded", "failed", "cancelled") and now != state


def journal(folder: Path, known: Known) -> Found:
    """Every row that was committed is there, in order, once; and the agent begins nothing twice."""
    with closing(JournalFile(folder / "journal.db")) as file:
        rows, head = Journal(file, "r1"), known.get("head", 0)
        if rows.head < head:
            return "lost", f"{head} rows were committed, {rows.head} are there"
        found = [row.seq for row in rows.rows(1, 100_000)]
        if found != list(range(rows.first, rows.head + 1)) and not (rows.head == 0 and not found):
            return "wrong", f"rows {rows.first} to {rows.head} are {len(found)}"
        said = file.read("pragma integrity_check")
        if said != [("ok",)]:
            return "wrong", str(said)
        return _agent(file, known)


def _agent(file: JournalFile, known: Known) -> Found:
    """The robot's own power is gone, too: nobody knows any more how far an operation came."""
    agent = Agent(file=file, driver=ScriptedDriver())
    agent.settle()
    agent.upto = dict(known.get("upto", {}))
    for attempt in sorted({attempt for attempt, _ in known.get("started", [])}):
        agent.assign(attempt, f"job-{attempt}", safe=attempt % SAFE_EVERY == 0)
    for _ in range(4):
        agent.answer()
        while agent.driver.moving:
            agent.end()
        agent.wait(2)
    agent.answer()
    begun = Counter(tuple(key) for key in known.get("started", [])) + Counter(key for key, _ in agent.driver.started)
    twice = [key for key, times in begun.items() if times > 1 and key[0] % SAFE_EVERY]
    if twice:
        return "wrong", f"I8 attempt {twice[0][0]} began its block run {twice[0][1]} twice"
    return _ends(agent, known)


def _ends(agent: Agent, known: Known) -> Found:
    """Each attempt has come to one end, however often that is said."""
    ends = known.get("ended", []) + [
        [row["attempt"], row["kind"]] for row in agent.rows.values() if row["kind"] in ENDS
    ]
    for attempt in {attempt for attempt, _ in known.get("started", [])}:
        kinds = {kind for one, kind in ends if one == attempt}
        if "rejected" in kinds:
            return (
                "wrong",
                f"I8 attempt {attempt} has moved, and is said to be rejected: another robot would begin again",
            )
        if len(kinds) != 1:
            return "lost", f"I3 attempt {attempt} ended as {sorted(kinds)} instead of once"
    return None
