"""The certificate that the box on this machine serves: its commands trust that one alone, whatever names are in it."""

import ssl
from typing import TYPE_CHECKING

from config.certificates import FOLDER, SERVER

if TYPE_CHECKING:
    from config.settings import ServeSettings

_END = "-----END CERTIFICATE-----\n"
_NO_CHECK_TIME = 0x200000
"""Of OpenSSL (X509_V_FLAG_NO_CHECK_TIME); Python has no name for it."""


def served(settings: "ServeSettings") -> str | None:
    """The box's own certificate as PEM, without its chain; None where HTTP is plain or the file cannot be read."""
    if not settings.serves_tls:
        return None
    try:
        text = (settings.tls_certificate or settings.data_dir / FOLDER / SERVER).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None  # the web server cannot either, and says so
    return text.partition(_END)[0] + _END


def only(certificate: str) -> ssl.SSLContext:
    """Trusts whoever has the key of this one certificate (PEM), and nobody else; raises `ValueError`.

    Names and times say nothing more about it: it lies in the box's own folder, and a robot can be revoked also on the
    day after it ran out.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    try:
        context.load_verify_locations(cadata=certificate)
    except ssl.SSLError as error:
        raise ValueError(f"not a certificate: {error}") from error
    return context
