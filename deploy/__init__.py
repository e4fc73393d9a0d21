"""How the service is run: the image, platforms, a cluster, and what watches it."""
