"""Explanation: which features made a model answer as it did."""
