"""Faults of the disk under the box's data: power that goes, bits that turn over, logs that are gone."""
