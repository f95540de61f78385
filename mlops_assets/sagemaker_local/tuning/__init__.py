"""Hyperparameter tuning jobs: a search over real training jobs."""
