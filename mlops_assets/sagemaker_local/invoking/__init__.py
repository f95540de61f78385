"""Requests to endpoints: routed, copied, captured, queued."""
