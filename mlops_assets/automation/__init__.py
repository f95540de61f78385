"""What materializes what, and why: jobs, sensors and schedules, each a thin shell over a pure core.

Every sensor is off until somebody turns it on in the UI, by its name. What is decided, and on which
evidence, is kept (`resources.monitoring.decisions`), so that nothing depends on a cursor or on
Dagster's memory of runs.
"""
