"""Secrets at rest: the key file, what is sealed, and what cannot be opened."""

import os
from pathlib import Path

import pytest

from config.sealing import KEY_FILE, BadKey, CannotOpen, load_sealer


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first = load_sealer(tmp_path)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex((tmp_path / KEY_FILE).read_text())) == 32
    assert load_sealer(tmp_path).open(first.seal("väl🔑ue", "a"), "a") == "väl🔑ue"
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_what_is_sealed_shows_nothing_and_belongs_to_one_thing(tmp_path: Path) -> None:
    sealer = load_sealer(tmp_path)
    sealed = sealer.seal("correct horse", "a")
    assert b"correct" not in sealed
    assert sealer.seal("correct horse", "a") == sealed
    assert sealer.seal("correct horse", "b") != sealed
    assert sealer.seal("correct horsf", "a") != sealed
    with pytest.raises(CannotOpen, match="something else"):
        sealer.open(sealed, "b")
    for at in range(len(sealed)):
        with pytest.raises(CannotOpen):
            sealer.open(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], "a")
    for cut in (0, 4, 5, 16, len(sealed) - 1):
        with pytest.raises(CannotOpen):
            sealer.open(sealed[:cut], "a")


def test_another_key_is_named_as_the_reason(tmp_path: Path) -> None:
    sealed = load_sealer(tmp_path).seal("correct horse", "a")
    (tmp_path / KEY_FILE).unlink()
    other = load_sealer(tmp_path)
    assert not other.is_of_this_key(sealed)
    with pytest.raises(CannotOpen, match="another key"):
        other.open(sealed, "a")


def test_marks_tell_lists_of_texts_apart_and_need_the_key(tmp_path: Path) -> None:
    one, other = load_sealer(tmp_path), load_sealer(_folder(tmp_path / "other"))
    assert one.mark("a", "b") == one.mark("a", "b") != one.mark("ab", "")
    assert one.mark("a") != other.mark("a")


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize("text", ["", "00", "z" * 64, "00" * 33, "ÿ"])
def test_a_damaged_key_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / KEY_FILE
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadKey, match="damaged") as caught:
        load_sealer(tmp_path)
    assert not text or text not in str(caught.value)


def test_a_key_that_others_can_read_or_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    load_sealer(tmp_path)
    path = tmp_path / KEY_FILE
    path.chmod(0o640)
    with pytest.raises(BadKey, match="chmod 600"):
        load_sealer(tmp_path)
    path.unlink()
    path.mkdir(0o700)
    with pytest.raises(BadKey, match="cannot be read"):
        load_sealer(tmp_path)
    os.rmdir(path)
