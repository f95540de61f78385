"""The lake: Apache Iceberg tables of partitions, their Dagster IO manager and resource."""
