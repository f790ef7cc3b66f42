"""People and tokens: accounts, tokens, and the audit of what they changed."""

from typing import Annotated

from pydantic import Field

from config.clock import instant
from config.credentials import digest, hash_password, new_token
from controller.store.queries import accounts
from schemas.ids import uuid7
from schemas.people import TokenAdd, UserAdd, UserChange
from schemas.views import AuditPage, NewToken, Token, TokenPage, User, UserPage
from web.asked import Moment, PageQuery, Text
from web.errors import ApiError, not_found
from web.routes import Call, Reply, Routes
from web.slugs import need_slug, slug

routes = Routes()
_DAY_US = 86_400_000_000


class AuditQuery(PageQuery):
    """Which changes."""

    who: Text | None = None
    action: Text | None = None
    subject: Annotated[Text | None, Field(description="`noun:id`, such as `robot:AGV-01`")] = None
    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None


# ---------------------------------------------------------------- accounts
@routes.get("/users", UserPage, role="admin", query=PageQuery)
def list_users(call: Call) -> Reply:
    """Accounts by name."""
    with call.backend.reader.reading() as db:
        return Reply(accounts.page_of_users(db, call.query.limit, call.query.after))


def _user(call: Call, name: str, status: int = 200) -> Reply:
    with call.backend.reader.reading() as db:
        found = accounts.user(db, name)
    if found is None:
        raise not_found("user", name)
    return Reply(found, status)


@routes.command("POST", "/users", role="admin", answers={201: User}, body=UserAdd, keyed=False)
def add_user(call: Call) -> Reply:
    """Add an account."""
    body: UserAdd = call.body
    args = body.model_dump() | {"password": hash_password(body.password)}
    call.backend.ask("user.add", args, call.caller)
    return _user(call, body.user, 201)


@routes.command("PATCH", "/users/<user>", User, role="admin", body=UserChange)
def change_user(call: Call) -> Reply:
    """Change an account; a new password, role or lock ends its sessions."""
    name, body = need_slug(call, "user"), call.body
    args = {"user": name} | body.model_dump(exclude_none=True)
    if body.password is not None:
        args["password"] = hash_password(body.password)
    call.backend.ask("user.change", args, call.caller)
    return _user(call, name)


@routes.command("DELETE", "/users/<user>", role="admin", answers={204: None})
def delete_user(call: Call) -> Reply:
    """Remove an account; its name stays in the audit."""
    call.backend.ask("user.delete", {"user": slug(call, "user")}, call.caller)
    return Reply(status=204)


# ---------------------------------------------------------------- tokens
@routes.get("/tokens", TokenPage, role="admin", query=PageQuery)
def list_tokens(call: Call) -> Reply:
    """Tokens in the order in which they were made, those that were revoked too."""
    with call.backend.reader.reading() as db:
        return Reply(accounts.page_of_tokens(db, call.query.limit, call.query.after))


@routes.command("POST", "/tokens", role="admin", answers={201: NewToken}, body=TokenAdd, keyed=False)
def add_token(call: Call) -> Reply:
    """Make a token; its secret is in this answer and never shown again."""
    body: TokenAdd = call.body
    text, which = new_token(), uuid7()
    end = None if body.days is None else instant().utc_us + body.days * _DAY_US
    args = body.model_dump(exclude={"days"}) | {"token": which, "hash": digest(text), "expires_at": end}
    call.backend.ask("token.create", args, call.caller)
    return Reply(NewToken(**_token(call, which).model_dump(), secret=text), 201)


def _token(call: Call, which: str) -> Token:
    with call.backend.reader.reading() as db:
        found = accounts.token(db, which)
    if found is None:
        raise not_found("token", which)
    return found


@routes.command("DELETE", "/tokens/<token>", role="admin", answers={204: None})
def revoke_token(call: Call) -> Reply:
    """Revoke a token: it opens nothing from now on."""
    call.backend.ask("token.revoke", {"token": call.path["token"]}, call.caller)
    return Reply(status=204)


@routes.get("/audit", AuditPage, role="admin", query=AuditQuery)
def list_audit(call: Call) -> Reply:
    """Every change that somebody asked for, newest first."""
    query: AuditQuery = call.query
    if query.from_ is not None and query.to is not None and query.from_ > query.to:
        raise ApiError("request.invalid", "`from` is later than `to`.")
    with call.backend.reader.reading() as db:
        page = accounts.page_of_audit(
            db, query.who, query.action, query.subject, query.from_, query.to, query.limit, query.after
        )
    return Reply(page)
