"""How an agent asks the box over HTTP: what it shows, whom it believes, and what it never tells."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from edge_agent.box_http import BoxHttp, BoxRefused, NotReachable, token_of

Answer = Callable[[httpx.Request], httpx.Response]


def box(tmp_path: Path, answer: Answer, token: str = "secret-token") -> BoxHttp:
    file = tmp_path / "token"
    file.write_text(token + "\n")
    return BoxHttp("http://box:8080/", file, transport=httpx.MockTransport(answer))


def test_it_shows_the_robots_token_at_the_boxs_api(tmp_path: Path) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"value": 1})

    assert box(tmp_path, answer).get("AGV-01", "/attempts/7/secrets/db") == {"value": 1}
    assert str(asked[0].url) == "http://box:8080/api/v1/attempts/7/secrets/db"
    assert asked[0].headers["Authorization"] == "Bearer secret-token"


def test_a_new_token_needs_no_restart(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["Authorization"])
        return httpx.Response(200, json={})

    one = box(tmp_path, answer, "old")
    one.get("AGV-01", "/me")
    (tmp_path / "token").write_text("new")
    one.get("AGV-01", "/me")
    assert asked == ["Bearer old", "Bearer new"]


def test_a_file_may_hold_the_tokens_of_several_robots(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({"A": "token-a", "B": "token-b"}))
    assert [token_of(file, robot) for robot in "AB"] == ["token-a", "token-b"]
    with pytest.raises(NotReachable, match="no token for C"):
        token_of(file, "C")


@pytest.mark.parametrize("text", ["", "two words", "line\nline", "{", "tökèn", '{"A": 5}', '{"A": ""}'])
def test_what_is_no_token_is_not_shown_and_not_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(NotReachable) as refused:
        token_of(file, "A")
    assert not text or text not in str(refused.value)


def test_a_missing_file_may_come_later(tmp_path: Path) -> None:
    with pytest.raises(NotReachable, match="cannot be read"):
        token_of(tmp_path / "none", "A")


def test_a_refusal_carries_status_code_and_sentence(tmp_path: Path) -> None:
    one = box(tmp_path, lambda _: httpx.Response(409, json={"code": "x.y", "message": "No."}, headers={"Z": "1"}))
    with pytest.raises(BoxRefused, match=r"No\.") as refused:
        one.ask("A", "POST", "/x", body={})
    assert (refused.value.status, refused.value.code, refused.value.headers["z"]) == (409, "x.y", "1")


def test_a_refusal_of_something_else_still_has_a_code(tmp_path: Path) -> None:
    with pytest.raises(BoxRefused) as refused:
        box(tmp_path, lambda _: httpx.Response(502, text="<html>")).ask("A", "GET", "/x")
    assert refused.value.code == "http.502"


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    one = box(tmp_path, lambda _: httpx.Response(302, headers={"Location": "http://elsewhere/"}))
    with pytest.raises(BoxRefused):
        one.get("A", "/x")


def test_a_dead_line_is_for_later(tmp_path: Path) -> None:
    def cut(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    with pytest.raises(NotReachable, match="no route"):
        box(tmp_path, cut).ask("A", "GET", "/x")


def answered(text: str, _request: httpx.Request) -> httpx.Response:
    """The same to everybody."""
    return httpx.Response(200, text=text)


def test_an_answer_that_is_no_object_is_no_answer(tmp_path: Path) -> None:
    for text in ("[1]", "nothing"):
        with pytest.raises(NotReachable):
            box(tmp_path, partial(answered, text)).get("A", "/x")
