"""The whole slice as in AWS: moto is S3, Glue, Logs, KMS, STS and IAM, this project SageMaker."""
