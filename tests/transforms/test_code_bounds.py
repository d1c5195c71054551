"""How much of a file stays: large classes, many candidates, long literals and strings, odd comments and macros."""

from __future__ import annotations

import ast

import pytest

from headroom_core.transforms.code import Code
from headroom_core.types import Context, Part, Rewrite, Text


def _run(source: str, query: str | None = None, **more: object) -> Rewrite | None:
    part = Part((0, 0), "code", Text(source), len(source) // 3)
    return Code()(part, Context(count=lambda text: len(text) // 3, query=query, **more))  # type: ignore[arg-type]


def _folded(source: str, query: str | None = None, **more: object) -> str:
    rewrite = _run(source, query, **more)
    assert rewrite is not None
    assert len(rewrite.text) < len(source)
    return rewrite.text


def _method(name: str, lines: int) -> str:
    body = "".join(f"        self.{name}_{i} = prepare(self.step_{i}, {i}, 'of {name}')\n" for i in range(lines))
    return f"    def {name}(self):\n{body}        return self\n\n"


def _large_class() -> str:
    methods = "".join(_method(f"move_{n}", 6 + n) for n in range(30))
    return (
        f"class Harbour:\n    {'def __init__(self):'}\n        self.boats = []\n        self.open = True\n\n{methods}"
    )


def test_of_a_large_class_that_is_named_the_constructor_and_short_methods_stay() -> None:
    """The class is most of the file: its constructor and its shortest methods stay, the longest fold."""
    text = _folded(_large_class(), "How does Harbour work?")
    ast.parse(text)
    assert "self.boats = []" in text
    assert "self.move_0_1 = " in text
    assert "self.move_29_1 = " not in text
    assert "def move_29(self):" in text


def test_a_method_that_is_named_with_its_class_stays_instead_of_the_class() -> None:
    """A query that names class and method gets the method, however large the class is."""
    text = _folded(_large_class(), "What does Harbour.move_27 do?")
    assert "self.move_27_1 = " in text
    assert "self.move_0_1 = " not in text


def test_a_name_of_punctuation_asks_for_nothing() -> None:
    """Dots and colons in backticks are no name."""
    assert _folded(_large_class(), "`...` and `::`") == _folded(_large_class())


def test_words_that_are_everywhere_name_no_function() -> None:
    """A question whose words stand in every function keeps the outline only."""
    source = "".join(f"def step_{n}(x):\n" + "    prepare(x)\n" * 12 + "\n" for n in range(12))
    text = _folded(source, "how does it prepare things")
    assert "    prepare(x)" not in text


def test_a_rare_word_in_a_body_finds_its_function() -> None:
    """Without a name, the function whose body alone holds the rare words stays, if it is no larger than a share."""
    parts = [f"def step_{n}(x):\n" + f"    prepare(x, {n})\n" * 12 + "\n" for n in range(24)]
    parts[7] = parts[7].replace("prepare(x, 7)\n", "tide_table_of_lenvik(x)\n", 1)
    assert "tide_table_of_lenvik(x)" in _folded("".join(parts), "where do we read the tide of lenvik?")


# ------------------------------------------------------------------ literals, strings, comments
def test_a_string_over_many_lines_shows_its_head_the_hits_and_its_end() -> None:
    """SQL in a constant: first lines, the line that the query is about, the last; the rest is said by line numbers."""
    sql = "\n".join(f"       column_{i} AS shown_{i}," for i in range(60))
    source = f'QUERY = """\nSELECT id,\n{sql}\n       berth_fee AS fee\nFROM boats\n"""\nLIMIT = 7\n'
    text = _folded(source, "where does berth_fee come from")
    ast.parse(text)
    assert "SELECT id" in text
    assert "berth_fee AS fee" in text
    assert "column_30" not in text
    assert "… lines" in text
    assert "LIMIT = 7" in text


def test_a_long_table_shows_its_first_elements_and_the_hits() -> None:
    """Of a long mapping the first members and those of the query stay; what went is a comment with the line numbers."""
    table = "\n".join(f'    "pier_{i}": {i * 7},' for i in range(80))
    text = _folded(f"DEPTHS = {{\n{table}\n}}\n\n\ndef depth(name):\n    return DEPTHS[name]\n", "depth of pier_61")
    ast.parse(text)
    assert '"pier_61": 427' in text
    assert '"pier_0": 0' in text
    assert '"pier_40"' not in text
    assert "# 58 more, lines" in text


def test_a_table_with_functions_inside_stays() -> None:
    """A literal that holds definitions is no table."""
    members = (
        ",\n".join(f"  m{i}() {{ return {i}; }}" for i in range(4))
        + ",\n"
        + ",\n".join(f"  k{i}: {i}" for i in range(20))
    )
    source = f"const api = {{\n{members}\n}};\n" + "// about it\n// at length\n// and more\n// and more of it\n" * 4
    rewrite = _run(source)
    text = rewrite.text if rewrite is not None else source
    assert "k19: 19" in text


def test_comments_keep_the_first_line_that_says_anything() -> None:
    """A run of comments is cut to one line and the hits; directives stay; a run with nothing to cut stays."""
    long = (
        "# "
        + "-" * 60
        + "\n# How tides are read\n# "
        + "x " * 30
        + "\n# the gauge of Lenvik drifts\n# "
        + "y " * 30
        + "\n"
    )
    source = f"#!/usr/bin/env python\n# one line\n\n{long}def depth(a):\n" + "    a = a + 1\n" * 12 + "    return a\n"
    text = _folded(source, "does the gauge drift in Lenvik?")
    assert text.startswith("#!/usr/bin/env python\n")
    assert "# How tides are read" in text
    assert "gauge of Lenvik drifts" in text
    assert "x x x" not in text


BRACED = "".join(f"  step({i}, {i + 1});\n" for i in range(14))


def _needs(language: str) -> None:
    from headroom_core.syntax.outline import outline

    if outline("int main() { return 0; }\n", language) is None:
        pytest.skip("the grammar is not installed")


def test_block_comments_without_words_are_emptied() -> None:
    """A banner of stars says nothing; a licence keeps its first line."""
    _needs("c")
    source = (
        "/****************************************\n *                                      *\n ****************************************/\n"
        "/*\n * Copyright the harbour\n * and others who built it\n * over many years\n */\n"
        f"int work(int a) {{\n{BRACED}  return a;\n}}\n"
    )
    text = _folded(source)
    assert "Copyright the harbour" in text
    assert "over many years" not in text
    assert " *      " not in text


def test_macros_of_many_lines_fold_and_short_ones_stay() -> None:
    """The body of a long macro becomes a comment with its lines; a constant stays as it is."""
    _needs("c")
    body = "".join(f"    step((a), {i}); \\\n" for i in range(14))
    source = f"#define BERTHS 12\n#define MOOR(a) \\\n  do {{ \\\n{body}  }} while (0)\n\nint work(int a) {{\n{BRACED}  return a;\n}}\n"
    text = _folded(source)
    assert "#define BERTHS 12" in text
    assert "#define MOOR(a)" in text
    assert "step((a), 7)" not in text
    assert "/* lines" in text


def test_static_blocks_and_references_are_read() -> None:
    """A static block of Java does not hide its neighbours; a C++ function that returns a reference keeps its name."""
    _needs("java")
    java = f"package harbour;\n\nimport java.util.List;\n\npublic class Pier {{\n  static {{\n{BRACED}{BRACED}  }}\n  public int depth() {{\n{BRACED}    return 1;\n  }}\n}}\n"
    text = _folded(java)
    assert "static {" in text
    assert "public int depth() { /* lines" in text
    cpp = f"#include <vector>\n\nusing namespace std;\n\nint& depth(int a) {{\n{BRACED}{BRACED}  return a;\n}}\n\nint (other)(int b) {{\n{BRACED}  return b;\n}}\n"
    text = _folded(cpp, "what does depth do")
    assert "int& depth(int a)" in text
    assert "step(7, 8)" in text.split("other")[0]


def test_nested_definitions_are_named_where_their_function_folds() -> None:
    """A class inside of a function that folds keeps a stub with its methods' names."""
    inner = "".join(f"            self.x_{i} = {i}\n" for i in range(8))
    source = (
        'def make(kind):\n    """Makes a class."""\n'
        + "".join(f"    step_{i} = {i}\n" for i in range(10))
        + f"    class Berth:\n        def moor(self):\n{inner}        def leave(self):\n{inner}    return Berth\n\n\n"
        + "def other():\n    return make(1)\n"
    )
    text = _folded(source)
    ast.parse(text)
    assert "class Berth" in text
    assert "def moor(self)" in text
    assert "self.x_3" not in text


def test_docstrings_that_say_nothing_or_end_in_a_quote_still_parse() -> None:
    """An empty docstring and one whose first line ends in a quote or a backslash are cut so that the file parses."""
    body = "".join(f"    step_{i} = {i}\n" for i in range(10))
    sources = [
        f'def a():\n    """\n\n    """\n{body}    return 1\n',
        f"def a():\n    '''He said \"go\"\n    and went.\n    At length.\n    '''\n{body}    return 1\n",
        f'def a():\n    r"""A path C:\\\n    and more.\n    """\n{body}    return 1\n',
    ]
    for source in sources:
        text = _folded(source)
        ast.parse(text)
        assert "step_5" not in text


def test_code_that_no_reader_knows_is_left() -> None:
    """Source with a NUL or brackets nested too deeply is left, not guessed at."""
    assert _run("def a():\n    return '\0'\n" + "x = 1\n" * 40) is None or "\0" in _folded(
        "def a():\n    return '\0'\n" + "x = 1\n" * 40
    )
    assert _run("(" * 5000 + ")" * 5000) is None
