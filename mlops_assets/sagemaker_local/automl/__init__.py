"""AutoML jobs for tabular data: a search over real candidate training jobs."""
