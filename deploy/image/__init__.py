"""The container image: its Dockerfile and its bill of materials."""
