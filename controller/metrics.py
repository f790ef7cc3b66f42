"""What the controller tells about itself: Prometheus text and its health."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_LABELS: Mapping[str, tuple[str, ...]] = {
    "messages": ("kind",),
    "bad messages": ("kind", "reason"),
    "commands": ("command",),
    "holds": ("reason",),
    "moves": ("old", "new"),
    "bad frames": ("reason",),
    "link": ("what",),
    "degraded": ("code",),
}
"""How the parts of a counter's key are called, after its first one."""

Counts = Callable[[], Counter[tuple[str, ...]]]
Gauges = Callable[[], Mapping[tuple[str, ...], float]]


class Timings:
    """How long turns of the loop and their commits take."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.turn = Histogram(
            "yardmaster_turn_seconds", "Time of a turn of the loop", buckets=_SECONDS, registry=self.registry
        )
        self.commit = Histogram(
            "yardmaster_commit_seconds", "Time of a commit", buckets=_SECONDS, registry=self.registry
        )


class Figures(Collector):
    """Counters and gauges, read when somebody asks.

    A counter's key is a tuple: ("bad messages", "heartbeat", "size") becomes
    `yardmaster_bad_messages_total{kind="heartbeat",reason="size"}`; gauges likewise, without `_total`.
    """

    def __init__(self, counts: Counts, gauges: Gauges) -> None:
        self._counts, self._gauges = counts, gauges

    def collect(self) -> Iterable[Metric]:
        """All families, each once."""
        families: dict[str, Metric] = {}
        for key, count in sorted(self._counts().items()):
            _sample(families, CounterMetricFamily, key, count)
        for key, value in sorted(self._gauges().items()):
            _sample(families, GaugeMetricFamily, key, value)
        return families.values()


def _sample(families: dict[str, Metric], make: Callable[..., Any], key: tuple[str, ...], value: float) -> None:
    what, words = key[0], key[1:]
    labels = _LABELS.get(what, ("state", "detail")[: len(words)])
    name = "yardmaster_" + what.replace(" ", "_").replace("-", "_")
    family: Any = families.setdefault(name, make(name, what.capitalize(), labels=labels))
    family.add_metric(words, value)


def text(registry: CollectorRegistry) -> str:
    """The registry as Prometheus reads it."""
    return generate_latest(registry).decode()
