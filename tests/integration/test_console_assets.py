"""The page of assets: what is listed, who may change what, and that no secret is ever in a page."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.fakes.box import Box
from tests.fakes.yard import PRINT_FLOW

SECRET = "k7-Tresor <ä>"


def get(box: Box, path: str, token: str | None = None) -> TestResponse:
    more: dict[str, Any] = {} if token is None else {"environ_overrides": {"HTTP_AUTHORIZATION": f"Bearer {token}"}}
    return box.http.get(path, **more)


def send(box: Box, path: str, token: str | None = None, **fields: str) -> TestResponse:
    more: dict[str, Any] = {} if token is None else {"environ_overrides": {"HTTP_AUTHORIZATION": f"Bearer {token}"}}
    return box.http.post(path, data=fields, headers={"HX-Request": "true"}, **more)


def new(box: Box, **fields: str) -> TestResponse:
    return send(box, "/assets/new", **({"id": "wms", "kind": "secret", "secret": SECRET} | fields))


def test_a_secret_is_added_listed_changed_and_removed_and_never_shown(box: Box) -> None:
    assert "There is no asset yet" in get(box, "/assets").text
    answer = new(box, name="WMS login", note="yearly")
    assert (answer.status_code, "wms" in answer.headers["HX-Trigger"]) == (200, True)
    page = get(box, "/assets").text
    assert "WMS login" in page
    assert "secret" in page
    form = get(box, "/assets/wms/change").text
    assert 'type="password"' in form
    assert "textarea" not in form
    assert send(box, "/assets/wms/change", version="1", name="WMS", secret="").status_code == 200
    assert box.must("GET", "/assets/wms")["version"] == 2
    assert send(box, "/assets/wms/change", version="2", name="WMS", secret=SECRET + "2").status_code == 200
    assert box.must("GET", "/assets/wms")["version"] == 3
    everything = (
        page + form + get(box, "/assets").text + get(box, "/assets/wms/remove").text + repr(box.controller.asked)
    )
    for form_of_it in (SECRET, "k7-Tresor", "&lt;ä&gt;"):
        assert form_of_it not in everything
    assert send(box, "/assets/wms/remove").status_code == 200
    assert get(box, "/assets/wms/change").status_code == 404


def test_a_plain_value_is_shown_and_typed_as_json_or_text(box: Box) -> None:
    assert new(box, id="mail", kind="plain", value='{"port": 25}').status_code == 200
    assert new(box, id="name", kind="plain", value="a <b>").status_code == 200
    page = get(box, "/assets").text
    assert "{&#34;port&#34;: 25}" in page
    assert "a &lt;b&gt;" in page
    assert box.must("GET", "/assets/mail")["value"] == {"port": 25}
    assert "{&#34;port&#34;: 25}" in get(box, "/assets/mail/change").text


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"id": "a b"}, "begins with a letter or digit"), ({"secret": "abc"}, "4 to 4096"), ({"secret": ""}, "4 to 4096"),
     ({"kind": "plain", "value": " "}, "Give a value"), ({"id": "there"}, "an asset of this id")],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field_and_no_secret_comes_back(
    box: Box, fields: dict[str, str], words: str
) -> None:
    box.must("PUT", "/assets/there", {"value": 1}, 201)
    answer = new(box, **fields)
    assert (answer.status_code, words in answer.text) == (422, True), answer.text
    assert SECRET not in answer.text
    assert "k7" not in answer.text
    assert [one["id"] for one in box.must("GET", "/assets")["items"]] == ["there"]


def test_who_changed_it_meanwhile_is_not_written_over(box: Box) -> None:
    new(box)
    box.must("PUT", "/assets/wms", {"name": "theirs"})
    answer = send(box, "/assets/wms/change", version="1", name="mine")
    assert (answer.status_code, "Somebody else" in answer.text) == (422, True)
    assert "theirs" in answer.text
    assert box.must("GET", "/assets/wms")["name"] == "theirs"


def test_one_that_is_used_stays_and_the_page_says_by_whom(box: Box) -> None:
    new(box)
    flow = PRINT_FLOW | {"inputParams": [{"name": "p", "type": "String"}]}
    box.yard.flow("login", flow)
    body = {"name": "d", "flow": "login", "target": {"queue": "main"}, "parameters": {"p": {"$secret": "wms"}}}
    box.must("PUT", "/deployments/nightly", body, 201)
    assert "nightly" in get(box, "/assets").text
    assert "nightly" in get(box, "/assets/wms/remove").text
    answer = send(box, "/assets/wms/remove")
    assert (answer.status_code, "refers to it" in answer.text) == (409, True)


def test_only_administrators_change_assets(box: Box) -> None:
    new(box)
    token = box.token("op", "operator")
    assert "WMS" not in get(box, "/assets", token).text
    assert get(box, "/assets", token).status_code == 200
    for path in ("/assets/new", "/assets/wms/change", "/assets/wms/remove"):
        assert (get(box, path, token).status_code, send(box, path, token).status_code) == (403, 403)


def test_the_page_in_both_languages(box: Box) -> None:
    new(box)
    page = get(box, "/assets?lang=zh").text
    assert "资产管理" in page
    assert "机密" in page
    assert "Assets" in get(box, "/assets?lang=en").text
