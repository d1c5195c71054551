"""Suites that check what others build for this library: stores, and the laws that hold for every conversation."""
