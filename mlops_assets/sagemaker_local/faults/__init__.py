"""Faults that are injected on request: none unless a tag or the file faults.json asks for one."""
