"""Meshes: thin layers over existing libraries."""
