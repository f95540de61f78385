"""The model artifact: a directory of data, never code, that answers the same anywhere.

Belongs here: the feature spec, its encoder, the conversion of an estimator to ONNX, sealing,
loading with verification, and unpacking an archive safely. Does not: training, HTTP, S3, Dagster.
"""
