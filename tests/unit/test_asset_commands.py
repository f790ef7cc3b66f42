"""`yardmaster asset …` against a box of cardboard: how values get in, and that secrets come from no command line."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.fakes.cardboard import Box

ASSET: dict[str, Any] = {
    "id": "wms", "name": "WMS", "secret": True, "value": None, "note": None, "used_by": ["d"], "version": 1,
    "updated_at": "2026-01-31T08:00:00.000000Z", "updated_by": "ann",
}  # fmt: skip


@pytest.fixture
def box() -> Iterator[Box]:
    with Box({"PUT /assets/wms": (200, ASSET)}) as made:
        yield made


def ask(box: Box, *words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["asset", *words, "--url", box.url], input=typed)


def test_a_secret_is_piped_or_typed_twice(box: Box) -> None:
    piped = ask(box, "set", "wms", "--secret", "--stdin", "--name", "WMS", typed=" k7 tresor \n")
    typed = ask(box, "set", "wms", "--secret", typed="k7 tresor\nk7 tresor\n")
    assert (piped.exit_code, typed.exit_code) == (0, 0), piped.output + typed.output
    assert [asked.body for asked in box.asked] == [
        {"name": "WMS", "secret": " k7 tresor "}, {"name": "", "secret": "k7 tresor"},
    ]  # fmt: skip
    assert "(secret)" in piped.output
    assert "tresor" not in piped.output + typed.output


def test_a_secret_on_the_command_line_is_refused_and_not_sent(box: Box) -> None:
    result = ask(box, "set", "wms", "--secret", "--value", "k7 tresor")
    assert (result.exit_code, box.asked) == (2, [])
    assert "--stdin" in result.output
    assert ask(box, "set", "wms", "--secret", "--stdin", typed="\n").exit_code == 2


@pytest.mark.parametrize(
    ("words", "typed", "value"),
    [(["--value", "[1, 2]"], None, [1, 2]), (["--value", "plain text"], None, "plain text"),
     (["--stdin"], '{"a": 1}\n', {"a": 1})],
)  # fmt: skip
def test_plain_values_are_json_or_else_text(box: Box, words: list[str], typed: str | None, value: Any) -> None:
    assert ask(box, "set", "wms", *words, typed=typed).exit_code == 0
    assert box.asked[0].body["value"] == value


@pytest.mark.parametrize("words", [[], ["--value", "x", "--stdin"]])
def test_a_value_comes_from_one_place(box: Box, words: list[str]) -> None:
    assert ask(box, "set", "wms", *words).exit_code == 2


def test_listed_shown_and_removed(box: Box) -> None:
    plain = ASSET | {"id": "mail", "secret": False, "value": {"port": 25}}
    box.answers |= {
        "GET /assets": (200, {"items": [ASSET, plain], "next": None}), "GET /assets/wms": (200, ASSET),
        "DELETE /assets/wms": [(409, {"code": "asset.in_use", "message": "used", "details": []}), (204, None)],
    }  # fmt: skip
    listed = ask(box, "list")
    assert "(secret)" in listed.output
    assert '{"port": 25}' in listed.output
    shown = CliRunner().invoke(app, ["asset", "show", "wms", "--json", "--url", box.url])
    assert json.loads(shown.output) == ASSET
    assert [ask(box, "delete", "wms").exit_code for _ in range(2)] == [1, 0]
