"""One declaration per ML pipeline; the whole loop as a Dagster asset graph."""
