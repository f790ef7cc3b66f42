"""Assets: stored values that parameters import, some of them secret; what may be asked about them."""

from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from schemas.ids import Number, OpaqueId, Slug, Text
from schemas.job import Asked
from schemas.reference import MAX_SECRET, MIN_SECRET

MAX_ASSET_BYTES = 32_768
Sealed = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=32_768)]
"""What was sealed, as Base64: all that the controller ever gets of a secret."""
SealedSecrets = Annotated[dict[OpaqueId, Sealed], Field(max_length=200_000)]
"""Secrets that were given with a request, by the ids under which its parameters refer to them."""
DisplayName = Annotated[str, Field(max_length=200)]


class AssetSave(Asked):
    """An asset as it is saved: a value that everybody may read, or a secret that nobody may.

    Neither: the secret stays as it is. A secret asset does not become a plain one, nor the other way round.
    """

    name: DisplayName = ""
    value: Annotated[Any, Field(description="JSON, not null")] = None
    secret: Annotated[
        SecretStr | None, Field(min_length=MIN_SECRET, max_length=MAX_SECRET, description="written, never read")
    ] = None
    note: Text | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if self.value is not None and self.secret is not None:
            raise ValueError("give either value or secret")
        return self


class AssetPutArgs(Asked):
    """asset.put"""

    asset: Slug
    name: DisplayName = ""
    value: Any = None
    sealed: Sealed | None = None
    note: Text | None = None
    if_match: int | None = None


class OfAsset(Asked):
    """asset.delete"""

    asset: Slug


class SecretFetchArgs(Asked):
    """secret.fetch: by a robot, for an attempt that it has."""

    attempt: Number
    asset: OpaqueId
