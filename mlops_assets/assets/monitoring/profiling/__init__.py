"""A partition's profile, made once."""
