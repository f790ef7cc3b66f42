"""What an agent shows to the broker, and what it says when that is not good enough."""

import os
import ssl
from pathlib import Path

import pytest

from config.agent import load_agent
from config.certificates import Authority
from config.settings import BadSettings
from edge_agent.app import link_settings
from edge_agent.dial import BadCertificate, TlsFiles, TlsSocket
from edge_agent.link import no_way_in, refusal
from edge_agent.shown import Secrets
from edge_agent.wire import BufferedSocket


def test_a_password_is_read_anew_each_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "password"
    shown = Secrets(file=file)
    assert shown.of("r1") is None
    file.write_text("one\n")
    assert shown.of("r1") == "one"
    file.write_text('{"r1": "two", "r2": 7}')
    assert (shown.of("r1"), shown.of("r2"), shown.of("r3")) == ("two", None, None)
    file.write_text('{"secret')
    assert shown.of("r1") is None
    assert "secret" not in caplog.text
    assert (Secrets("own").of("r1"), "own" in repr(Secrets("own"))) == ("own", False)


def test_settings_say_what_is_shown(tmp_path: Path) -> None:
    given = link_settings(load_agent(name="r1", password="own"))
    assert (given.secrets.of("r1"), given.tls) == ("own", None)
    file = tmp_path / "box.pem"
    given = link_settings(load_agent(name="r1", ca_file=file))
    assert given.tls == TlsFiles(file)
    assert link_settings(load_agent(name="r1", ca_file=file, tls=False)).tls is None
    assert link_settings(load_agent(name="r1", tls=True)).tls == TlsFiles()
    for wrong in ({"password": "x", "password_file": file}, {"certificate": file}, {"key": file}):
        with pytest.raises(BadSettings, match=r"password_file|certificate"):
            load_agent(name="r1", **wrong)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadCertificate, match=r"gone\.pem"):
        TlsFiles(tmp_path / "gone.pem").context()
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(BadCertificate, match=r"bad\.pem"):
        TlsFiles(tmp_path / "bad.pem").context()
    assert TlsFiles().context().minimum_version == ssl.TLSVersion.TLSv1_2
    assert TlsFiles().context().verify_mode == ssl.CERT_REQUIRED
    assert TlsFiles().context().check_hostname


def test_certificates_are_read_once_and_again_when_they_have_changed(tmp_path: Path) -> None:
    authority = Authority.load(tmp_path)
    files = TlsFiles(tmp_path / "ca.pem")
    first = files.context()
    assert TlsFiles(tmp_path / "ca.pem").context() is first
    os.utime(tmp_path / "ca.pem", ns=(1, 1))
    assert files.context() is not first
    assert authority.pem


def test_a_refusal_says_what_to_do() -> None:
    assert "yardmaster robot enrol r1" in refusal("r1", "Not authorized")
    assert "keeps trying" in refusal("r1", "Bad user name or password")
    assert "Server unavailable" in refusal("r1", "Server unavailable")
    assert no_way_in(TimeoutError()) == "no answer"
    assert "TLS" in no_way_in(ssl.SSLError(1, "wrong version number"))


class _Ended:
    """A TLS connection whose other side is gone."""

    def send(self, data: bytes | memoryview) -> int:
        kept = data  # as a frame of an error keeps it
        raise ssl.SSLEOFError(8, f"EOF after {len(kept)} bytes")

    def recv(self, size: int) -> bytes:
        raise ssl.SSLWantReadError

    def fileno(self) -> int:
        return -1

    def setblocking(self, flag: bool) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_connection_that_ends_while_it_is_written_to_is_closed_without_a_complaint() -> None:
    own = BufferedSocket(TlsSocket(_Ended()))
    own.send(b"x" * 100)
    with pytest.raises(OSError, match="EOF") as caught:
        own.flush()
    assert caught.value.__traceback__ is not None, "it holds on to the frame that held what was to be sent"
    own.close()
    assert own.unsent == 0
    with pytest.raises(BlockingIOError):
        own.recv(10)
