"""Request bodies to a model's columns or matrix, with errors that name the place."""
