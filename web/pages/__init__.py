"""Pages for people, drawn on the server."""

from web.pages.board import pages

__all__ = ["pages"]
