"""Branches' environments: what one has made, and removing it, and nothing else."""
