"""Whole jobs on files, as plain functions."""
