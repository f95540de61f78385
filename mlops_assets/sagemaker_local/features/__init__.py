"""Feature Store: groups, records, the offline copy."""
