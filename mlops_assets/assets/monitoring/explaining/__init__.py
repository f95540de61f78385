"""Which features moved the answers, and what is behind a single one."""
