"""The page that people look at, made from the records of the other stations."""
