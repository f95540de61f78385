"""Who may read what of the lake: what only the process that makes tables can tell."""
