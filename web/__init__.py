"""HTTP: the API, live streams, metrics and pages; the only Flask. `web.app` has the application."""
