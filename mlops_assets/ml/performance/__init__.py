"""Performance: how good a served model is, with labels or before they come."""
