"""Tests of the local SageMaker API, through boto3 and real processes."""
