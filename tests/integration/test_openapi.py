"""The document of the API is valid and complete, and the application keeps it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fakes.box import Box
from web import compat
from web.api import ROUTES as VERSION_1
from web.openapi import document
from web.refusals import refusals
from web.routes import Route

ROUTES = [*VERSION_1, *compat.ROUTES]
DOCUMENT = document(ROUTES)


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_it_is_served(box: Box) -> None:
    assert box.must("GET", "/openapi.json") == DOCUMENT


def test_every_route_is_in_it_with_parameters_bodies_answers_and_refusals() -> None:
    operations = {(m.upper(), p): o for p, item in DOCUMENT["paths"].items() for m, o in item.items()}
    assert len(operations) == len(ROUTES)
    for route in ROUTES:
        operation = operations[route.method, path_of(route)]
        names = {p["name"] for p in operation["parameters"] if "name" in p}
        assert {field.alias or key for key, field in route.query.model_fields.items()} <= names, route.name
        refused = () if route.own_answers else refusals(route)
        assert set(operation["responses"]) == {str(s) for s in (*route.answers, *refused)}, route.name
        assert ("requestBody" in operation) == (route.body is not None or route.upload), route.name
        assert operation["summary"], route.name
        assert operation["x-role"] == route.role


def test_nothing_in_it_leads_nowhere() -> None:
    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for value in part.values():
                yield from references(value)
        elif isinstance(part, list):
            for value in part:
                yield from references(value)

    for reference in set(references(DOCUMENT)):
        found: Any = DOCUMENT
        for word in reference.removeprefix("#/").split("/"):
            found = found[word]
        assert found


@pytest.fixture(scope="module")
def busy_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A box with something to find under every noun."""
    made = Box(tmp_path_factory.mktemp("box"))
    made.must("PUT", "/queues/main", {}, 201)
    made.yard.flow()
    robot = made.yard.robot("r1")
    made.submit()
    robot.accept()
    made.must("PUT", "/deployments/d1", {"name": "D", "flow": "hello", "target": {"queue": "main"}}, 201)
    made.must("PUT", "/floor-plan", {"nodes": [{"id": "A", "x": 0, "y": 0}]}, 201)
    made.must("PUT", "/schedules/s1", {"name": "S", "deployment": "d1", "every_s": 1}, 201)
    made.yard.tick(1)
    made.must("POST", f"/jobs/{made.submit()}/cancel", {})
    yield made
    made.close()


CHECKS: list[Any] = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
]  # fmt: skip
LOOSE = {"submit_many"}
"""Answered 200 although some of its items are not valid: each stands alone."""


PLAIN = {"list_block_kinds", "get_health", "get_metrics", "get_floor_plan"}
"""Nothing can be sent to them that would not fit."""


def path_of(route: Route) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.rule)


@pytest.fixture(scope="module")
def schema(busy_box: Box) -> BaseSchema:
    """The box's own document; it remembers what was worked out for each of its operations."""
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", busy_box.app)


def send_much(schema: BaseSchema, route: Route, mode: GenerationMode, known: dict[str, Any], checks: list[Any]) -> None:
    operation = schema[path_of(route)][route.method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def send(case: schemathesis.Case[Any]) -> None:
        for name in set(case.path_parameters) & set(known):
            case.path_parameters[name] = known[name]
        case.call_and_validate(checks=checks)

    send()


@pytest.mark.parametrize("route", [r for r in ROUTES if r.path != "/stream"], ids=lambda r: r.name)
def test_what_fits_is_answered_as_the_document_says(busy_box: Box, schema: BaseSchema, route: Route) -> None:
    job = busy_box.must("GET", "/jobs?limit=1&order=oldest")["items"][0]["id"]
    firing = busy_box.must("GET", "/schedules/s1/firings")["items"][0]["id"]
    known = {"job": job, "robot": "r1", "queue": "main", "flow": "hello", "deployment": "d1", "version": 1}
    ended = busy_box.must("GET", "/jobs?limit=1&state=cancelled")["items"][0]["id"]
    run = busy_box.must("GET", f"/jobs/{job}/blocks")["items"][0]["id"]
    known |= {"schedule": "s1", "firing": firing, "task_record_id": ended, "block_record_id": run}
    known |= {"task_id": "s1", "record_id": firing, "taskId": str(int(run.partition(".")[0]) * 100_000)}
    send_much(schema, route, GenerationMode.POSITIVE, known, CHECKS)


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.path != "/stream" and r.name not in PLAIN], ids=lambda r: r.name
)
def test_what_does_not_fit_is_refused_as_the_document_says(schema: BaseSchema, route: Route) -> None:
    strict = route.name not in LOOSE and not route.lenient
    checks = [*CHECKS, negative_data_rejection] if strict else CHECKS
    send_much(schema, route, GenerationMode.NEGATIVE, {}, checks)
