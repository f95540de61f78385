"""EMR Serverless: Spark jobs on several machines, driven as SageMaker's jobs are."""
