"""Endpoints: which fleets serve one, and how it changes from one to another."""
