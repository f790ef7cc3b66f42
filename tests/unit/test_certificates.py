"""The box's own authority: made once, trusted by whoever has its certificate, renewed before it ends."""

import errno
import ssl
import stat
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import psutil
import pytest
from cryptography import x509

from config import certificates, issued
from config.certificates import Authority, fingerprint, machine_names
from config.issued import Issued


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A new one."""
    return Authority.load(tmp_path / "tls")


def read(path: Path) -> x509.Certificate:
    """The first certificate of a file."""
    return x509.load_pem_x509_certificate(path.read_bytes())


def san(path: Path) -> list[str]:
    """Names and addresses of a certificate."""
    named = read(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(one.value) for one in named]


class Ahead(datetime):
    """A clock that is a year ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(days=364)


def test_a_start_with_less_of_a_network_forgets_no_name(authority: Authority) -> None:
    path, _ = authority.for_box(["box", "192.168.1.10", "2001:db8::aaaa"])
    authority.for_box(["box", "2001:db8::bbbb"])
    assert san(path) == ["box", "2001:db8::bbbb", "192.168.1.10", "2001:db8::aaaa"]
    for number in range(certificates.MOST_NAMES):
        authority.for_box(["box", f"10.0.0.{number}"])
    assert len(san(path)) == certificates.MOST_NAMES
    assert san(path)[:2] == ["box", f"10.0.0.{certificates.MOST_NAMES - 1}"]


@pytest.mark.parametrize("key", ["", "of another"])
def test_a_certificate_without_its_key_is_made_anew(authority: Authority, tmp_path: Path, key: str) -> None:
    path, place = authority.for_box(["box"])
    first = read(path)
    other = Authority.load(tmp_path / "other").for_box(["box"])[1].read_text()
    place.write_text(other if key else "")
    authority.for_box(["box"])
    assert read(path) != first
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, place)


def test_what_was_made_while_the_clock_was_ahead_is_made_anew(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(certificates, "datetime", Ahead)
        path, _ = authority.for_box(["box"])
        authority.write_revoked([])
    assert read(path).not_valid_before_utc > datetime.now(UTC)
    authority.for_box(["box"])
    assert read(path).not_valid_before_utc <= datetime.now(UTC)
    found = x509.load_pem_x509_crl((authority.folder / "revoked.pem").read_bytes())
    assert found.last_update_utc <= datetime.now(UTC), "no clock can make the list invalid"


def test_an_authority_that_is_not_valid_now_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(certificates, "datetime", Ahead)
        early = Authority.load(tmp_path / "tls")
        assert early.trouble() is None
    assert "is valid from" in (early.trouble() or "")
    assert early.is_too_early
    again = early.anew()
    assert again.trouble() is None
    assert again.certificate != early.certificate
    monkeypatch.setattr(certificates, "CA_DAYS", -1)
    monkeypatch.setattr(certificates, "_SKEW", timedelta(days=9))
    ended = Authority.load(tmp_path / "ended")
    assert "is valid until" in (ended.trouble() or "")
    assert not ended.is_too_early


def test_it_is_made_once_and_for_its_owner_only(authority: Authority) -> None:
    again = Authority.load(authority.folder)
    assert again.certificate == authority.certificate
    authority.for_box(["localhost"])
    authority.write_revoked([])
    assert {stat.S_IMODE(file.stat().st_mode) for file in authority.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700
    assert len(fingerprint(authority.folder / "ca.pem").split(":")) == 32


def test_a_key_that_is_another_ones_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = Authority.load(tmp_path / "other")
    (authority.folder / "ca.key").write_bytes((other.folder / "ca.key").read_bytes())
    with pytest.raises(ValueError, match=r"ca\.key"):
        Authority.load(authority.folder)


def test_the_box_keeps_its_certificate_until_names_or_time_ask_for_another(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = authority.for_box(["box.example", "192.168.1.5"])
    first = read(path)
    assert read(authority.for_box(["box.example"])[0]) == first
    assert read(authority.for_box(["box.example", "10.0.0.1"])[0]) != first
    second = read(path)
    monkeypatch.setattr(certificates, "RENEW_DAYS", certificates.BOX_DAYS + 1)
    assert read(authority.for_box()[0]) != second
    assert san(path) == ["box.example", "10.0.0.1", "192.168.1.5"]
    path.write_text("damaged")
    assert read(authority.for_box(["box.example"])[0]).issuer == authority.certificate.subject


def test_strict_checkers_accept_what_it_signs(authority: Authority) -> None:
    certificate, key = authority.for_box(["box.example", "::1"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=authority.folder / "ca.pem")
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("box.example", "::1"):
        shake_hands(client, server, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(client, server, "other.example")


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    """A handshake in memory; raises what the client says."""
    there, here = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(there, here, server_hostname=name)
    theirs = server.wrap_bio(here, there, server_side=True)
    for side in (ours, theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_a_robots_certificate_says_its_name_and_serves_nobody(authority: Authority) -> None:
    made = authority.for_robot("r1")
    found = x509.load_pem_x509_certificate(made.certificate.encode())
    found.verify_directly_issued_by(authority.certificate)
    assert found.subject.rfc4514_string() == "CN=r1"
    use = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(use) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert int(made.serial, 16) == found.serial_number
    assert issued.serials(authority.folder) == {made.serial}, "on disk before anybody has it"
    assert abs(made.ends_us / 1e6 - (datetime.now(UTC) + timedelta(days=certificates.ROBOT_DAYS)).timestamp()) < 3600


def test_the_list_of_revoked_ones_is_signed_and_lasts(authority: Authority) -> None:
    path = authority.write_revoked([(0xAB, 1_700_000_000_000_000)])
    found = x509.load_pem_x509_crl(path.read_bytes())
    assert found.is_signature_valid(authority.key.public_key())
    assert [one.serial_number for one in found] == [0xAB]
    assert found.next_update_utc is not None
    assert found.next_update_utc - datetime.now(UTC) > timedelta(days=3650)
    number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    again = x509.load_pem_x509_crl(authority.write_revoked([]).read_bytes())
    assert again.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == number + 1


def test_what_was_issued_is_noted_once_and_a_line_that_was_cut_off_names_nothing(tmp_path: Path) -> None:
    assert issued.serials(tmp_path) == set()
    issued.note(tmp_path, [Issued("aa", "r1", 1_700_000_000_000_000)])
    assert (tmp_path / "issued").read_text() == "aa r1 2023-11-14T22:13:20Z\n"
    with (tmp_path / "issued").open("a") as file:
        file.write("bb r")
    assert issued.complete(tmp_path, [Issued("aa", "r1"), Issued("cc", "r2")]) == {"aa", "cc"}
    assert issued.serials(tmp_path) == {"aa", "cc"}
    before = (tmp_path / "issued").read_text()
    assert issued.complete(tmp_path, [Issued("aa", "r1")]) == {"aa", "cc"}
    assert (tmp_path / "issued").read_text() == before


def test_names_of_this_machine_are_such_that_somebody_can_call() -> None:
    names = machine_names(("box.example", "0.0.0.0", "::"))
    assert names[0] == "box.example"
    assert {"localhost", "127.0.0.1", "::1"} <= set(names)
    assert not {"0.0.0.0", "::"} & set(names)
    assert len(names) == len(set(names))


def test_where_the_addresses_cannot_be_listed_the_names_that_were_set_remain(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden() -> dict[str, list[object]]:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(psutil, "net_if_addrs", forbidden)
    assert {"box.example", "localhost", "127.0.0.1"} <= set(machine_names(("box.example",)))
    assert "`names` adds those" in caplog.text
