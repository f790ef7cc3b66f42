"""Assets, and secrets for the robots that need them."""

import base64
import logging
import re
from typing import Any

from config.sealing import CannotOpen
from controller.store.queries import assets
from schemas.asset import AssetSave
from schemas.reference import OF_RUN
from schemas.views.assets import Asset, AssetPage, SecretValue
from web.asked import SearchQuery
from web.errors import ApiError, not_found
from web.routes import Call, Reply, Routes
from web.sealing import about_asset, sealer_of
from web.slugs import need_slug, slug

routes = Routes()
logger = logging.getLogger(__name__)
MAX_ID = 255
_NUMBER = re.compile(r"\d{1,15}\Z", re.ASCII)


@routes.get("/assets", AssetPage, query=SearchQuery)
def list_assets(call: Call) -> Reply:
    """Assets by id; of secret ones everything but the value."""
    query: SearchQuery = call.query
    with call.backend.reader.reading() as db:
        return Reply(assets.page_of_assets(db, query.q, query.limit, query.after))


def _shown(call: Call, name: str, status: int = 200) -> Reply:
    with call.backend.reader.reading() as db:
        found = assets.asset(db, name)
    if found is None:
        raise not_found("asset", name)
    return Reply(found, status, {"ETag": f'"{found.version}"'})


@routes.get("/assets/<asset>", Asset)
def get_asset(call: Call) -> Reply:
    """One asset; of a secret one everything but the value."""
    return _shown(call, call.path["asset"])


@routes.command(
    "PUT", "/assets/<asset>", role="admin", answers={200: Asset, 201: Asset}, body=AssetSave, if_match=True
)  # fmt: skip
def put_asset(call: Call) -> Reply:
    """Save an asset: a new one (201), or changed. A secret that is not given again stays as it is."""
    name = need_slug(call, "asset")
    body: AssetSave = call.body
    args: dict[str, Any] = {"asset": name, "name": body.name, "note": body.note, "if_match": call.if_match}
    if body.secret is not None:
        blob = sealer_of(call.backend.settings.data_dir).seal(body.secret.get_secret_value(), about_asset(name))
        args["sealed"] = base64.b64encode(blob).decode()
    else:
        args["value"] = body.value
    done = call.backend.ask("asset.put", args, call.caller)
    return _shown(call, name, 201 if done.ok["created"] else 200)


@routes.command("DELETE", "/assets/<asset>", role="admin", answers={204: None})
def delete_asset(call: Call) -> Reply:
    """Remove an asset; refused while a deployment, or a job that has not ended, refers to it."""
    call.backend.ask("asset.delete", {"asset": slug(call, "asset")}, call.caller)
    return Reply(status=204)


@routes.get("/attempts/<attempt>/secrets/<secret>", SecretValue, role="robot", commands=True)
def get_secret(call: Call) -> Reply:
    """A secret that the job of an attempt refers to, for the robot that carries the attempt out; audited."""
    name = call.path["secret"]
    attempt = call.path["attempt"]
    if not _NUMBER.match(attempt):
        raise not_found("attempt", attempt)
    if len(name) > MAX_ID:
        raise not_found("secret", name)
    done = call.backend.ask("secret.fetch", {"attempt": int(attempt), "asset": name}, call.caller)
    about = name if name.startswith(OF_RUN) else about_asset(name)
    try:
        value = sealer_of(call.backend.settings.data_dir).open(base64.b64decode(done.ok["sealed"]), about)
    except CannotOpen as error:
        logger.error("the secret %s cannot be opened: %s", name, error)
        raise ApiError("secret.unreadable", f"The secret {name!r} cannot be opened: {error}. Set it anew.") from error
    return Reply(SecretValue(value=value))
