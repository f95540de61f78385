"""The serving process with features from the online store."""
