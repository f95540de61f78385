"""Endpoints: what is asked of one, what serves, what it costs, and who is never asked."""
