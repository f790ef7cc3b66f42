"""Finding deployments by what people type: a part of a name in any script, or one with a slip in it."""

import sqlite3

import pytest

from controller.store.queries.likeness import MAX_ALIKE, named, names_of

NAMES = (
    "2 号压机换模", "废料箱送外场", "二号厂房拣货 étage", "Pick and Place", "Charge", "拣货上线", "成品（入库）—A区",
    "Move pallet to lane 4", "搬运：托盘到产线",
)  # fmt: skip


def search(text: str) -> tuple[list[str], bool]:
    """Names that are found, and whether they are only similar."""
    fit = names_of("test", tuple((f"d{n}", name) for n, name in enumerate(NAMES))).fitting(text)
    return [name for _id, name in fit.found], fit.similar


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("压机换模", "2 号压机换模"),
        ("模", "2 号压机换模"),
        ("PICK", "Pick and Place"),
        ("ＰＩＣＫ　ａｎｄ", "Pick and Place"),
        ("pick,and place", "Pick and Place"),
        ("成品(入库)", "成品（入库）—A区"),
        ("成品入库a区", "成品（入库）—A区"),
        ("拣货，上线", "拣货上线"),
        ("搬运:托盘", "搬运：托盘到产线"),
        ("ÉTAGE", "二号厂房拣货 étage"),
        ("d4", "Charge"),
    ],
)
def test_search_by_deployment_name_fuzzy_a_part_in_any_script_and_width(text: str, name: str) -> None:
    assert search(text) == ([name], False)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("压鸡换模", "2 号压机换模"),
        ("2号压换模", "2 号压机换模"),
        ("拣活上线", "拣货上线"),
        ("拣上线", "拣货上线"),
        ("拣货拣上线", "拣货上线"),
        ("废料箱送場", "废料箱送外场"),
        ("托盘到生产线", "搬运：托盘到产线"),
        ("pikc", "Pick and Place"),
        ("chrge", "Charge"),
        ("charje", "Charge"),
        ("pick an plac", "Pick and Place"),
        ("mowe palet to lane", "Move pallet to lane 4"),
    ],
)
def test_search_by_deployment_name_fuzzy_one_wrong_or_missing_character(text: str, name: str) -> None:
    found, similar = search(text)
    assert similar
    assert found[0] == name


@pytest.mark.parametrize("text", ["no such", "完全没有", "夜班", "zzzz", "x", "%", "report nigth", "压床", "pxyk"])
def test_unknown_words_find_nothing(text: str) -> None:
    assert search(text) == ([], False)


def test_punctuation_alone_is_taken_as_it_is() -> None:
    assert search("—") == (["成品（入库）—A区"], False)
    assert search("!") == ([], False)


def test_names_that_change_are_seen_and_many_are_cut() -> None:
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    db.execute("create table deployments (id text, name text)")
    assert named(db, "deployment", "palett").found == ()
    db.executemany("insert into deployments values (?, ?)", [(f"d{n}", f"pallet {n}") for n in range(50)])
    fit = named(db, "deployment", "palett")
    assert (len(fit.found), fit.similar) == (MAX_ALIKE, True)
    assert len(named(db, "deployment", "pallet").found) == 50
    db.execute("update deployments set name = 'palett' where id = 'd7'")
    assert named(db, "deployment", "palett").found == (("d7", "palett"),)
