"""What AWS tells by itself: events of SageMaker, by EventBridge and a queue."""
