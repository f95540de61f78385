"""Profiles: what a partition's rows look like, in counts that can be added and subtracted."""
