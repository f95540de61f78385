"""Sources in AWS: what Firehose delivers, tables of Glue by Athena, tables of Redshift."""
