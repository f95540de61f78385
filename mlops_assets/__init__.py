"""One declaration per ML pipeline; the whole loop as a Dagster asset graph."""

__version__ = "0.1.0"
