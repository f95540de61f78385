"""The commands, run as a user runs them: in a process of their own."""
