"""One module per station of the loop, each building that station's assets for a declared pipeline."""
