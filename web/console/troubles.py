"""The words for what is not as it should be with the box: one table, for the banner and for what needs a person."""

from typing import Any, NamedTuple

from web.console.language import N_, _


class Trouble(NamedTuple):
    """A head, a sentence, and whether a person has to do something about it that nothing else says."""

    head: str
    text: str
    needs: bool = True


TROUBLES: dict[str, Trouble] = {
    "broker.down": Trouble(
        N_("No robot can be reached"),
        N_("The message broker does not answer. It is started again by itself; robots finish what they hold."),
    ),
    "doors.stale": Trouble(
        N_("The broker does not know who may come in"),
        N_("Who was revoked or enrolled just now may still be let in or kept out. The log of the box says why."),
    ),
    "store.full": Trouble(
        N_("Nothing can be recorded"),
        N_("The disk is full or broken. Nothing new is accepted until there is room; what runs goes on."),
    ),
    "store.reserve": Trouble(
        N_("The disk is full"),
        N_("What runs is recorded from a reserve. Nothing new is accepted until somebody makes room."),
    ),
    "disk.low": Trouble(N_("The disk is nearly full"), N_("Make room before jobs have to be refused.")),
    "backup.failed": Trouble(
        N_("The last backup failed"), N_("The log of the box says why; the older backups are still there.")
    ),
    "backup.old": Trouble(
        N_("There is no fresh backup"),
        N_("Backups are set to be made by the clock, and two were not. See the log of the box."),
    ),
    "store.lost": Trouble(
        N_("Recorded work is missing from the database"),
        N_("It counts as restored: open jobs are parked, and robots wait until they are heard."),
    ),
    "store.damaged": Trouble(
        N_("The database is damaged"),
        N_("It may be seen no more, and be there all the same. End the box and restore a backup from before."),
    ),
    "box.restored": Trouble(
        N_("An older state was restored"),
        N_("Parked jobs may have run since: release or cancel each. Robots get no work until they are heard."),
        needs=False,
    ),
    "box.drained": Trouble(
        N_("The box is drained"), N_("What runs goes on, nothing new is given out until somebody ends it."), needs=False
    ),
    "clock.jumped": Trouble(
        N_("The clock of the box was moved"), N_("Times on screens may mislead. No job is affected."), needs=False
    ),
    "broker.demo": Trouble(
        N_("The broker is one for demonstrations"),
        N_("Few robots, and no access rules: install mosquitto."),
        needs=False,
    ),
    "rows.unreadable": Trouble(
        N_("A robot sends what cannot be read"),
        N_("It is kept and counted. Look whether all robots have the right version."),
    ),
    "parts.restarting": Trouble(
        N_("A part of the box ends again and again"),
        N_("It is started again each time; the log of the box says why it ends."),
    ),
    "artifacts.full": Trouble(
        N_("Screenshots and video have nearly used up their room"),
        N_("Soon robots have to keep them. Raise `artifacts_gb`, or let old ones go sooner."),
    ),
    "data.full": Trouble(
        N_("The database is larger than it may be"),
        N_("Nothing more may be removed: it is too young or still open. Raise `data_gb`, or make room otherwise."),
    ),
    "certificate.ending": Trouble(
        N_("A certificate ends soon"),
        N_("Of the box or of a robot: `/api/v1/health` says which, when, and what to do before connections fail."),
    ),
    "artifacts.damaged": Trouble(
        N_("Screenshots or video are damaged or missing"),
        N_("`yardmaster verify --artifacts` names them. Look at the disk; an older backup may have them."),
    ),
    "store.unreadable": Trouble(
        N_("The database could not be read"), N_("The disk may be failing: look at it, and have a backup elsewhere.")
    ),
}
UNKNOWN = N_("Something is wrong with the box")


def of(reason: dict[str, Any]) -> Trouble:
    """The words for a reason of health; an unknown one speaks for itself."""
    return TROUBLES.get(reason["code"]) or Trouble(UNKNOWN, str(reason["message"]))


def banner(health: dict[str, Any] | None) -> list[dict[str, Any]]:
    """What every page shows, in its language: {code, head, text, since}, worst first."""
    found = [(reason, of(reason)) for reason in (health or {}).get("reasons", ())]
    return [
        {"code": reason["code"], "head": _(words.head), "text": _(words.text), "since": reason.get("since")}
        for reason, words in found
    ]
