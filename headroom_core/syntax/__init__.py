"""Source code as an outline: where its definitions, bodies, comments and long literals stand.

outline    source → Outline (tree-sitter where installed; else Python's ast, else lines and indentation)
languages  one row per language
guess      which languages a text may be written in
"""
