"""The list of certificates that are good for nothing any more, as the broker reads it; no clock can make it invalid."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


def signed_list(
    authority: "x509.Certificate",
    key: "EllipticCurvePrivateKey",
    revoked: Iterable[tuple[int, int | None]],
    number: int,
) -> str:
    """The list as PEM, in force as long as the authority itself; `revoked` as number and UTC microseconds (None: not
    known). One that is not in force would keep every robot out."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    began = authority.not_valid_before_utc
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.subject)
    builder = builder.last_update(began).next_update(authority.not_valid_after_utc)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for serial, us in revoked:
        at = began if us is None else datetime.fromtimestamp(us // 10**6, UTC)
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
        builder = builder.add_revoked_certificate(one.build())
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def number_of(path: Path) -> int:
    """Of the list that is there; 0 where there is none that can be read."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_crl(path.read_bytes())
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return 0
