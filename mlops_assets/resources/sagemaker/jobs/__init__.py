"""SageMaker jobs driven from Dagster: what training, processing, transform and tuning share."""
