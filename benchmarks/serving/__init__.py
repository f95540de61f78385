"""The parts of benchmarks/serving.py: model, load generator, processes, peers and report."""
