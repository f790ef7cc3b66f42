"""Coming in and going, and who one is."""

from flask import Response

from schemas.people import Login, PasswordChange
from schemas.views import Me
from web import login
from web.auth import known
from web.bodies import NOBODYS_BYTES
from web.routes import Call, Reply, Routes

routes = Routes()


@routes.command("POST", "/session", role="open", answers={204: None}, body=Login, max_bytes=NOBODYS_BYTES, keyed=False)
def open_session(call: Call) -> Response:
    """Sign in: the answer sets the session's cookie.

    From the fifth failure on each try has to wait, longer and longer; `Retry-After` says how long.
    """
    body: Login = call.body
    return login.come_in(call.backend, body.user, body.password, remember=body.remember)


@routes.command("DELETE", "/session", role="viewer", answers={204: None})
def close_session(call: Call) -> Response:
    """Sign out."""
    return login.leave(call.backend)


@routes.get("/me", Me)
def get_me(call: Call) -> Reply:
    """Who asks, as the box knows it."""
    asker = known()
    areas = list(asker.areas) if asker is not None else []
    return Reply(Me(name=call.caller.name, role=call.caller.role, areas=areas, robot=call.caller.robot))


@routes.command("PUT", "/me/password", role="viewer", answers={204: None}, body=PasswordChange)
def change_own_password(call: Call) -> Response:
    """Change one's own password: every other session of the account ends. Tokens have none."""
    body: PasswordChange = call.body
    return login.change_password(call.backend, call.caller, body.password, body.new)
