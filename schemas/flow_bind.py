"""From the parameters of a job to the inputs of its flow."""

from collections.abc import Mapping
from typing import Any

from schemas.flow import FlowProblem, InputParam, read_inputs
from schemas.reference import is_secret
from schemas.values import BadValue, convert, is_blank, plain

MAX_INPUT_BYTES = 65_536
_WHOLE = "parameters"


def bind_inputs(
    definition: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[FlowProblem, ...]]:
    """Inputs in their declared types, with defaults; and every problem, its path being the parameter's name."""
    declared, faults = read_inputs(definition)
    problems = list(faults)
    known = {param.name for param in declared}
    problems += [
        FlowProblem(str(name)[:64], "unknown_parameter", "this flow has no such parameter")
        for name in parameters
        if name not in known
    ]
    inputs = {param.name: _bind(param, parameters.get(param.name), problems) for param in declared}
    try:
        plain(inputs, MAX_INPUT_BYTES)
    except BadValue as error:
        problems.append(FlowProblem(_WHOLE, "bounds", f"{error}; at most {MAX_INPUT_BYTES} bytes in all"))
    return inputs, tuple(problems)


def _bind(param: InputParam, given: Any, problems: list[FlowProblem]) -> Any:
    value = param.default_value if is_blank(given) else given
    if is_blank(value):
        if param.required:
            problems.append(FlowProblem(param.name, "missing_parameter", "a value is required"))
        return None
    if is_secret(value):
        if param.type != "String":
            problems.append(FlowProblem(param.name, "bad_value", f"a secret is a text ({param.type} is declared)"))
        return dict(value)
    try:
        return plain(convert(value, param.type), MAX_INPUT_BYTES)
    except BadValue as error:
        problems.append(FlowProblem(param.name, "bad_value", f"{error} ({param.type} is declared)"))
        return None
