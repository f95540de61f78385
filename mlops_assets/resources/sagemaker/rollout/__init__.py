"""Rollouts: planned, watched, judged, and taken back where they fail."""
