"""Accounts, sessions and tokens: made, changed, ended; the last administrator stays."""

from collections.abc import Callable
from typing import Any

from controller.desk import Desk
from controller.errors import Refused, invalid, not_found
from controller.store import accounts
from schemas.commands import Caller
from schemas.people import (
    LoginFailedArgs,
    OfToken,
    OfUser,
    SessionArgs,
    SessionOpenArgs,
    TokenAddArgs,
    UserAddArgs,
    UserChangeArgs,
)

_ENDS_SESSIONS = ("role", "enabled", "password")
_RESERVED = ("nobody", "local", "box", "token", "robot")


class PeopleService:
    """Who may come in."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {
            "user.add": self.add_user,
            "user.change": self.change_user,
            "user.delete": self.delete_user,
            "token.create": self.create_token,
            "token.revoke": self.revoke_token,
            "token.used": self.used_token,
            "session.open": self.open_session,
            "session.seen": self.seen_session,
            "session.close": self.close_session,
            "session.failed": self.login_failed,
        }

    # ------------------------------------------------------------ accounts
    def add_user(self, args: UserAddArgs, caller: Caller) -> dict[str, Any]:
        """A new account."""
        if args.user in _RESERVED:
            raise invalid("/user", "reserved", f"{args.user} is what the audit calls others; choose another name.")
        if accounts.user(self.desk.db, args.user) is not None:
            raise Refused("user.exists", f"There is an account {args.user!r} already.")
        accounts.add_user(self.desk.db, args.user, args.model_dump(), caller.name, self.desk.now.utc_us)
        return {"user": args.user}

    def change_user(self, args: UserChangeArgs, _caller: Caller) -> dict[str, Any]:
        """Change an account; a new password, role or lock ends its sessions."""
        db = self.desk.db
        row = accounts.user(db, args.user)
        if row is None:
            raise not_found("user", args.user)
        changes = args.model_dump(exclude={"user"}, exclude_none=True)
        stays_admin = changes.get("role", row["role"]) == "admin" and changes.get("enabled", row["enabled"])
        self._keep_an_admin(args.user, goes=row["role"] == "admin" and not stays_admin)
        if changes:
            accounts.change_user(db, args.user, self.desk.now.utc_us, **changes)
        if any(name in changes for name in _ENDS_SESSIONS):
            accounts.end_sessions(db, args.user)
        return {"user": args.user}

    def delete_user(self, args: OfUser, _caller: Caller) -> dict[str, Any]:
        """Remove an account; its name stays in the audit."""
        row = accounts.user(self.desk.db, args.user)
        if row is None:
            raise not_found("user", args.user)
        self._keep_an_admin(args.user, goes=row["role"] == "admin")
        accounts.delete_user(self.desk.db, args.user)
        return {"user": args.user}

    def _keep_an_admin(self, name: str, *, goes: bool) -> None:
        if goes and not accounts.admins_left(self.desk.db, name):
            raise Refused("user.last_admin", f"{name} is the last administrator; make another one first.")

    # ------------------------------------------------------------ sessions
    def open_session(self, args: SessionOpenArgs, caller: Caller) -> dict[str, Any]:
        """Somebody came in."""
        row = accounts.user(self.desk.db, args.user)
        if row is None or not row["enabled"]:
            raise not_found("user", args.user)
        values = args.model_dump() | {"ip": caller.ip, "client": caller.client}
        accounts.open_session(self.desk.db, values, self.desk.now.utc_us)
        return {"user": args.user}

    def seen_session(self, args: SessionArgs, _caller: Caller) -> dict[str, Any]:
        """It is in use."""
        accounts.seen_session(self.desk.db, args.hash, args.expires_at, self.desk.now.utc_us)
        return {}

    def close_session(self, args: SessionArgs, _caller: Caller) -> dict[str, Any]:
        """Somebody went."""
        row = accounts.session(self.desk.db, args.hash)
        accounts.close_session(self.desk.db, args.hash)
        return {} if row is None else {"user": row["user"]}

    def login_failed(self, _args: LoginFailedArgs, _caller: Caller) -> dict[str, Any]:
        """Nothing but its row in the audit."""
        return {}

    # ------------------------------------------------------------ tokens
    def create_token(self, args: TokenAddArgs, caller: Caller) -> dict[str, Any]:
        """A token; a robot's has its robot and nothing else."""
        if (args.role == "robot") != (args.robot is not None):
            raise invalid("/robot", "missing", "A token with role robot names its robot, and no other token does.")
        accounts.add_token(self.desk.db, args.model_dump(), caller.name, self.desk.now.utc_us)
        return {"token": args.token}

    def revoke_token(self, args: OfToken, caller: Caller) -> dict[str, Any]:
        """It opens nothing from now on."""
        row = accounts.token(self.desk.db, args.token)
        if row is None:
            raise not_found("token", args.token)
        if row["revoked_at"] is None:
            accounts.revoke_token(self.desk.db, args.token, caller.name, self.desk.now.utc_us)
        return {"token": args.token}

    def used_token(self, args: OfToken, _caller: Caller) -> dict[str, Any]:
        """Somebody showed it."""
        accounts.used_token(self.desk.db, args.token, self.desk.now.utc_us)
        return {}
