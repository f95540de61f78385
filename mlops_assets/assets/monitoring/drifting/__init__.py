"""What changed in a partition, against what the champion was trained on."""
