"""Tests of what deploy/ holds, and of the files at the repository's root that belong to it."""
