"""Deployment: the container image, platforms, Kubernetes, and monitoring."""
