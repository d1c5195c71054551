"""Counting: tokens of texts (``text``), tokens of images by provider (``images``), and the rows behind them (``profiles``)."""
