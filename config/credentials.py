"""Making and checking secrets: passwords as argon2id, tokens and sessions as long random texts kept as SHA-256."""

import base64
import hashlib
import secrets

TOKEN_PREFIX = "ymt_"  # noqa: S105 - what tokens begin with, so that scanners of source code find lost ones
_ROUNDS, _SALT_BYTES = 101, 12
"""Those of mosquitto_passwd."""
_WORDS = "abcdefghjkmnpqrstuvwxyz23456789"


def new_token() -> str:
    """A token's text: 256 random bits; shown once, kept as `digest`."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_session() -> str:
    """A session's text, as the cookie carries it."""
    return secrets.token_urlsafe(32)


def digest(text: str) -> str:
    """What is kept of a token or session. A plain hash is enough: nobody guesses 256 bits."""
    return hashlib.sha256(text.encode()).hexdigest()


def new_password() -> str:
    """A password that a person can copy by hand: four groups of five letters and digits, 99 bits."""
    return "-".join("".join(secrets.choice(_WORDS) for _ in range(5)) for _ in range(4))


def hash_password(password: str) -> str:
    """Argon2id with the library's own costs (RFC 9106, low memory: 64 MiB, 3 passes)."""
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


def broker_hash(password: str, salt: bytes | None = None) -> str:
    """A robot's password as mosquitto stores it: PBKDF2 with SHA-512, in few rounds.

    A robot's password is 99 random bits, which nobody guesses; the broker computes this at each connection, and for
    all robots again whenever one is added.
    """
    salt = salt or secrets.token_bytes(_SALT_BYTES)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return "$".join(("", "7", str(_ROUNDS), *(base64.b64encode(part).decode() for part in (salt, key))))


def check_password(stored: str | None, password: str) -> bool:
    """Whether it fits; an account that does not exist takes as long as one that does."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    hasher, of_nobody = PasswordHasher(), _nobody()
    try:
        return hasher.verify(stored or of_nobody, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


_NOBODY: list[str] = []


def _nobody() -> str:
    """A hash that no account has, of the same cost."""
    if not _NOBODY:
        _NOBODY.append(hash_password(secrets.token_urlsafe(16)))
    return _NOBODY[0]
