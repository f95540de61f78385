"""Tests of served quality: intervals, calibration, estimate, band, verdict and staleness."""
