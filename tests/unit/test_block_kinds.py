"""The table of kinds is whole, in both languages, and the manual names all of it."""

import json
import re
from pathlib import Path

import pytest

from schemas.block_kind import BlockKind, describe
from schemas.blocks import BLOCK_KINDS, OPERATION_KINDS, PURE_KINDS, SENTENCES, sentence
from schemas.expression_words import FUNCTIONS
from schemas.flow import MAX_BLOCKS, MAX_FLOW_BYTES, MAX_LEVELS
from schemas.flow_check import check_flow
from schemas.values import BadValue, convert

MANUAL = (Path(__file__).parents[2] / "docs" / "flows.md").read_text(encoding="utf-8")
FIELDS = re.compile(r"\{(\w+)\}")


def test_pure_and_operation_kinds_are_all_kinds() -> None:
    assert frozenset(BLOCK_KINDS) == PURE_KINDS | OPERATION_KINDS
    assert not PURE_KINDS & OPERATION_KINDS


@pytest.mark.parametrize("row", BLOCK_KINDS.values(), ids=list(BLOCK_KINDS))
def test_a_row_is_whole(row: BlockKind) -> None:
    words = [row.name, *(param.label for param in row.params), *row.sentences.values()]
    assert all(word.en.strip() and word.zh.strip() for word in words)
    assert len({param.name for param in row.params}) == len(row.params)
    assert all(row.param(name) for name in row.one_of)
    for param in row.params:
        assert not (param.required and param.default is not None)
        try:
            assert convert(param.default, param.type) == param.default
        except BadValue:
            pytest.fail(f"default of {param.name}")
    if row.operation:
        assert not row.branches


@pytest.mark.parametrize("row", BLOCK_KINDS.values(), ids=list(BLOCK_KINDS))
def test_editors_get_plain_data(row: BlockKind) -> None:
    found = describe(row)
    assert found["kind"] == row.kind
    assert [param["name"] for param in found["parameters"]] == [param.name for param in row.params]
    assert set(found["name"]) == {"en", "zh"}


def test_sentences_take_the_same_arguments_in_both_languages() -> None:
    for key, words in SENTENCES.items():
        assert sorted(FIELDS.findall(words.en)) == sorted(FIELDS.findall(words.zh)), key
    assert SENTENCES["branch_done"].zh.format(branch="default") == "分支 default 的所有子块执行完成"
    assert SENTENCES["agv_selected"].zh.format(block_name="b5") == "选择机器人块成功, 块id:b5"
    assert BLOCK_KINDS["CSelectAgvBp"].name.zh == "选择执行机器人块"


@pytest.mark.parametrize("row", BLOCK_KINDS.values(), ids=list(BLOCK_KINDS))
def test_the_manual_has_every_kind_parameter_branch_and_output(row: BlockKind) -> None:
    line = next((line for line in MANUAL.splitlines() if line.startswith(f"| `{row.kind}` ")), "")
    assert row.name.zh in line
    for word in [*(param.name for param in row.params), *row.outputs, *(b for b in row.branches if b != "default")]:
        assert f"`{word}`" in line, word


def test_the_example_of_the_manual_is_in_order() -> None:
    example = MANUAL.partition("```json\n")[2].partition("```")[0]
    assert check_flow(json.loads(example), "example", lambda _: None).problems == ()


def test_the_manual_has_every_function_and_bound() -> None:
    for name in FUNCTIONS:
        assert f"`{name}`" in MANUAL, name
    for number in (f"{MAX_BLOCKS:,}", str(MAX_LEVELS), f"{MAX_FLOW_BYTES // 1024} KiB"):
        assert number in MANUAL


def test_log_messages_read_as_sentences_in_both_languages() -> None:
    assert sentence("branch_done", {"branch": "if"}) == "all child blocks of branch if are done"
    assert sentence("branch_done", {"branch": "if"}, "zh") == "分支 if 的所有子块执行完成"


def test_a_message_that_lacks_an_argument_or_is_unknown_comes_as_it_is() -> None:
    assert sentence("branch_done", {}) == "branch_done {}"
    assert sentence("of another version", {"x": 1}) == "of another version {'x': 1}"
    assert sentence("of another version", {}) == "of another version"
