"""What is answered about assets, and to robots about secrets."""

from typing import Any

from pydantic import Field

from schemas.views.answers import Page, Time, View


class Asset(View):
    """A stored value; of a secret one everything but the value."""

    id: str
    name: str
    secret: bool
    value: Any = Field(description="null for a secret, which is never shown")
    note: str | None
    used_by: list[str] = Field(description="deployments that refer to it, the first ten")
    version: int
    updated_at: Time
    updated_by: str


class AssetPage(Page[Asset]):
    """A page of assets."""


class SecretValue(View):
    """A secret, for the robot whose attempt needs it."""

    value: str
