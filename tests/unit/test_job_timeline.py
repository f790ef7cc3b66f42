"""The scale of a job's timeline: one rate for all attempts, folded waits, bars that can be seen and counted."""

import random
from itertools import pairwise

import pytest

from web.console.job_timeline import (
    BAR_LEAST,
    WHOLE,
    Bar,
    Scale,
    Stretch,
    horizon,
    lay_out,
    merged,
)


def _edges(scale: Scale) -> list[tuple[float, float]]:
    pieces = [(one.x, one.w) for one in scale.bands]
    pieces += [(one.x, one.w) for one in (*scale.folds, *([scale.tail] if scale.tail else []))]
    return sorted((round(x, 1), round(x + w, 1)) for x, w in pieces)


def test_a_second_is_as_wide_in_every_attempt_and_a_late_retry_does_not_squash_the_rest() -> None:
    scale = lay_out([Stretch(0, 148), Stretch(86_400, 86_400 + 334)])
    first, second = scale.bands
    assert second.w / first.w == pytest.approx(334 / 148, rel=0.01)
    assert scale.bar(0, 10, 20, "past").w == pytest.approx(scale.bar(1, 86_410, 86_420, "past").w, abs=0.02)
    (fold,) = scale.folds
    assert (fold.seconds, fold.w < 10) == (86_400 - 148, True)


def test_everything_lies_side_by_side_within_the_column() -> None:
    dice = random.Random(3)
    for _ in range(200):
        at, stretches = 0.0, []
        for _attempt in range(dice.randint(1, 12)):
            at += dice.expovariate(1 / 50)
            stretches.append(Stretch(at, at := at + dice.choice([0.0, 0.02, 3.0, 900.0, 1e6]) * dice.random()))
        lead = dice.choice([None, 5.0])
        tail = dice.choice([None, 0.0, 90.0])
        scale = lay_out(stretches, lead, tail, runs=tail is None)
        edges = _edges(scale)
        assert edges[0][0] == 0.0
        assert edges[-1][1] <= WHOLE + 0.1
        for (_, end), (start, _) in pairwise(edges):
            assert start == pytest.approx(end, abs=0.15) or scale.tail is not None
            assert start >= end - 0.15
        assert len(scale.lines) <= 40
        for band, stretch in enumerate(stretches):
            bar = scale.bar(band, stretch.start, stretch.end, "past")
            assert scale.bands[band].x - 0.1 <= bar.x
            assert bar.x + bar.w <= scale.bands[band].x + scale.bands[band].w + 0.5
            assert bar.w >= BAR_LEAST


def test_short_attempts_keep_room_for_their_heads_and_the_rate_stays_one() -> None:
    scale = lay_out([Stretch(0, 0.5), Stretch(10, 610)])
    assert scale.bands[0].w == 12.0
    assert scale.bar(0, 0, 0.5, "past").w == BAR_LEAST
    assert scale.bands[1].w == pytest.approx(600 * scale.rate, abs=0.01)


def test_a_job_that_was_never_taken_only_waits() -> None:
    scale = lay_out([], None, 30.0)
    assert (scale.bands, scale.folds, scale.lines) == ((), (), ())
    assert scale.tail is not None
    assert (scale.tail.x, scale.tail.w) == (0.0, WHOLE)
    nothing = lay_out([])
    assert (nothing.tail, nothing.rate) == (None, 0.0)


def test_clocks_that_went_back_break_nothing() -> None:
    scale = lay_out([Stretch(100, 40), Stretch(30, 60)])
    assert [band.w > 0 for band in scale.bands] == [True, True]
    assert scale.folds[0].seconds == 0.0
    assert scale.bar(1, 50, 35, "past").w == BAR_LEAST


def test_lines_are_round_times_apart() -> None:
    scale = lay_out([Stretch(0, 600)])
    assert scale.step_s == 60
    assert len(scale.lines) == 9
    assert scale.lines[0] == pytest.approx(60 * scale.rate, abs=0.01)


def test_the_room_of_a_running_attempt_grows_in_steps() -> None:
    rooms = [horizon(float(second), None) for second in range(5000)]
    assert len(set(rooms)) < 22
    assert all(room > second for second, room in enumerate(rooms))
    assert horizon(3.0, 170.0) == 180.0
    assert horizon(10 * 86_400.0, None) > 10 * 86_400


def test_thousands_of_passes_are_few_bars_and_a_failure_among_them_stays_visible() -> None:
    bars = [Bar(i * 0.01, 0.4, "past") for i in range(9_000)] + [Bar(50.0, 0.4, "bad")]
    found = merged(bars)
    assert len(found) < 10
    assert [one.kind for one in found].count("bad") == 1
    assert found[-1].x + found[-1].w == pytest.approx(90.4, abs=0.1)


def test_wide_bars_that_touch_stay_apart() -> None:
    found = merged([Bar(0.0, 10.0, "past", "1:00"), Bar(10.0, 10.0, "past", "1:00")])
    assert [one.text for one in found] == ["1:00", "1:00"]
    assert found[0].x + found[0].w < found[1].x
