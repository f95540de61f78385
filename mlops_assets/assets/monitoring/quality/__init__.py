"""How good the served answers are, and what age does to a model."""
