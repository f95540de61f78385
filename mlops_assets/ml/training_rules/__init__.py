"""Rules that watch a training: its metrics while it runs, its data and model once it ended."""
