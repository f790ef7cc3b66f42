"""How a process ended, in the words that drivers use."""

from collections.abc import Mapping
from typing import Any, Literal

from edge_agent.drivers.rpa_output import BadOutput, Stream, read_output
from edge_agent.drivers.rpa_runs import RunFolder, write_json
from edge_agent.mask import NO_MASK, Mask
from edge_agent.operations import Happening, OperationEvent

Why = Literal["gone", "stop", "limit"]
"""What came first: it was over by itself, somebody wanted it stopped, its time was over."""


def end_of(
    folder: RunFolder,
    why: Why,
    limit_s: float | None,
    streams: tuple[Stream, Stream] | None = None,
    mask: Mask = NO_MASK,
) -> OperationEvent:
    """The end of a run of which nothing lives any more; without streams (after a restart) what it printed is lost."""
    _hide_output(folder, mask)
    result = folder.read_result()
    ended_by_itself = result is not None and not result.get("stopped", False)
    if why == "stop" and not ended_by_itself:
        return OperationEvent(folder.key, "stopped", _printed(streams), "stopped")
    if why == "limit" and not ended_by_itself:
        return OperationEvent(folder.key, "failed", _printed(streams), f"took longer than {limit_s:g} s and was ended")
    if result is None or not ended_by_itself:
        return OperationEvent(folder.key, "failed", _printed(streams), "was ended from outside")
    if "problem" in result:
        return OperationEvent(folder.key, "failed", None, f"did not start: {result['problem']}")
    return _by_itself(folder, int(result["exit_code"]), streams)


def _hide_output(folder: RunFolder, mask: Mask) -> None:
    """A command may have written its secrets into its output; they do not stay on this disk."""
    if not mask or not folder.output.exists():
        return
    try:
        write_json(folder.output, mask.value(read_output(folder.output)))
    except BadOutput:
        folder.output.write_text("not acceptable, and removed because of the secrets of this run")


def remembered_end(folder: RunFolder, mask: Mask = NO_MASK) -> OperationEvent:
    """What became of a run of an earlier boot; unknown unless its launcher saw it end by itself."""
    _hide_output(folder, mask)
    result = folder.read_result()
    if result is None:
        return OperationEvent(folder.key, "unknown", reason="nobody saw how the process ended")
    if result.get("stopped", False):
        return OperationEvent(folder.key, "unknown", reason="the process was ended when its agent had died")
    return end_of(folder, "gone", None)


def _by_itself(folder: RunFolder, code: int, streams: tuple[Stream, Stream] | None) -> OperationEvent:
    what: Happening = "succeeded"
    reason = None
    outputs: dict[str, Any] = {"exitCode": code, **_printed(streams), "outputs": {}}
    try:
        outputs["outputs"] = read_output(folder.output)
    except BadOutput as error:
        what, reason = "failed", str(error)
    if code != 0:
        what, reason = "failed", _failure(code, streams)
    return OperationEvent(folder.key, what, outputs, reason)


def _failure(code: int, streams: tuple[Stream, Stream] | None) -> str:
    ended = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
    last = streams[1].last_line() if streams else ""
    return (f"{ended}: {last}" if last else ended)[:1000]


def _printed(streams: tuple[Stream, Stream] | None) -> Mapping[str, Any]:
    """The end of what it printed; `cut` names the streams of which more was printed than is shown."""
    if streams is None:
        return {"stdout": "", "stderr": "", "cut": ["stdout", "stderr"]}
    shown = {name: stream.shown() for name, stream in zip(("stdout", "stderr"), streams, strict=True)}
    printed: dict[str, Any] = {name: text for name, (text, _) in shown.items()}
    cut = [name for name, (_, is_cut) in shown.items() if is_cut]
    return printed | ({"cut": cut} if cut else {})
