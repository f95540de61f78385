"""What no gate asks: features that do not help, weak slices, extreme inputs, privacy."""
