"""What suites that measure call wrong: each judgement is shown to fail, and to pass."""

from tests.faults.disks import full_enough, slowed
from tests.faults.reader import Read, Reads, within
from tests.faults.storms import flooded_too_much, stormed
from tests.faults.tampering import unmet

GOOD = Reads((0.01,) * 100, 0, 5.0)
SLOW = Reads((0.4,) * 100, 0, 5.0)
NONE = Reads((), 0, 5.0)
FEW = Reads((0.01,) * 6, 0, 60.0)
FAILED = Reads((0.01,) * 100, 1, 5.0)


def test_reads_count_by_when_they_were_asked() -> None:
    reads = [Read(0.9, 9.0, 200), Read(1.0, 0.02, 200), Read(1.5, 0.01, 503), Read(1.9, 5.0, 200), Read(2.0, 9.0, 200)]
    found = within(reads, 1.0, 2.0)
    assert (found.good, found.failed, found.lasted_s) == ((0.02, 5.0), 1, 1.0)
    assert found.p95_ms == 5000
    assert str(found) == "p95 5000 ms of 2"


def test_a_full_disk_refuses_and_shows_in_each_cycle() -> None:
    assert not list(full_enough([(1, GOOD), (2, FEW)]))
    assert [text[:2] for text in full_enough([(1, GOOD), (0, GOOD), (3, NONE)])] == ["no", "no"]
    assert "cycle 2" in next(full_enough([(1, GOOD), (0, GOOD)]))
    assert "cycle 1" in next(full_enough([(1, Reads((), 7, 5.0))]))


def test_a_slow_disk_must_be_read_from_often_and_well() -> None:
    assert not list(slowed([(GOOD, GOOD)], is_full=True))
    for reads in (NONE, FEW, FAILED):
        assert list(slowed([(GOOD, GOOD), (GOOD, reads)], is_full=False)), reads


def test_a_slow_disk_is_held_to_what_was_before_it() -> None:
    tenth = Reads((0.1,) * 100, 0, 5.0)
    assert list(slowed([(GOOD, tenth)], is_full=True))
    assert list(slowed([(NONE, tenth)], is_full=True))
    assert not list(slowed([(tenth, Reads((0.2,) * 100, 0, 5.0))], is_full=True))
    assert not list(slowed([(GOOD, tenth)], is_full=False))


def test_a_storm_without_reads_shows_nothing() -> None:
    assert not list(stormed(GOOD, is_full=True))
    for reads in (NONE, FEW, FAILED):
        assert list(stormed(reads, is_full=False)), reads
    assert list(stormed(SLOW, is_full=True))
    assert not list(stormed(SLOW, is_full=False))


def test_a_flood_is_measured_by_the_jobs_of_others() -> None:
    assert not list(flooded_too_much([1.0, 1.1], [1.1, 1.2], is_full=True))
    assert list(flooded_too_much([], [1.0], is_full=False))
    assert list(flooded_too_much([1.0], [], is_full=False))
    assert list(flooded_too_much([1.0], [1.3], is_full=True))
    assert not list(flooded_too_much([1.0], [1.3], is_full=False))
    assert list(flooded_too_much([0.1], [0.13], is_full=True))
    assert not list(flooded_too_much([0.1], [0.12], is_full=True))


def test_an_error_that_no_call_met_did_not_happen() -> None:
    assert not list(unmet({"fdatasync:error=EIO": [0, 3]}))
    assert list(unmet({"fdatasync:error=EIO": [1], "pwrite64:error=EIO": [0, 0]}))
