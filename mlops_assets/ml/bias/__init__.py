"""Bias: how differently a model, or its labels, treat the groups of a facet."""
