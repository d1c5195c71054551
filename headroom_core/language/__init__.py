"""Written text by its shape: what a reader sees before reading.

sentences  text → spans of sentences; a line that is only wrapped goes on, the row of a table is one
wrapped    which line breaks only wrap a line
tables     headers and rows inside of a text
lexical    words, stems, BM25
"""
