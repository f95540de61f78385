"""Drift: what changed between two profiles, and whether that is more than chance and noise."""
