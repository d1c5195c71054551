"""Parts of the tree transform: reading listings into entries, and writing them shorter without loss."""
