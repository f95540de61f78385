"""A candidate of an AutoML job for tabular data: an ordinary training script and its parts."""
