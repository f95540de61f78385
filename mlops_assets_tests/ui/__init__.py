"""The platform in a browser: a real webserver, a real Chromium."""
