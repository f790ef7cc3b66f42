"""What clearing away by age needs of the tables: counters that go down with the rows."""

RETENTION = (
    """create trigger jobs_count_gone after delete on jobs begin
        update job_counts set n = n - 1 where target = old.target and state = old.state;
    end""",
)
