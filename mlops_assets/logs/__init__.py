"""What the platform's processes log in AWS: lines of JSON, without secrets."""
