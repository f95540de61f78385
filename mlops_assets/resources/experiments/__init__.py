"""Experiments: every training that was tried, in MLflow (SQLite here, SageMaker's own in AWS)."""
