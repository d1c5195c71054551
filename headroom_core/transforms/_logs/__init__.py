"""The parts of the log transform: lines, tokens, features, ranker, blocks and the words about what is left out."""
