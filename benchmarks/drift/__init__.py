"""The parts of benchmarks/drift.py: columns, faults, trials of the policy, peers."""
