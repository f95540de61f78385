"""One module per station of the loop: each builds its assets for a declared pipeline."""
