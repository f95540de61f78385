"""Answers as they were served, and the labels that come late."""
