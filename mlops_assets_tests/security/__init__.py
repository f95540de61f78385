"""Helpers of the tests that hold the security demands (docs/security.md has the table)."""
