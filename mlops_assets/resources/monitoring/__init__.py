"""What monitoring reads and writes outside the lake: captures, labels, decisions, alerts."""
