"""Deployment: the same runs at hospitals that share nothing but what their clients send."""
