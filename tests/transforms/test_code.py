"""Code: signatures and asked bodies stay verbatim, and what comes out parses."""

from __future__ import annotations

import random
import re
import time

import pytest

from headroom_core.ccr.selections import pick_symbol
from headroom_core.ccr.slices_code import places, symbols
from headroom_core.evals import data
from headroom_core.syntax import _tree
from headroom_core.syntax.guess import languages
from headroom_core.syntax.outline import outline
from headroom_core.transforms._asked import asked
from headroom_core.transforms.code import Code
from headroom_core.types import Context, Part, Rewrite, Strength, Text

STEPS = "\n".join(f"    step_{i} = prepare(step_{i - 1}, {i})" for i in range(1, 9))
BRACED = "\n".join(f"    step({i}, {i + 1});" for i in range(1, 9))

SOURCES = {
    "python": f'''"""A module.

More about it.
"""
import os

LIMIT = 3


@decorated(1)
async def first(a: int, *, b: str = "x:y") -> dict[str, int]:
    """Do the first thing.

    At length.
    """
{STEPS}
    return {{}}


class Box(Base):
    """Holds things."""

    size: int = 0

    def second(self, x):
{STEPS.replace("    ", "        ")}

        def inner(y):
            one = y
            two = one
            three = two
            return three

        return first(inner)

    def tiny(self):
        return 1
''',
    "javascript": f"""const fs = require('fs');
function first(a, {{ b }} = {{}}) {{
{BRACED}
  return a === b;
}}
class Box extends Base {{
  second(x) {{
{BRACED}
    return first(x);
  }}
}}
const third = async (y) => {{
{BRACED}
}};
module.exports.fourth = function (z) {{
{BRACED}
  function inner(q) {{
    step(q, 1);
    step(q, 2);
    step(q, 3);
  }}
}};
""",
    "typescript": f"""import type {{ A }} from './a';
export interface Shape {{ area(): number; }}
export function first<T extends A>(a: T, b: string): Promise<T> {{
{BRACED}
  return a;
}}
export class Box implements Shape {{
  private readonly size: number = 0;
  async second(x: number): Promise<void> {{
{BRACED}
    first(x, 'b');
  }}
}}
""",
    "go": f"""package box

import "fmt"

type Box struct {{
	size int
}}

// First does the first thing.
// At length.
func First(a int, b string) (int, error) {{
{BRACED.replace(";", "")}
	return a, nil
}}

func (b *Box) Second(x int) int {{
{BRACED.replace(";", "")}
	return First(x, "b")
}}
""",
    "java": f"""package org.example.box;

import java.util.List;

public class Box extends Base implements Shape {{
  private final int size = 0;

  /** Makes a box.
   *  At length. */
  public Box(int size) {{
{BRACED}
  }}

  @Override
  public <T> List<T> first(T a, int b) throws Exception {{
{BRACED}
    return null;
  }}

  void second() {{
    first(1, 2);
{BRACED}
    new Thread(new Runnable() {{
      public void run() {{ step(1, 2); }}
    }});
  }}
}}
""",
    "rust": f"""use std::fmt;

/// A box.
/// At length.
pub struct Boxed<T> {{ size: T }}

impl<T: Clone> Boxed<T> {{
    pub fn first(&self, a: usize) -> Option<T> where T: Copy {{
{BRACED}
        None
    }}
}}

fn second(x: &mut usize) {{
{BRACED}
    first(x);
}}
""",
    "c": f"""#include <stdio.h>
#define LIMIT 3

typedef struct box {{ int size; }} box_t;

static int first(const char *a, int b)
{{
{BRACED}
    return b;
}}

void second(box_t *b)
{{
    first("a", b->size);
{BRACED}
}}
""",
    "cpp": f"""#include <vector>
namespace boxes {{
template <typename T>
class Box : public Base {{
public:
  Box(int size) : size_(size) {{
{BRACED}
  }}
  int first(const std::vector<T>& a) const {{
{BRACED}
    return 1;
  }}
private:
  int size_;
}};
int second(int x) {{
{BRACED}
    return first(x);
}}
}}  // namespace boxes
""",
}


def rewrite(
    text: str, query: str | None = None, strength: Strength = "lossy", ratio: float | None = None
) -> Rewrite | None:
    context = Context(count=len, query=query, strength=strength, target_ratio=ratio)
    return Code()(Part((0, 0), "code", Text(text), len(text) // 4), context)


def folded(text: str, query: str | None = None) -> Rewrite:
    result = rewrite(text, query)
    assert result is not None
    return result


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("language", SOURCES)
def test_the_language_is_told_from_the_text(language: str) -> None:
    """The best guess for each sample is its language."""
    assert languages(SOURCES[language])[0] == language


@pytest.mark.parametrize("language", SOURCES)
def test_every_signature_stays_and_the_result_parses(language: str) -> None:
    """Signatures of all named functions stand in the folded text, which has no syntax error."""
    source = SOURCES[language]
    made = outline(source)
    assert made is not None
    assert made.broken == 0
    result = folded(source)
    for item in made.symbols:
        if item.name and item.kind == "function":
            assert flat(made.data[item.start : item.fold[0]].decode()).rstrip("{ ") in flat(result.text)
    assert _tree.errors(result.text.encode(), language) == 0
    assert len(result.text) < 0.75 * len(source)


@pytest.mark.parametrize("language", SOURCES)
@pytest.mark.parametrize("name", ["first", "second"])
def test_the_asked_body_stays_verbatim(language: str, name: str) -> None:
    """The definition that the query names stands in the result byte for byte."""
    source = SOURCES[language]
    name = name.capitalize() if language == "go" else name
    made = outline(source)
    assert made is not None
    item = next(s for s in made.symbols if s.name.rsplit(".", 1)[-1] == name)
    result = folded(source, f"Where is {name} defined?")
    assert made.data[item.start : item.end].decode() in result.text
    assert _tree.errors(result.text.encode(), language) == 0


def test_the_comment_names_the_original_lines() -> None:
    """The lines named in a left-out body's comment are the body's lines in the source."""
    source = SOURCES["go"]
    lines = source.split("\n")
    start = lines.index("func First(a int, b string) (int, error) {") + 2
    assert f"func First(a int, b string) (int, error) {{ /* lines {start}-{start + 8} */ }}" in folded(source).text


def test_bodies_that_call_the_asked_function_stay() -> None:
    """A short caller of the asked function is shown whole; one that does not call it is not."""
    others = "\n".join(f"def other_{i}(x):\n{STEPS}\n    return x\n" for i in range(20))
    source = (
        f"{others}\ndef asked(x):\n{STEPS}\n\n\ndef caller(x):\n    a = 1\n    b = 2\n    c = 3\n    return asked(x)\n"
    )
    text = folded(source, "How does `asked` work?").text
    assert "    c = 3\n    return asked(x)" in text
    assert text.count("step_3 = prepare") == 1


def test_words_of_the_query_choose_a_body() -> None:
    """Without a name, the function whose name and text hold the query's words stays."""
    others = "\n".join(f"def other_{i}(x):\n{STEPS}\n    return x\n" for i in range(30))
    source = f"{others}\ndef expand_tabs(line):\n    width = 8\n    tab = line.find('tab')\n    pad = width - tab\n    return pad\n"
    assert "pad = width - tab" in folded(source, "How are tabs expanded to spaces?").text


def test_docstrings_and_comments_keep_their_first_line() -> None:
    """The first line of each docstring and comment stays, the rest goes."""
    text = folded(SOURCES["python"]).text
    assert '"""A module."""' in text
    assert '"""Do the first thing."""' in text
    assert "At length." not in text
    assert "At length." not in folded(SOURCES["rust"]).text
    assert "/** Makes a box. … */" in folded(SOURCES["java"]).text


def test_constants_fields_and_imports_stay() -> None:
    """What is no body is not folded."""
    text = folded(SOURCES["python"]).text
    for line in ("import os", "LIMIT = 3", "@decorated(1)", "    size: int = 0", "        return 1"):
        assert line in text.split("\n")
    assert "private final int size = 0;" in folded(SOURCES["java"]).text


def test_long_literals_show_their_first_elements_and_the_asked_ones() -> None:
    """A long list is counted; the element that the query names stays."""
    rows = "\n".join(f'    ("key_{i}", {i}),' for i in range(200))
    source = f"import os\nTABLE = [\n{rows}\n]\n\ndef first(a):\n{STEPS}\n    return a\n"
    text = folded(source, "What is the value of key_150?").text
    assert '("key_150", 150),' in text
    assert '("key_90", 90),' not in text
    assert "more, lines" in text
    assert _tree.errors(text.encode(), "python") == 0


def test_numbered_lines_keep_their_numbers() -> None:
    """Where a viewer numbered the lines, each line that stays has its number, and ranges use those numbers."""
    lines = SOURCES["python"].rstrip("\n").split("\n")
    numbered = "\n".join(f"{i:6d}\t{line}" for i, line in enumerate(lines, 101))
    text = folded(numbered, "How does tiny work?").text
    at = 101 + lines.index("    def tiny(self):")
    assert f"{at:6d}\t    def tiny(self):\n{at + 1:6d}\t        return 1" in text
    body = 101 + next(i for i, line in enumerate(lines) if "step_1 =" in line)
    assert f"# lines {body}-{body + 8}" in text


def test_code_with_errors_folds_only_what_parses() -> None:
    """A syntax error leaves its surroundings as they are; sound functions fold."""
    source = SOURCES["python"] + "\n\ndef broken(:\n    x = = 1\n    keep_me()\n"
    text = folded(source).text
    assert "keep_me()" in text
    assert "step_3" not in text.split("class Box")[0]


def test_lossless_leaves_code_alone() -> None:
    """Code has no lossless form."""
    assert rewrite(SOURCES["python"], strength="lossless") is None


def test_a_larger_share_keeps_more_bodies() -> None:
    """With a target share, bodies come back until it is reached."""
    source = "\n".join(f"def other_{i}(x):\n{STEPS}\n    return x\n" for i in range(30))
    small, large = rewrite(source, ratio=0.2), rewrite(source, ratio=0.6)
    assert small is not None
    assert large is not None
    assert len(small.text) < len(large.text) <= 0.65 * len(source)


def test_python_folds_without_tree_sitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own parser stands in; the result still parses."""
    monkeypatch.setattr(_tree, "grammar", lambda name: None)
    text = folded(SOURCES["python"], "How does second work?").text
    assert "        def inner(y):" in text
    assert 'async def first(a: int, *, b: str = "x:y") -> dict[str, int]:' in text
    assert "step_3" not in text.split("class Box")[0]
    compile(text, "folded", "exec")


@pytest.mark.parametrize("language", ["javascript", "java", "c", "go"])
def test_other_languages_fold_by_indentation_without_tree_sitter(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Well-indented bodies fold without a grammar, and the braces still match."""
    monkeypatch.setattr(_tree, "grammar", lambda name: None)
    text = folded(SOURCES[language]).text
    assert "step(4, 5)" not in text
    assert text.count("{") == text.count("}")


OTHERS = {
    "php": "<?php\nclass A {\n    public function first($a)\n    {\n        if ($a) {\n            b();\n        }\n        c();\n    }\n}\n",
    "c#": "using System;\nnamespace N {\n    class A {\n        public int First(int a) {\n            B();\n            C();\n            D();\n        }\n    }\n}\n",
    "kotlin": "package n\n\nclass A {\n    fun first(a: Int): Int {\n        b()\n        c()\n        return d()\n    }\n    fun z() {}\n    fun y() {}\n}\n",
    "shell": "#!/bin/bash\nfirst() {\n    b x\n    c y\n    d z\n}\nfirst\n",
}  # fmt: skip


@pytest.mark.parametrize("language", OTHERS)
def test_languages_without_a_row_are_not_taken_for_others(language: str) -> None:
    """They are read by lines: heads stay, well-indented bodies fold."""
    source = OTHERS[language]
    made = outline(source)
    assert languages(source) == ()
    assert made is not None
    assert made.engine == "plain"
    assert any(s.name.lower() == "first" and s.kind == "function" for s in made.symbols)
    assert not any(s.name == "if" for s in made.symbols)


RUBY = """require 'set'

class Box < Base
  def first(a, b = 1)
    step 1
    step 2
    step 3
    step 4
  end

  def second
    step 5
    step 6
    step 7
    step 8
  end
end
"""


def test_languages_without_a_grammar_fold_by_indentation() -> None:
    """Ruby has no row here; its methods fold, the asked one stays."""
    text = folded(RUBY * 3, "Where is second defined?").text
    assert "  def first(a, b = 1)\n    # lines 5-8\n  end" in text
    assert "    step 7" in text
    assert "step 3" not in text


PLAIN = {
    "lua": ("local M = {}\n\nfunction M.load(path)\n@@end\n\nreturn M\n", "  --"),
    "bash": ("set -eu\n\nload() {\n@@}\n\nif [ -f x ]; then\n  load\nfi\n", "  #"),
    "ruby": ("class Ferry\n  def load(cars, options = {})\n@@  end\nend\n", "  #"),
    "swift": ("import Foundation\n\nfinal class Ferry: NSObject {\n    init(n: Int) {\n@@    }\n    func load(_ key: String) -> Int? {\n@@    }\n}\n", "  //"),
    "kotlin": ("package app\n\ndata class Ferry(val n: Int) {\n    fun load(key: String): Int? {\n@@    }\n}\n", "  //"),
}  # fmt: skip


@pytest.mark.parametrize("language", PLAIN)
def test_comments_of_other_languages_begin_as_they_do_there(language: str) -> None:
    """What stands for a body is a comment in the language, and never more bodies are gone than there were."""
    source, mark = PLAIN[language]
    made = folded(source.replace("@@", "".join(f'        if key == "k{i}" {{ step({i}) }}\n' for i in range(12))))
    assert f"{mark} lines " in made.text
    assert "step(7)" not in made.text
    bodies, functions = map(int, re.findall(r"bodies of (\d+) of (\d+) functions", str(made.left_out))[0])
    assert bodies == functions == source.count("@@")


def test_methods_of_generic_types_have_their_owners_name() -> None:
    """Go writes the parameters of a type behind its name; the symbol is called as the type is."""
    source = "package a\n\nfunc (s *Store[K, V]) Get(key K) V {\n\treturn s.m[key]\n}\n"
    assert list(symbols(source, "go")) == ["Store.Get"]


def test_symbols_give_definitions_back() -> None:
    """A definition comes back by its qualified name, decorators included; numbered text keeps its gutter."""
    source = SOURCES["python"]
    assert pick_symbol(source, "code", "Box.tiny").text == "    def tiny(self):\n        return 1\n"
    assert pick_symbol(source, "code", "first").text.startswith("@decorated(1)\nasync def first(")
    assert places(source, "missing") == []
    assert symbols(source)["Box.second.inner"][0] > symbols(source)["Box.second"][0]
    numbered = "\n".join(f"{i}\t{line}" for i, line in enumerate(source.split("\n"), 1))
    assert pick_symbol(numbered, "code", "Box.tiny").text.endswith("\t        return 1\n")


def test_symbols_say_on_which_lines_they_stand() -> None:
    """Always lines, of the place where the definition is, also where the same text stands earlier; two come with headings."""
    source = "class A:\n    def f(self):\n        return 1\n\n\nclass B:\n    def f(self):\n        return 1\n"
    assert pick_symbol(source, "code", "B.f").what == "B.f, lines 7-8 of 8"
    both = pick_symbol(source, "code", "f")
    assert both.what == "f, lines 2-3, 7-8 of 8"
    assert both.text == "lines 2-3:\n" + "    def f(self):\n        return 1\n" + (
        "lines 7-8:\n" + "    def f(self):\n        return 1\n"
    )


INITIALISERS = {
    "java": "import java.util.*;\n\npublic class Rates {\n    static final Map<String, Integer> ALL = new HashMap<>();\n"
    "    static {\n@@    }\n\n    {\n@@    }\n\n    int of(String code) {\n        return ALL.get(code);\n    }\n}\n",
    "javascript": "import { load } from './load.js'\n\nexport class Rates {\n    static {\n@@    }\n\n    of(code) {\n"
    "        return this.all[code]\n    }\n}\n",
}


@pytest.mark.parametrize("language", INITIALISERS)
def test_initialisers_fold_and_come_back_by_name(language: str) -> None:
    """However much of its file a block that runs by itself fills, it folds, and is called back as ``Rates.static``."""
    puts = "".join(f'        ALL.put("C{i}", {i * 7});\n' for i in range(60))
    source = INITIALISERS[language].replace("@@", puts)
    short = folded(source, "How does of look a rate up?").text
    assert "C40" not in short
    assert "static { /* lines " in short
    assert _tree.errors(short.encode(), language) == 0
    assert '        ALL.put("C40", 280);\n' in pick_symbol(source, "code", "Rates.static").text
    assert language != "java" or '"C40"' in pick_symbol(source, "code", "Rates.initializer").text


BAD = ["", "\n", "x" * 3_000_000, "\x00def f():\n", "def f():\n    return '\ud800'\n" * 50, "{" * 20_000, "(\n" * 20_000,
       "def f(" * 3_000, "import os\ndef f():\n", "\r\n".join(["def f():", *["    x = 1"] * 9, ""]),
       "\n".join(" " * i + f"def f{i}():" for i in range(3_000)), "\n".join("\t" * i + f"func f{i}() {{" for i in range(3_000)),
       "\n".join(" " * i + f"function f{i}() {{" for i in range(1_500)) + "}" * 1_500]  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_input_takes_bounded_time(text: str) -> None:
    """Broken, deep and huge texts neither raise nor hang."""
    start = time.process_time()
    result = rewrite(text, "How does f1 work?")
    assert result is None or len(result.text) <= len(text)
    assert time.process_time() - start < 8


def test_files_keep_the_asked_function_and_every_signature() -> None:
    """On real files of seven languages: three functions each, verbatim; all signatures; no new syntax error."""
    if not data.have("code", "files", "INDEX.jsonl"):
        pytest.skip("the data files are not here")
    choose = random.Random(3)
    for row in [r for r in data.rows("code", "files", "INDEX.jsonl") if r["bytes"] < 25_000][::3]:
        source = (data.root() / "data" / row["file"]).read_bytes().decode()
        made = outline(source)
        assert made is not None
        functions = [s for s in made.symbols if s.kind == "function" and s.name and s.style != "macro"]
        for item in choose.sample(functions, min(2, len(functions))):
            result = rewrite(source, f"How does {item.name.rsplit('.', 1)[-1]} work?")
            text = source if result is None else result.text
            assert made.data[item.start : item.end].decode() in text, (row["file"], item.name)
            assert (_tree.errors(text.encode(), made.language) or 0) <= made.broken, row["file"]
            kept = [flat(made.data[s.start : s.fold[0]].decode()).rstrip("{ ") in flat(text) for s in functions]
            assert sum(kept) >= 0.99 * len(kept), row["file"]


def test_a_name_in_brackets_is_a_name() -> None:
    """A function under a computed name stays when it is asked for so; an index does not hide the name before it."""
    assert asked("Where is app[method] defined?").names[0] == "app[method]"
    assert asked("What does load_rows[3] hold?").names[:2] == ("load_rows[3]", "load_rows")
