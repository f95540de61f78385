"""How differently a facet's groups are answered."""
