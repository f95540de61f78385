"""HTTP: two fronts over one service, its workers, counters and logs."""
