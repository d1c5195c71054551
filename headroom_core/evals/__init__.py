"""Measures, readers, peers and suites that check the library's claims on data."""
