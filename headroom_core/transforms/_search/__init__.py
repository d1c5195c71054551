"""Parts of the search transform: reading hits, grouping them by file without loss, ranking them, and web hits."""
