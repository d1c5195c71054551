"""Folding of source code: which bodies stay (`choose`), what stands for the others (`fold`), comments and literals (`trim`)."""
