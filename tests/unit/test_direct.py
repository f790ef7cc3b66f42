"""Commands about people without a controller: under the lock, into the audit, and nothing else is disturbed."""

from pathlib import Path

import pytest

from controller.direct import DATABASE, carry_out, has_people
from controller.errors import Refused
from controller.lock import DataInUse, DataLock
from controller.store.connection import Store, connect
from controller.store.queries import accounts
from schemas.commands import Caller

BOX = Caller(name="box:root", role="admin")
ANN = {"user": "ann", "role": "admin", "password": "$argon2id$x"}


def test_an_account_is_made_and_audited(tmp_path: Path) -> None:
    assert not has_people(tmp_path)
    carry_out(tmp_path, "user.add", ANN, BOX)
    assert has_people(tmp_path)
    row = accounts.page_of_audit(connect(tmp_path / DATABASE)).items[0]
    assert (row.who, row.action, row.subject, row.after["password"]) == ("box:root", "user.add", "user:ann", "•••")
    assert (tmp_path / DATABASE).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("command", "args", "code"),
    [
        ("user.add", ANN | {"role": "king"}, "request.invalid"),
        ("user.add", ANN | {"user": "../x"}, "request.invalid"),
        ("user.delete", {"user": "ann"}, "user.last_admin"),
        ("job.cancel", {"job": "x"}, "command.unknown"),
    ],
)
def test_refusals_are_those_of_the_controller(tmp_path: Path, command: str, args: dict[str, str], code: str) -> None:
    carry_out(tmp_path, "user.add", ANN | {"user": "ann" if command == "user.delete" else "root"}, BOX)
    with pytest.raises(Refused) as refused:
        carry_out(tmp_path, command, args, BOX)
    assert refused.value.refusal.code == code
    assert len(accounts.page_of_audit(connect(tmp_path / DATABASE)).items) == 1


def test_beside_a_controller_nothing_is_opened(tmp_path: Path) -> None:
    lock = DataLock.take(tmp_path)
    with pytest.raises(DataInUse):
        carry_out(tmp_path, "user.add", ANN, BOX)
    lock.release()
    assert not (tmp_path / DATABASE).exists()


def test_looking_into_a_restored_database_does_not_make_it_an_ordinary_one(tmp_path: Path) -> None:
    """Whoever opens it first, the controller still has to park its jobs: robots may have gone on with them."""
    Store.open(tmp_path / DATABASE).close()
    (tmp_path / "incarnation").write_text("7\n")
    assert not has_people(tmp_path)
    carry_out(tmp_path, "user.add", ANN, BOX)
    store = Store.open(tmp_path / DATABASE)
    assert store.restored
    assert store.incarnation == 8
    with store.transaction():
        store.parked()
    store.close()
    again = Store.open(tmp_path / DATABASE)
    assert not again.restored
    again.close()
