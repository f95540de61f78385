"""Tests of what runs inside the images."""
