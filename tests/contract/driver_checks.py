"""The promises of `edge_agent.operations.Driver`, one function each, over any bench."""

from collections.abc import Callable

import pytest

from schemas.blocks import OPERATION_KINDS
from tests.fakes.driver_bench import Bench
from tests.fakes.simulation import operation


def carries_out_and_says_so_in_order(bench: Bench) -> None:
    bench.driver.start(bench.quick(1))
    assert bench.until_end(1) == "succeeded"
    bench.a_while()
    assert bench.said() == ["taken", "carried", "succeeded"]
    assert bench.events[-1].outputs is not None
    assert bench.driver.idle()


def says_why_it_failed(bench: Bench) -> None:
    bench.driver.start(bench.bad(1))
    assert bench.until_end(1) == "failed"
    assert bench.events[-1].reason
    assert bench.driver.idle()


def refuses_with_a_sentence(bench: Bench) -> None:
    bench.driver.start(bench.impossible(1))
    assert bench.until_end(1) == "refused"
    assert bench.said() == ["refused"]
    assert bench.events[-1].reason
    assert bench.driver.idle()


def refuses_a_kind_it_does_not_know(bench: Bench) -> None:
    bench.driver.start(operation("DanceBp", 1))
    assert bench.until_end(1) == "refused"
    assert "DanceBp" in str(bench.events[-1].reason)


def stops_and_says_so_only_when_nothing_moves(bench: Bench) -> None:
    bench.driver.start(bench.long(1))
    bench.until(lambda: bench.under_way() and bench.said(), "the long operation goes on")
    assert not bench.driver.idle()
    bench.driver.stop((1, 1))
    bench.driver.stop((1, 1))
    assert bench.until_end(1) == "stopped"
    assert bench.moved_at_end == [((1, 1), False, True)]
    bench.driver.stop((1, 1))
    bench.a_while()
    assert bench.said() == ["taken", "carried", "stopped"]
    assert not bench.moves()


def stops_what_has_hardly_begun(bench: Bench) -> None:
    bench.driver.start(bench.long(1))
    bench.driver.stop((1, 1))
    assert bench.until_end(1) == "stopped"
    assert bench.moved_at_end == [((1, 1), False, True)]
    bench.a_while()
    assert bench.ends(1) == ["stopped"]
    assert not bench.moves()


def answers_a_stop_of_what_it_never_saw(bench: Bench) -> None:
    bench.driver.stop((1, 7))
    assert bench.until_end(7) == "stopped"


def stays_silent_when_the_end_was_told_before_the_stop(bench: Bench) -> None:
    bench.driver.start(bench.quick(1))
    bench.until_end(1)
    bench.driver.stop((1, 1))
    bench.a_while()
    assert bench.ends(1) == ["succeeded"]


def ends_each_of_several_once(bench: Bench) -> None:
    bench.driver.start(bench.long(1))
    bench.driver.start(bench.quick(2))
    bench.driver.start(bench.impossible(3))
    bench.until_end(2)
    bench.until_end(3)
    bench.driver.stop((1, 1))
    bench.until_end(1)
    bench.a_while()
    assert [len(bench.ends(n)) for n in (1, 2, 3)] == [1, 1, 1]
    assert bench.driver.idle()


def says_nothing_after_an_end(bench: Bench) -> None:
    for n in (1, 2, 3):
        bench.driver.start(bench.quick(n))
        bench.until_end(n)
    bench.a_while()
    for n in (1, 2, 3):
        assert [event.what for event in bench.events if event.key[1] == n][-1] == "succeeded"


def takes_each_key_once(bench: Bench) -> None:
    bench.driver.start(bench.quick(1))
    with pytest.raises(ValueError, match="begun before"):
        bench.driver.start(bench.quick(1))
    bench.until_end(1)
    with pytest.raises(ValueError, match="begun before"):
        bench.driver.start(bench.quick(1))


def falls_silent_and_stops_when_closed(bench: Bench) -> None:
    bench.driver.start(bench.long(1))
    bench.until(lambda: bench.under_way() and bench.said(), "the long operation goes on")
    bench.driver.close()
    bench.until(lambda: not bench.moves(), "it stops with its agent")
    bench.a_while()
    assert bench.said() == ["taken", "carried"]


def falls_silent_at_once_when_closed(bench: Bench) -> None:
    bench.driver.start(bench.quick(1))
    bench.driver.close()
    heard = len(bench.events)
    bench.until(bench.driver.idle, "it becomes idle")
    bench.a_while()
    assert len(bench.events) == heard


def tells_the_next_boot_the_real_end(bench: Bench) -> None:
    bench.driver.start(bench.quick(1))
    bench.until_end(1)
    bench.agent_dies()
    bench.driver.resume(bench.quick(1))
    assert bench.until_end(1) == "succeeded"
    bench.a_while()
    assert bench.said() == ["succeeded"]


def tells_the_next_boot_what_it_cannot_know(bench: Bench) -> None:
    bench.driver.start(bench.long(1))
    bench.until(lambda: bench.under_way() and bench.said(), "the long operation goes on")
    bench.agent_dies()
    bench.driver.resume(bench.long(1))
    assert bench.until_end(1) == "unknown"
    assert bench.moved_at_end == [((1, 1), False, True)]
    assert bench.events[-1].reason


def knows_nothing_of_what_it_never_began(bench: Bench) -> None:
    bench.driver.resume(bench.quick(1))
    assert bench.until_end(1) == "unknown"


def is_idle_only_when_nothing_of_an_earlier_boot_moves(bench: Bench) -> None:
    bench.driver.start(bench.long(1))
    bench.until(lambda: bench.under_way() and bench.said(), "the long operation goes on")
    bench.agent_dies()
    bench.until(bench.driver.idle, "it becomes idle")
    assert not bench.moves()


def works_on_after_the_next_boot(bench: Bench) -> None:
    bench.driver.start(bench.quick(1))
    bench.until_end(1)
    bench.agent_dies()
    bench.driver.start(bench.quick(2))
    assert bench.until_end(2) == "succeeded"


def tidies_up_and_says_so(bench: Bench) -> None:
    bench.driver.start(bench.quick(1))
    bench.until_end(1)
    bench.driver.tidy((1, 1))
    bench.until(lambda: bench.said()[-1] == "tidied", "what it left is removed")
    bench.driver.tidy((1, 1))
    bench.until(lambda: bench.said().count("tidied") == 2, "asked again it answers again")
    assert not bench.left_behind()


def tidies_up_after_an_earlier_boot(bench: Bench) -> None:
    bench.driver.start(bench.quick(1))
    bench.until_end(1)
    bench.agent_dies()
    bench.driver.tidy((1, 1))
    bench.until(lambda: bench.said() == ["tidied"], "what the last boot left is removed")
    assert not bench.left_behind()


def says_whether_something_is_left(bench: Bench) -> None:
    bench.driver.start(bench.quick(1))
    bench.until_end(1)
    assert bench.events[-1].holds == bench.left_behind()


def rehearses_without_moving(bench: Bench) -> None:
    assert bench.driver.rehearse(bench.quick(1)) is None
    assert bench.driver.rehearse(bench.impossible(2))
    assert "DanceBp" in str(bench.driver.rehearse(operation("DanceBp", 3)))
    bench.a_while()
    assert bench.said() == []
    assert not bench.moves()
    bench.driver.start(bench.quick(1))
    assert bench.until_end(1) == "succeeded"


def declares_what_the_words_know(bench: Bench) -> None:
    assert set(bench.driver.capabilities) <= OPERATION_KINDS | {"stops_with_agent"}
    bench.driver.telemetry()


CHECKS: tuple[Callable[[Bench], None], ...] = (
    carries_out_and_says_so_in_order,
    says_why_it_failed,
    refuses_with_a_sentence,
    refuses_a_kind_it_does_not_know,
    stops_and_says_so_only_when_nothing_moves,
    stops_what_has_hardly_begun,
    answers_a_stop_of_what_it_never_saw,
    stays_silent_when_the_end_was_told_before_the_stop,
    ends_each_of_several_once,
    says_nothing_after_an_end,
    takes_each_key_once,
    falls_silent_and_stops_when_closed,
    falls_silent_at_once_when_closed,
    tells_the_next_boot_the_real_end,
    tells_the_next_boot_what_it_cannot_know,
    knows_nothing_of_what_it_never_began,
    is_idle_only_when_nothing_of_an_earlier_boot_moves,
    works_on_after_the_next_boot,
    tidies_up_and_says_so,
    tidies_up_after_an_earlier_boot,
    says_whether_something_is_left,
    rehearses_without_moving,
    declares_what_the_words_know,
)
