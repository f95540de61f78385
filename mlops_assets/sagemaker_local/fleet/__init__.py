"""Model servers: what a configuration asks for, started and kept running."""
