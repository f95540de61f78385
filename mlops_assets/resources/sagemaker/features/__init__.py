"""The online feature store: groups, and records put and read back."""
