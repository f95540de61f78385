"""Everything outside the process: the lake, SageMaker, object storage, sources."""
