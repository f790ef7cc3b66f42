"""What the web tells about itself, in the text format of Prometheus."""

import time

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class WebMetrics:
    """Requests by route and status, how long they took, streams that are open."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "yardmaster_web_requests", "Requests answered", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "yardmaster_web_request_seconds", "Time of a request", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self.streams = Gauge("yardmaster_web_streams", "Streams that are open", registry=self.registry)
        self.controller_up = Gauge(
            "yardmaster_web_controller_up", "Whether the controller answers the web", registry=self.registry
        )

    def text(self) -> str:
        """All of it."""
        return generate_latest(self.registry).decode()

    def install(self, app: Flask) -> None:
        """Count every request under its route, never under what callers typed."""

        def before() -> None:
            g.began = time.perf_counter()

        def after(response: Response) -> Response:
            route = request.endpoint or "none"
            self.requests.labels(route, str(response.status_code)).inc()
            if "began" in g:
                self.seconds.labels(route).observe(time.perf_counter() - g.began)
            return response

        app.before_request(before)
        app.after_request(after)
