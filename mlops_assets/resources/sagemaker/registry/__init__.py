"""The model registry: packages with their lineage, signatures and states."""
