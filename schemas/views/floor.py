"""What is answered about the floor plan."""

from schemas.floor import FloorArea, FloorEdge, FloorNode
from schemas.views.answers import Time, View


class FloorPlan(View):
    """The plan of the floor, in metres, x to the right and y up; a station is a node."""

    name: str
    nodes: tuple[FloorNode, ...]
    edges: tuple[FloorEdge, ...]
    areas: tuple[FloorArea, ...]
    version: int
    updated_at: Time
    updated_by: str
