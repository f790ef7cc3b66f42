"""By which certificate the commands on a box know it."""

import http.server
import json
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest

import config.certificates
from cli.client import CA_VARIABLE, READY, Client, Refused, find_trust, find_url
from cli.own_certificate import served
from cli.supervisor import Supervisor
from config.certificates import Authority
from config.settings import ServeSettings

Start = Callable[[Path, Path], str]


class _Empty(http.server.BaseHTTPRequestHandler):
    """Answers everything with an empty list."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def start() -> Iterator[Start]:
    """Serves by TLS with certificate and key; gives its address."""
    running = []

    def serve(certificate: Path, key: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"https://127.0.0.1:{server.server_port}"

    yield serve
    for server in running:
        server.shutdown()
        server.server_close()


def company(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of the company's authority, for a name that is not the loopback's, and its key."""
    found = Authority.load(folder / "company").for_box([name])
    places = folder / f"{name}.pem", folder / f"{name}.key"
    for file, place in zip(found, places, strict=True):
        shutil.move(file, place)
    return places


def box(folder: Path, url: str, certificate: Path, key: Path) -> ServeSettings:
    """What `serve` leaves in its folder."""
    where = url.partition("//")[2]
    settings = ServeSettings(data_dir=folder, http=where, https=True, tls_certificate=certificate, tls_key=key)
    ready = Supervisor([], settings, [])._ready()
    (folder / READY).write_text(json.dumps(ready))
    return settings


def ask(folder: Path, url: str | None = None) -> None:
    """As commands do."""
    with Client(find_url(url, folder), trusts=find_trust(url, folder)) as client:
        client.get("/robots")


@pytest.mark.parametrize("variable", [False, True])
def test_a_command_on_the_box_knows_its_companys_certificate(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch, *, variable: bool
) -> None:
    files = company(tmp_path, "box.plant.example")
    monkeypatch.delenv(CA_VARIABLE, raising=False)
    if variable:
        monkeypatch.setenv(CA_VARIABLE, str(tmp_path / "company" / "ca.pem"))
    box(tmp_path, start(*files), *files)
    ask(tmp_path)


def test_it_trusts_that_one_and_no_other_of_the_company(tmp_path: Path, start: Start) -> None:
    ours, others = company(tmp_path, "box.plant.example"), company(tmp_path, "printer.plant.example")
    box(tmp_path, start(*others), *ours)
    with pytest.raises(Refused, match="not reachable"):
        ask(tmp_path)


def test_an_address_that_is_given_is_known_by_name_and_authority_only(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = company(tmp_path, "box.plant.example")
    url = start(*files)
    box(tmp_path, url, *files)
    with pytest.raises(Refused, match="not reachable"):
        ask(tmp_path, url)
    monkeypatch.setenv(CA_VARIABLE, str(tmp_path / "company" / "ca.pem"))
    with pytest.raises(Refused, match="not reachable"):
        ask(tmp_path, url)


def test_one_that_ran_out_is_still_this_box(tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    class Past(datetime):
        """Years ago."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) - timedelta(days=3000)

    with monkeypatch.context() as then:
        then.setattr(config.certificates, "datetime", Past)
        files = company(tmp_path, "box.plant.example")
    box(tmp_path, start(*files), *files)
    ask(tmp_path)


def test_what_the_web_server_started_with_counts_until_it_starts_again(tmp_path: Path) -> None:
    files = company(tmp_path, "box.plant.example")
    settings = box(tmp_path, "https://127.0.0.1:8080", *files)
    supervisor = Supervisor([], settings, [])
    before = supervisor._ready()["certificate"]
    assert before == served(settings)
    files[0].write_bytes(company(tmp_path, "new.plant.example")[0].read_bytes())
    assert supervisor._ready()["certificate"] == before != served(settings)


def test_plain_http_has_none(tmp_path: Path) -> None:
    assert Supervisor([], ServeSettings(data_dir=tmp_path), [])._ready()["certificate"] is None
