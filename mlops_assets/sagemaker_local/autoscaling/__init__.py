"""Application Auto Scaling: targets, policies, and the loop that follows them."""
