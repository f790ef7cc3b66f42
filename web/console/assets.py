"""The assets: stored values that parameters import, and secrets that nobody can read; added, changed, removed."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request
from pydantic import TypeAdapter, ValidationError

from controller.store.queries import assets
from schemas.ids import Slug
from schemas.reference import MAX_SECRET, MIN_SECRET
from schemas.views.assets import Asset
from web.backend import backend
from web.console import dialogs
from web.console.frame import board, need_role, reader, show
from web.console.language import _
from web.console.look import Look
from web.console.parts import MAX_KEY
from web.errors import ApiError, invalid, not_found
from web.sealing import about_asset, sealer_of

page = Blueprint("assets", __name__)
LISTED, SHOWN, MOST = 200, 80, 32_768
_SLUG = TypeAdapter(Slug)
Errors = dict[str, str]
"""Field to what is wrong with it."""


def facts(_look: Look, query: Mapping[str, str]) -> dict[str, Any]:
    """For the live list."""
    with reader().reading() as db:
        found = assets.page_of_assets(db, limit=LISTED, after=query.get("after"))
    return {"assets": found.items, "more": found.next, "text": as_text, "shown": SHOWN}


def as_text(value: Any) -> str:
    """A plain value as it is typed."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@page.get("/assets")
def show_assets() -> str:
    """The page."""
    need_role("viewer")
    after = request.args.get("after", "")
    part = f"assets?after={after}" if after else "assets"
    if len(part) > MAX_KEY - 3:
        raise invalid("query", "/after", "too_long", "This address is too long.")
    return show(
        "console/assets.html",
        "asset",
        board().look(),
        (part,),
        **facts(board().look(), {"after": after} if after else {}),
    )


# ---------------------------------------------------------------- the form
@dataclass(frozen=True)
class Given:
    """What was filled in; `secret` is never written into a page again."""

    id: str
    name: str
    note: str | None
    is_secret: bool
    value: str
    secret: str

    @classmethod
    def read(cls, known: Asset | None) -> "Given":
        """From the form; raises `ApiError` for a field that is too long."""
        return cls(
            id=known.id if known else dialogs.field("id", 64) or "",
            name=dialogs.field("name", 200) or "",
            note=dialogs.field("note"),
            is_secret=known.secret if known else request.form.get("kind") == "secret",
            value=dialogs.field("value", MOST) or "",
            secret=request.form.get("secret", ""),
        )

    def wrong(self, *, known: bool) -> Errors:
        """What is missing, or cannot be."""
        errors = Errors()
        if not _is_slug(self.id):
            errors["id"] = _("An asset is called by letters, digits, . _ - and begins with a letter or digit.")
        if self.is_secret and not (known and not self.secret) and not MIN_SECRET <= len(self.secret) <= MAX_SECRET:
            errors["secret"] = _("A secret has %(low)s to %(high)s characters.", low=MIN_SECRET, high=MAX_SECRET)
        if not self.is_secret and not self.value:
            errors["value"] = _("Give a value.")
        return errors

    def args(self) -> dict[str, Any]:
        """For the controller: a secret sealed, or left as it is."""
        given: dict[str, Any] = {"asset": self.id, "name": self.name, "note": self.note}
        if not self.is_secret:
            return given | {"value": _parsed(self.value)}
        if not self.secret:
            return given
        blob = sealer_of(backend().settings.data_dir).seal(self.secret, about_asset(self.id))
        return given | {"sealed": base64.b64encode(blob).decode()}


def _is_slug(name: str) -> bool:
    try:
        _SLUG.validate_python(name)
    except ValidationError:
        return False
    return True


def _parsed(text: str) -> Any:
    """JSON, or else a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _known(name: str) -> Asset:
    with reader().reading() as db:
        found = assets.asset(db, name)
    if found is None:
        raise not_found("asset", name)
    return found


def _form(known: Asset | None, given: Given | None, errors: Errors) -> Response:
    html = dialogs.ask(
        "console/assets/form.html", known=known, given=given, errors=errors, text=as_text, low=MIN_SECRET
    )  # fmt: skip
    return Response(html, 422 if errors else 200, content_type="text/html")


@page.get("/assets/new")
def show_new() -> Response:
    """What is to be stored."""
    need_role("admin")
    return _form(None, None, {})


@page.post("/assets/new")
def add_asset() -> Response:
    """Store it."""
    need_role("admin")
    given = Given.read(None)
    errors = given.wrong(known=False)
    if not errors:
        errors = _taken(given.id)
    return _form(None, given, errors) if errors else _save(given, _("“%(name)s” is stored.", name=given.id), 0)


def _taken(name: str) -> Errors:
    with reader().reading() as db:
        return {"id": _("There is an asset of this id.")} if assets.asset(db, name) else {}


@page.get("/assets/<asset>/change")
def show_change(asset: str) -> Response:
    """One as it is; a secret stays where nothing is typed."""
    need_role("admin")
    return _form(_known(asset), None, {})


@page.post("/assets/<asset>/change")
def change_asset(asset: str) -> Response:
    """Change it."""
    need_role("admin")
    known = _known(asset)
    given = Given.read(known)
    if errors := given.wrong(known=True):
        return _form(known, given, errors)
    seen = dialogs.field("version", 16) or ""
    version = int(seen) if seen.isdecimal() else known.version
    return _save(given, _("“%(name)s” is changed.", name=asset), version)


def _save(given: Given, said: str, version: int) -> Response:
    try:
        dialogs.carry_out("asset.put", given.args() | {"if_match": version})
    except ApiError as refused:
        if refused.code != "version.mismatch":
            raise
        now = _known(given.id)
        return _form(now, None, {"": _("Somebody else has changed it meanwhile; this is how it is now.")})
    return dialogs.said(said)


@page.get("/assets/<asset>/remove")
def show_remove(asset: str) -> str:
    """Who would miss it."""
    need_role("admin")
    return dialogs.ask("console/assets/remove.html", asset=_known(asset), problem=None)


@page.post("/assets/<asset>/remove")
def remove_asset(asset: str) -> Response:
    """Remove it."""
    need_role("admin")
    try:
        dialogs.carry_out("asset.delete", {"asset": asset})
    except ApiError as refused:
        if refused.code != "asset.in_use":
            raise
        html = dialogs.ask(
            "console/assets/remove.html",
            asset=_known(asset),
            problem=_("A deployment, or a job that has not ended, refers to it."),
        )
        return Response(html, 409, content_type="text/html")
    return dialogs.said(_("“%(name)s” is removed.", name=asset))
