"""What is answered about screenshots, recordings and files."""

from pydantic import Field

from schemas.artifact import ArtifactKind, ArtifactState
from schemas.views.answers import Page, Time, View


class Artifact(View):
    """A screenshot, a recording or a file of an attempt."""

    id: str
    job: str
    attempt: int
    robot: str
    path: str | None
    kind: ArtifactKind
    name: str
    type: str | None = Field(description="by its first bytes; null until it is complete")
    size: int = Field(description="bytes, as announced")
    sha256: str
    state: ArtifactState
    reason: str | None = Field(description="why it was refused")
    created_at: Time
    completed_at: Time | None


class ArtifactPage(Page[Artifact]):
    """A page of artifacts."""
