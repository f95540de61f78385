"""SageMaker by boto3: sessions, training jobs, model packages, endpoints."""
