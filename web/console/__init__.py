"""The console: server-rendered pages that stay true while they are open."""

from flask import Flask

from web.backend import EXTENSION, Backend
from web.console import frame, language, problems, text, words
from web.console.board import Board
from web.console.pages import BLUEPRINTS, PARTS

__all__ = ["install"]


def install(app: Flask) -> None:
    """Mount the pages on an application that has its backend."""
    backend: Backend = app.extensions[EXTENSION]
    language.install(app)
    pages = frozenset(blueprint.name for blueprint in BLUEPRINTS)
    frame.install(app, pages)
    problems.install(app)
    app.jinja_env.filters.update(
        clock=text.clock, moment=text.moment, duration=text.duration, number=text.number, short_id=text.short_id
    )
    app.jinja_env.globals.update(
        job_word=words.job_word,
        robot_word=words.robot_word,
        attempt_word=words.attempt_word,
        block_word=words.block_word,
        source_word=words.source_word,
        person_word=words.person_word,
        shape=words.shape,
        static=frame.static,
    )
    app.extensions[frame.BOARD] = Board(app, backend, PARTS)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.extensions[frame.ROLES] = frame.roles_of(app, pages)
