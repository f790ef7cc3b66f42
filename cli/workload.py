"""Work as a factory makes it: bodies for POST /api/v1/jobs, tick by tick, the same for the same dice."""

from collections.abc import Callable
from random import Random
from typing import Any

DOCKS = ("GI-1", "GI-2", "GI-3")
BAYS = tuple(f"{aisle}-{bay:02}" for aisle in "ABC" for bay in range(1, 5))
CELLS = ("CELL-1", "CELL-2", "CELL-3", "CELL-4")
PACKING = ("PACK-1", "PACK-2")
SHIFTS = ("early", "late", "night")
REPORT_EVERY = 120
"""Ticks between two shift reports."""
CALM, TRUCK_EVERY, TRUCK_PALLETS = 0.18, 90, (2, 4)
"""Chance of a piece of everyday work in a tick; ticks between two trucks at the docks, and the pallets on one."""
URGENT, URGENT_SHARE = 4500, 0.08
"""Some customer is always in a hurry."""


def next_submissions(rng: Random, tick: int) -> list[dict[str, Any]]:
    """What people and systems ask for in this tick (a second of a simulation at its usual speed)."""
    asked: list[dict[str, Any]] = []
    if tick % TRUCK_EVERY == 0:
        asked += _truck(rng, tick)
    if tick % REPORT_EVERY == REPORT_EVERY - 1:
        asked.append(_shift_report(rng, tick // REPORT_EVERY))
    if rng.random() < CALM:
        kinds, weights = zip(*EVERYDAY, strict=True)
        asked.append(rng.choices(kinds, weights)[0](rng, tick))
    return asked


def _job(deployment: str, system: str, parameters: dict[str, Any], priority: int | None = None) -> dict[str, Any]:
    body = {"deployment": deployment, "parameters": parameters, "source": {"type": "api", "system": system}}
    return body if priority is None else body | {"priority": priority}


def _truck(rng: Random, tick: int) -> list[dict[str, Any]]:
    """A delivery: paperwork, and a pallet after the other from one dock."""
    dock, pallets, delivery = rng.choice(DOCKS), rng.randint(*TRUCK_PALLETS), f"D-{1000 + tick // TRUCK_EVERY}"
    bays = rng.sample(BAYS, pallets)
    moves = [{"from": dock, "to": bay, "pallet": f"{delivery}/{i}"} for i, bay in enumerate(bays, 1)]
    papers = _job("delivery", "gate", {"delivery": delivery, "pallets": pallets})
    return [papers, *(_job("goods-in", "gate", move) for move in moves)]


def _shift_report(rng: Random, number: int) -> dict[str, Any]:
    lines = [{"cell": cell, "planned": 40, "made": rng.randint(34, 44)} for cell in CELLS]
    return _job("shift-report", "schedule", {"shift": SHIFTS[number % len(SHIFTS)], "lines": lines})


def _supply(rng: Random, tick: int) -> dict[str, Any]:
    move = {"from": rng.choice(BAYS), "to": rng.choice(CELLS), "pallet": f"M-{tick}"}
    return _job("supply-cell", "andon", move, URGENT if rng.random() < URGENT_SHARE else None)


def _pick(rng: Random, tick: int) -> dict[str, Any]:
    bays = rng.sample(BAYS, rng.randint(2, 4))
    order = {"order": f"SO-{tick}", "positions": bays, "packing": rng.choice(PACKING)}
    return _job("pick-order", "shop", order, URGENT if rng.random() < URGENT_SHARE else None)


def _labels(rng: Random, tick: int) -> dict[str, Any]:
    return _job("labels", "shop", {"order": f"SO-{tick}", "copies": rng.randint(1, 4)})


def _ship(rng: Random, tick: int) -> dict[str, Any]:
    return _job("goods-out", "shipping", {"from": rng.choice(PACKING), "to": "OUT-1", "pallet": f"S-{tick}"})


def _sample(rng: Random, tick: int) -> dict[str, Any]:
    return _job("quality-check", "quality", {"cell": rng.choice(CELLS), "part": f"G-{tick}"})


EVERYDAY: tuple[tuple[Callable[[Random, int], dict[str, Any]], int], ...] = (
    (_supply, 30),
    (_pick, 20),
    (_labels, 25),
    (_ship, 15),
    (_sample, 10),
)
"""What happens all day long, and how often compared with the rest."""
