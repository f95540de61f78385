"""The ML Test Score: 28 lines, each given only for evidence that exists now."""
