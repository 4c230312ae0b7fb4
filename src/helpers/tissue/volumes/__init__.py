"""Whole volumes: areas and factors at every position, block by block, into OME-Zarr."""
