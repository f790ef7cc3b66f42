"""The numbers the core decides by; all durations in seconds on a clock that never jumps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CoreSettings:
    """Defaults are those of docs/settings.md, where each is described."""

    auto_accept: bool = True
    station: bool = True
    heard_s: float = 6.0
    answer_s: float = 10.0
    silent_s: float = 25.0
    lease_s: float = 15.0
    force_s: float = 30.0
    resend_first_s: float = 2.0
    resend_max_s: float = 15.0
    retry_first_s: float = 5.0
    retry_max_s: float = 60.0
    refuse_first_s: float = 5.0
    refuse_max_s: float = 300.0
    failures_to_hold: int = 3
    refusals_to_hold: int = 5
    idempotency_days: int = 30
    retain_jobs_days: int = 365
    retain_logs_days: int = 90
    retain_artifacts_days: int = 30
    retain_audit_days: int = 730
    data_gb: float = 50.0
    artifact_mb: int = 200
    artifacts_per_attempt: int = 500
    artifacts_gb: float = 20.0
    assignments_a_turn: int = 200
    quarantine_rows: int = 10_000
    unknown_robots: int = 1_000
