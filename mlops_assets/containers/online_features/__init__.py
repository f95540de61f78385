"""Features that the container reads itself, from the online feature store."""
