"""The parts of the JSON transform: parse, write, read, columns, pick rows, view."""
