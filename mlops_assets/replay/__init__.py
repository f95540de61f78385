"""History played through the live loop: real daemon, sensors and endpoint, a virtual clock."""
