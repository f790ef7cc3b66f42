"""The box's own authority: makes the box's certificate, signs those of robots, and lists those that were revoked."""

import ipaddress
import logging
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from config import issued
from config.disk import write_private
from config.issued import Issued
from config.revocations import number_of, signed_list

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

log = logging.getLogger(__name__)

FOLDER, CA, CA_KEY, SERVER, SERVER_KEY, REVOKED = "tls", "ca.pem", "ca.key", "box.pem", "box.key", "revoked.pem"
CA_DAYS, BOX_DAYS, ROBOT_DAYS = 7300, 825, 1825
RENEW_DAYS = 460
"""With fewer days left the box's certificate is made anew."""
MOST_NAMES = 64
"""Of one certificate; names that it had before are kept up to here."""
_SKEW = timedelta(days=1)
"""Clocks of robots may be behind."""


class Signed(NamedTuple):
    """A certificate with its key, as PEM; shown once, kept nowhere but with whoever asked for it."""

    certificate: str
    key: str
    serial: str
    ends_us: int


@dataclass(frozen=True)
class Authority:
    """Certificate and key of the authority, in a folder that is the box's user's alone."""

    folder: Path
    certificate: "x509.Certificate"
    key: "EllipticCurvePrivateKey"

    @classmethod
    def load(cls, folder: Path) -> "Authority":
        """The authority of a box, made the first time; raises `OSError` or `ValueError`."""
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if not (folder / CA).exists():
            _make_authority(folder)
        certificate = x509.load_pem_x509_certificate((folder / CA).read_bytes())
        key = load_pem_private_key((folder / CA_KEY).read_bytes(), None)
        if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError(f"{folder / CA_KEY} is not the key of {folder / CA}")
        return cls(folder, certificate, key)

    @property
    def pem(self) -> str:
        """The certificate that robots and browsers are given to know the box by."""
        return (self.folder / CA).read_text(encoding="ascii")

    def trouble(self) -> str | None:
        """Why nobody can believe it now, as a sentence: a clock is wrong, or was when it was made."""
        now, begins, ends = (
            datetime.now(UTC),
            self.certificate.not_valid_before_utc,
            self.certificate.not_valid_after_utc,
        )
        if begins <= now < ends:
            return None
        when = f"from {begins:%Y-%m-%d}" if now < begins else f"until {ends:%Y-%m-%d}"
        return f"{self.folder / CA} is valid {when} only, and the clock of the box says {now:%Y-%m-%d %H:%M} UTC"

    @property
    def made_us(self) -> int:
        """When it was made, in UTC microseconds by the clock of that time."""
        return int((self.certificate.not_valid_before_utc + _SKEW).timestamp()) * 10**6

    @property
    def is_too_early(self) -> bool:
        """It was made while the clock was ahead of what it is now."""
        return self.certificate.not_valid_before_utc > datetime.now(UTC)

    def anew(self) -> "Authority":
        """Another one in its place; whoever trusts this one has to be told. Raises `OSError`."""
        (self.folder / CA).unlink()  # cut off after this, the next start makes it
        return Authority.load(self.folder)

    def for_box(self, names: Sequence[str] = ()) -> tuple[Path, Path]:
        """Certificate and key of the box under these names and addresses; made when there is none that will do.

        A new one is good for the names of the one before, too: at a start without a network they are not seen. No
        names: those that it has.
        """
        certificate, key = self.folder / SERVER, self.folder / SERVER_KEY
        had = _names_in(certificate)
        names = names or had or ["localhost"]
        if not self._will_do(certificate, key, names):
            together = list(dict.fromkeys([*names, *had]))[: max(MOST_NAMES, len(names))]
            made = self._sign(names[0], BOX_DAYS, together)
            write_private(key, made.key)
            write_private(certificate, made.certificate + self.pem)
        return certificate, key

    def for_robot(self, robot: str) -> Signed:
        """A new certificate that says who a robot is; it is noted on disk before anybody has it. Raises `OSError`."""
        made = self._sign(robot, ROBOT_DAYS, None)
        issued.note(self.folder, [Issued(made.serial, robot, made.ends_us)])
        return made

    def write_revoked(self, serials: Iterable[tuple[int, int | None]]) -> Path:
        """The list of what is good for nothing any more: numbers, and times in UTC microseconds (None: not known)."""
        path = self.folder / REVOKED
        write_private(path, signed_list(self.certificate, self.key, serials, number_of(path) + 1))
        return path

    def _will_do(self, certificate: Path, key: Path, names: Sequence[str]) -> bool:
        """Of this authority, for these names, valid now and long enough, and with its own key beside it."""
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            found = x509.load_pem_x509_certificate(certificate.read_bytes())
            found.verify_directly_issued_by(self.certificate)
            named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            fits = load_pem_private_key(key.read_bytes(), None).public_key() == found.public_key()
        except (FileNotFoundError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        now = datetime.now(UTC)
        valid = found.not_valid_before_utc <= now < found.not_valid_after_utc - timedelta(days=RENEW_DAYS)
        return fits and valid and set(_general(names)) <= set(named)

    def _sign(self, name: str, days: int, names: Sequence[str] | None) -> Signed:
        """A certificate for a server of these names, or (None) for a client."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.x509.oid import ExtendedKeyUsageOID

        key = _new_key()
        use = ExtendedKeyUsageOID.CLIENT_AUTH if names is None else ExtendedKeyUsageOID.SERVER_AUTH
        builder = _begun(_called(name), self.certificate.subject, key, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if names is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName(_general(names)), critical=False)
        made = builder.sign(self.key, hashes.SHA256())
        pem = made.public_bytes(serialization.Encoding.PEM).decode()
        return Signed(pem, _as_pem(key), f"{made.serial_number:x}", _us(made))


def fingerprint(certificate: Path) -> str:
    """SHA-256 of the first certificate of a file, as browsers show it; raises `OSError` or `ValueError`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    return x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256()).hex(":").upper()


def end_of(certificate: Path) -> int:
    """When the first certificate of a file ends, in UTC microseconds; raises `OSError` or `ValueError`."""
    from cryptography import x509

    return _us(x509.load_pem_x509_certificate(certificate.read_bytes()))


def machine_names(more: Sequence[str] = ()) -> list[str]:
    """Every name and address that this machine can be reached by, as far as it knows; `more` come first."""
    import psutil

    found = [*more, socket.gethostname(), "localhost", "127.0.0.1", "::1"]
    try:
        interfaces = psutil.net_if_addrs()
    except OSError as error:  # a sandbox may forbid to ask for them; the box is reached by what was set
        log.warning("this machine's addresses cannot be listed (%s); `names` adds those it is reached by", error)
        interfaces = {}
    for addresses in interfaces.values():
        found += [one.address.partition("%")[0] for one in addresses if one.family in (socket.AF_INET, socket.AF_INET6)]
    return list(dict.fromkeys(name for name in found if name and not _is_nowhere(name)))


def _us(certificate: "x509.Certificate") -> int:
    return int(certificate.not_valid_after_utc.timestamp()) * 10**6


def _is_nowhere(name: str) -> bool:
    """What a listener may be told, and nobody can call."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_unspecified or address.is_link_local


def _general(names: Sequence[str]) -> "list[x509.GeneralName]":
    from cryptography import x509

    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _names_in(certificate: Path) -> list[str]:
    """Names and addresses that a certificate has; none where there is none that can be read."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return []
    return [str(one.value) for one in named]


def _called(name: str) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _new_key() -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _as_pem(key: "EllipticCurvePrivateKey") -> str:
    from cryptography.hazmat.primitives import serialization

    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def _begun(
    subject: "x509.Name", issuer: "x509.Name", key: "EllipticCurvePrivateKey", days: int
) -> "x509.CertificateBuilder":
    from cryptography import x509

    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _SKEW).not_valid_after(now + timedelta(days=days))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _make_authority(folder: Path) -> None:
    """The key first: a certificate without its key would be taken for whole."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key, name = _new_key(), _called(f"Yardmaster {socket.gethostname()}")
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    builder = _begun(name, name, key, CA_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
    made = builder.sign(key, hashes.SHA256())
    write_private(folder / CA_KEY, _as_pem(key))
    write_private(folder / CA, made.public_bytes(serialization.Encoding.PEM).decode())
