"""Helpers of the tests of how the project is built, audited and delivered."""
