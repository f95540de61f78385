"""What runs inside the images: `train` and `serve`, under SageMaker's container contracts.

Imports `mlops_assets.ml` and nothing else of the project, so that an image needs no orchestrator.
"""
