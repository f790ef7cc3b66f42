"""Where a planted secret could turn up: every file, the database, the API, the pages, and what goes over MQTT."""

import base64
import json
import os
import re
import signal
import sqlite3
import threading
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from config.settings import address
from web.app import create_app
from web.console.pages import BLUEPRINTS
from web.settings import WebSettings

WATCHER = "canary-watcher"
PATIENCE_S = 30.0
_PART = re.compile(r"[{<](?:\w+:)?(\w+)[}>]")
_ANY = re.compile(r"<any\(([^)]*)\):\w+>")


def forms(secret: str) -> list[bytes]:
    """How a secret is written, as it is or by one of the usual encodings."""
    url, data = urllib.parse.quote(secret, safe=""), secret.encode()
    texts = [secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], url, url.lower()]
    texts += [urllib.parse.quote_plus(secret), json.dumps(json.dumps(secret)[1:-1])[1:-1]]
    # Of Base64 behind one or two other bytes the middle is always the same.
    texts += [base64.b64encode(b"x" * n + data).decode().rstrip("=")[2:-2] for n in range(3)]
    return list(dict.fromkeys(text.encode() for text in texts))


def found(secrets: Iterable[str], places: Iterable[tuple[str, bytes]]) -> dict[str, set[str]]:
    """Place to what was found there; nothing when all is well."""
    wanted = [form for secret in secrets for form in forms(secret)]
    hits: dict[str, set[str]] = {}
    for place, content in places:
        seen = {form.decode() for form in wanted if form in content}
        if seen:
            hits.setdefault(place, set()).update(seen)
    return hits


# ---------------------------------------------------------------- on disk
def files(folders: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Every file as it lies there, journals and their write-ahead logs too."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield f"file {path.relative_to(folder.parent)}", path.read_bytes()


def dump(database: Path) -> Iterator[tuple[str, bytes]]:
    """Every table of a running box, as a backup would have it."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        for line in db.iterdump():
            yield "database", line.encode()
    finally:
        db.close()


# ---------------------------------------------------------------- over HTTP
def routes(http: httpx.Client) -> list[str]:
    """Every path that the served document says can be read."""
    paths: Mapping[str, Any] = http.get("/api/v1/openapi.json").json()["paths"]
    return [path for path, item in paths.items() if "get" in item and path != "/api/v1/stream"]


def pages(folder: Path) -> list[str]:
    """Every page and dialog of the console that can be read."""
    names = {blueprint.name for blueprint in BLUEPRINTS} - {"live", "sign_in"}
    rules = create_app(WebSettings(folder)).url_map.iter_rules()
    console = [rule for rule in rules if rule.endpoint.partition(".")[0] in names and "GET" in (rule.methods or ())]
    return [path for rule in console for path in _each(rule.rule)]


def _each(rule: str) -> list[str]:
    choice = _ANY.search(rule)
    words = [] if choice is None else [word.strip() for word in choice[1].split(",")]
    return [rule] if choice is None else [path for word in words for path in _each(rule.replace(choice[0], word))]


def read_all(http: httpx.Client, paths: Iterable[str], ids: Mapping[str, list[str]]) -> Iterator[tuple[str, bytes]]:
    """What all of these answer about all of these ids; a part of a path that nobody has an id for is an error."""
    for path in paths:
        for address_ in _filled(path, ids):
            answer = http.get(address_)
            assert answer.status_code < 500, (address_, answer.text[:500])
            yield f"GET {path}", answer.content


def _filled(path: str, ids: Mapping[str, list[str]]) -> list[str]:
    part = _PART.search(path)
    if part is None:
        return [path]
    values = ids[part[1]]
    return [one for value in values for one in _filled(path.replace(part[0], urllib.parse.quote(value, safe="")), ids)]


# ---------------------------------------------------------------- over MQTT
class Trace:
    """A subscriber to everything, whom the broker lets in by one more rule."""

    def __init__(self, data_dir: Path, ready: Mapping[str, Any]) -> None:
        self._at, self._topic = address(ready["mqtt"]), f"{ready['topic_prefix']}/#"
        with (data_dir / "broker" / "acl").open("a", encoding="utf-8") as file:
            file.write(f"\nuser {WATCHER}\ntopic read {self._topic}\n")
        os.kill(ready["parts"]["broker"], signal.SIGHUP)
        self.seen: list[tuple[str, bytes]] = []
        self._let_in = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=WATCHER)
        self._client.username_pw_set(WATCHER)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic, 1)
        self._client.on_subscribe = lambda *_: self._let_in.set()
        self._client.on_message = lambda _client, _data, message: self.seen.append(
            (f"MQTT {message.topic.rpartition('/')[2]}", bytes(message.payload))
        )

    def __enter__(self) -> Self:
        self._client.connect(self._at.host, self._at.port)
        self._client.loop_start()
        assert self._let_in.wait(PATIENCE_S), f"the broker does not let {WATCHER} in"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()
