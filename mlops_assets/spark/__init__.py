"""`clean` and `features` on Spark: the program of a job, and what it is told and says."""
