"""Secrets at rest: sealed (AES-256-GCM) with the key of the box, a file of its own beside the database."""

import hashlib
import hmac
import os
import secrets
import sys
from pathlib import Path

from config.disk import draft_of, write_new

KEY_FILE = "key"
KEY_BYTES, NONCE_BYTES, NAME_BYTES = 32, 12, 4
_FORM = b"\x01"
_HEAD = len(_FORM) + NAME_BYTES
_OTHERS = 0o077


class BadKey(Exception):
    """The key of the box cannot be used; the message is a sentence for people."""


class CannotOpen(Exception):
    """What was sealed cannot be opened: it was sealed with another key, about something else, or was changed."""


class Sealer:
    """Seals and opens with one key.

    The nonce is worked out from the value and what it is about (with a key of its own), so the same secret of the same
    thing is sealed to the same bytes: saving it twice changes nothing, and a request that is sent again is the same.
    """

    def __init__(self, key: bytes) -> None:
        self._seal, self._nonce, self._mark = (_derived(key, use) for use in (b"seal", b"nonce", b"mark"))
        self.head = _FORM + _derived(key, b"name")[:NAME_BYTES]
        """How everything begins that is sealed with this key."""

    def seal(self, value: str, about: str) -> bytes:
        """The secret `value` of `about` as it is stored."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        data, bound = value.encode(), about.encode()
        nonce = hmac.digest(self._nonce, _joined(about, value), "sha256")[:NONCE_BYTES]
        return self.head + nonce + AESGCM(self._seal).encrypt(nonce, data, bound)

    def open(self, sealed: bytes, about: str) -> str:
        """The secret; raises `CannotOpen`."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, text = sealed[_HEAD : _HEAD + NONCE_BYTES], sealed[_HEAD + NONCE_BYTES :]
        if not self.is_of_this_key(sealed):
            raise CannotOpen("it was sealed with another key")
        try:
            return AESGCM(self._seal).decrypt(nonce, text, about.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise CannotOpen("it was changed, or belongs to something else") from error

    def is_of_this_key(self, sealed: bytes) -> bool:
        """Whether it was sealed with this key."""
        return hmac.compare_digest(sealed[:_HEAD], self.head)

    def mark(self, *parts: str) -> str:
        """32 hexadecimal digits that stand for these texts; without the key nobody can guess from them."""
        return hmac.digest(self._mark, _joined(*parts), "sha256").hex()[:32]


def _derived(key: bytes, use: bytes) -> bytes:
    return hmac.digest(key, b"yardmaster " + use, hashlib.sha256)


def _joined(*parts: str) -> bytes:
    """Texts so that no two lists of them read alike."""
    return b"".join(len(data).to_bytes(8) + data for data in (part.encode() for part in parts))


def load_sealer(data_dir: Path) -> Sealer:
    """The sealer of a box; its key is made the first time. Raises `BadKey`."""
    path = data_dir / KEY_FILE
    try:
        if not path.exists():
            _make(path)
        return Sealer(_read(path))
    except OSError as error:
        raise BadKey(f"the key {path} cannot be read: {error.strerror or error}") from error


def _make(path: Path) -> None:
    """Whole or not at all, and never in the place of one that another process has made meanwhile."""
    draft = draft_of(path)
    try:
        write_new(draft, secrets.token_hex(KEY_BYTES) + "\n")
        os.link(draft, path)
    except FileExistsError:
        return  # that one is the key
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    if sys.platform != "win32" and path.stat().st_mode & _OTHERS:
        raise BadKey(f"the key {path} can be read by others; make it yours alone: chmod 600 {path}")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError:  # the text itself must not get into any message
        key = b""
    if len(key) != KEY_BYTES:
        raise BadKey(f"the key {path} is damaged: put back the copy that was kept of it")
    return key
