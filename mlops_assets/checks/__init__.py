"""Asset checks: what must hold of a station's data or model before the next station may use it."""
