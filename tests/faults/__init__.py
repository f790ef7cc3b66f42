"""The fault bench: the whole product under faults, its promises held against what robots physically did."""
