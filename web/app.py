"""The whole web as one Flask application."""

from flask import Flask, Response, request

from config.certificates import machine_names
from controller.client import Client
from controller.store.queries import Reader
from web import bodies, compat, console, errors, guard
from web.api import ROUTES
from web.backend import EXTENSION, Backend, Commands
from web.hosts import Hosts
from web.live import Live
from web.metrics import WebMetrics
from web.openapi import serve_document
from web.routes import mount
from web.settings import WebSettings


def create_app(settings: WebSettings, commands: Commands | None = None) -> Flask:
    """The whole web over one data directory; `commands` stands in for the controller's socket in tests."""
    app = Flask(__name__, static_folder="static", template_folder="templates")
    app.url_map.merge_slashes = False
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.config["MAX_CONTENT_LENGTH"] = guard.BULK_BYTES
    reader = Reader(settings.database)
    app.extensions[EXTENSION] = Backend(
        settings=settings,
        reader=reader,
        commands=commands or Client(settings.data_dir),
        live=Live(reader, settings.max_streams),
        metrics=WebMetrics(),
    )
    app.extensions[EXTENSION].metrics.install(app)
    hosts = Hosts(settings.allowed_hosts, machine_names if settings.own_addresses else None)
    guard.install(app, hosts, behind_proxy=settings.behind_proxy)
    bodies.install(app)
    errors.install(app)
    app.extensions[errors.FORMATS] = tuple(compat.FORMATS)
    for route in (*ROUTES, *compat.ROUTES):
        mount(app, route)
    serve_document(app, [*ROUTES, *compat.ROUTES])
    console.install(app)
    app.after_request(_close_unread)
    return app


def _close_unread(response: Response) -> Response:
    """Nobody reads the body that a HEAD would have had, so nobody else frees what it holds: a place among streams."""
    if request.method == "HEAD":
        response.close()
    return response
