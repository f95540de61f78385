"""The SageMaker API on this machine: jobs and endpoints run as processes, boto3 is the client."""
