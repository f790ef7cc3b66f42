"""Results of batches stay as long as answered keys, by retention's own clock; previews that are too old go soon."""

from itertools import pairwise
from pathlib import Path

import pytest

from controller import retention
from controller.service import batches
from schemas.batch import FRESH_S
from tests.fakes.batching import apply, preview
from tests.fakes.years import Years


@pytest.fixture
def yard(tmp_path: Path) -> Years:
    return Years(tmp_path)


def test_results_are_kept_as_long_as_answered_keys(yard: Years) -> None:
    apply(yard, preview(yard, "cancel", [yard.submit() for _ in range(5)]))
    yard.pass_days(1.5)
    yard.sweep()
    assert (yard.count("batches"), yard.count("batch_rows")) == (1, 5)
    yard.pass_days(1)
    yard.sweep()
    assert (yard.count("batches"), yard.count("batch_rows")) == (0, 0)
    yard.is_true()


def test_a_clock_that_jumps_a_year_forgets_no_results(yard: Years) -> None:
    apply(yard, preview(yard, "cancel", [yard.submit() for _ in range(5)]))
    yard.sweep()
    yard.wrong = 365
    yard.tick(2 * batches.SWEEP_S, step=1)
    for _ in range(3):
        yard.pass_days(1 / 24)
        yard.sweep()
    assert (yard.count("batches"), yard.count("batch_rows")) == (1, 5)


def test_a_preview_that_nobody_applied_goes_with_the_next_sweep(yard: Years) -> None:
    kept, old = preview(yard, "cancel", [yard.submit()]), preview(yard, "cancel", [yard.submit() for _ in range(5)])
    yard.must("batch.apply", batch=kept["uid"], hash=kept["hash"])
    yard.tick(FRESH_S + batches.SWEEP_S + 1, step=60)
    yard.sweep()
    assert {row["batch"] for row in yard.rows("batch_rows")} == {kept["id"]}
    assert {row["uid"]: row["state"] for row in yard.rows("batches")} == {
        kept["uid"]: "applied", old["uid"]: "expired",
    }, "its name is told to whoever asks, as long as a result"  # fmt: skip


def test_many_rows_go_in_slices(yard: Years) -> None:
    most = retention.ROWS
    preview(yard, "cancel", [f"no such {n}" for n in range(2 * most + 1)])
    yard.tick(FRESH_S + batches.SWEEP_S + 1, step=60)
    yard.sweep()  # whatever is under way
    preview(yard, "cancel", [f"no such {n}" for n in range(2 * most + 1)])
    yard.tick(FRESH_S + batches.SWEEP_S + 1, step=60)
    yard.core.retention._next_at = yard.now
    left = [yard.count("batch_rows")]
    while left[-1]:
        yard.tick(0.06, 0.06)
        left.append(yard.count("batch_rows"))
    assert {before - after for before, after in pairwise(left)} == {0, most, 1}
