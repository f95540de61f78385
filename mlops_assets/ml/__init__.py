"""The Dagster-free and AWS-free core: pure functions on data. Imports nothing of the project."""
