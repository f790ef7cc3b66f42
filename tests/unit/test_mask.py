"""Nothing of a secret is left in what a robot says, however it is written and however it arrives."""

import base64
import html
import json
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.mask import NO_MASK, Mask
from schemas.reference import HIDDEN

SECRETS = ["hunter22", "p4 ss/w+rd=%25&<x>", "日本-geheim-ß", "a\"b\\c'd", "🔑🗝️key", "1234"]


def ways(secret: str) -> list[str]:
    """All in which a secret is written in practice."""
    return [
        secret,
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        json.dumps(json.dumps(secret)),
        json.dumps(secret).replace("/", "\\/"),
        urllib.parse.quote(secret),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        urllib.parse.quote(secret, safe="").lower() if secret.isascii() and secret.islower() else secret,
        html.escape(secret),
        *(base64.b64encode(b"x" * n + secret.encode() + b"yz"[:m]).decode() for n in range(4) for m in range(3)),
        *(base64.urlsafe_b64encode(b"user:"[:n] + secret.encode()).decode() for n in range(6)),
        "\n".join(secret),
        "\r\n".join((secret[:2], secret[2:])),
    ]


def core(secret: str) -> list[str]:
    """What must not be found afterwards."""
    return [
        secret,
        json.dumps(secret)[1:-1],
        urllib.parse.quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode(),
    ]


@pytest.mark.parametrize("secret", SECRETS)
def test_every_way_of_writing_it_is_hidden_and_the_rest_stays(secret: str) -> None:
    mask = Mask([secret])
    for way in ways(secret):
        shown = mask.text(f"before [{way}] after")
        assert HIDDEN in shown, (way, shown)
        assert shown.startswith("before [")
        assert shown.endswith("] after")
        assert not any(form in shown for form in core(secret)), (way, shown)
    assert mask.text("nothing to see, 123, ••• aGVsbG8=") == "nothing to see, 123, ••• aGVsbG8="


@pytest.mark.parametrize("secret", SECRETS)
def test_a_text_in_pieces_shows_what_the_whole_text_shows(secret: str) -> None:
    mask = Mask([secret])
    for way in ways(secret):
        whole = f"one {way[:3]} two {way}\nthree {secret}{secret} {way[:-1]}"
        for size in (1, 2, 5, 7):
            stream = mask.stream()
            pieces = [stream.feed(whole[at : at + size]) for at in range(0, len(whole), size)]
            assert "".join(pieces) + stream.feed("", final=True) == mask.text(whole)


@settings(max_examples=150, deadline=None)
@given(secret=st.text(min_size=4, max_size=12).filter(lambda text: text.isprintable()), data=st.data())
def test_any_text_with_a_secret_cut_anywhere(secret: str, data: st.DataObject) -> None:
    around = st.text(max_size=6)
    whole = data.draw(around) + secret + data.draw(around) + json.dumps(secret) + data.draw(around)
    cut = data.draw(st.integers(0, len(whole)))
    stream = Mask([secret]).stream()
    shown = stream.feed(whole[:cut]) + stream.feed(whole[cut:]) + stream.feed("", final=True)
    assert secret not in shown.replace(HIDDEN, "\0")
    assert json.dumps(secret)[1:-1] not in shown.replace(HIDDEN, "\0")


def test_what_can_be_shown_is_shown_at_once() -> None:
    stream = Mask(["hunter22"]).stream()
    assert stream.feed("line one\n") == "line one\n"
    assert stream.feed("is it hunt") == "is it "
    assert stream.feed("ing?\n") == "hunting?\n"
    assert NO_MASK.stream().feed("hunter22") == "hunter22"


def test_values_names_and_numbers() -> None:
    mask = Mask(["1234", "hunter22"])
    given = {"a": ["x hunter22", 91234, 1.1234, 12, True, None], "hunter22": {"b": 1234}, "n": (1,)}
    assert mask.value(given) == {
        "a": [f"x {HIDDEN}", HIDDEN, HIDDEN, 12, True, None], HIDDEN: {"b": HIDDEN}, "n": [1]
    }  # fmt: skip
    assert NO_MASK.value(given) is given


def test_lines_of_a_long_secret_are_hidden_one_by_one() -> None:
    lines = ["-----BEGIN KEY-----", "MIIEvQIBADANBgkq", "short", "-----END KEY-----"]
    mask = Mask(["\n".join(lines)])
    for line in (*lines[:2], lines[3]):
        assert mask.text(f"> {line} <") == f"> {HIDDEN} <"
    assert mask.text("short") == "short"
    for end in ("\n", "\r\n"):
        assert mask.text(f"[{end.join(lines)}]") == f"[{HIDDEN}]"


def test_how_long_a_secret_is_does_not_show() -> None:
    assert Mask(["a" * 4]).text("a" * 4) == Mask(["b" * 400]).text("b" * 400) == HIDDEN


def test_a_secret_within_another_is_hidden_with_it() -> None:
    mask = Mask(["hunter22", "xx-hunter22-yy"])
    assert mask.text("xx-hunter22-yy hunter22") == f"{HIDDEN} {HIDDEN}"
