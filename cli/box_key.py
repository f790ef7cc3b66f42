"""The key of a box when it starts: made the first time, refused if it cannot be used, missed if it is another one."""

import logging
from pathlib import Path

from config.sealing import load_sealer
from controller.store.queries import Reader
from controller.store.queries.assets import sealed_otherwise

logger = logging.getLogger(__name__)


def check_key(data_dir: Path, database: Path) -> None:
    """Say in the log when secrets cannot be opened; raises `BadKey`."""
    sealer = load_sealer(data_dir)
    with Reader(database).reading() as db:
        lost = sealed_otherwise(db, sealer.head)
    if lost:
        logger.error(
            "%s stored secrets were sealed with another key than %s: put that one back, or set them anew",
            lost,
            data_dir / "key",
        )
