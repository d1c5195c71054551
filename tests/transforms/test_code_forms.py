"""Forms of definitions that fold or must not: macros, expressions, callbacks, declarations, and what is no program."""

from __future__ import annotations

import pytest

from headroom_core import compress
from headroom_core.syntax.outline import outline

_STEPS = "\n".join(f"        total_{i} = total_{i} + weight * {i};" for i in range(14))


def _short(text: str, query: str | None = None) -> str:
    return compress(text, kind="code", query=query).text


def test_a_rust_macro_folds_and_its_name_stays() -> None:
    """The rules of a long macro go; a function beside it keeps its head."""
    arms = "\n".join(f"    ($a:expr, {i}) => {{ $a + {i} }};" for i in range(20))
    body = "\n".join(f"    let v{i} = seed * {i} + offset;" for i in range(20))
    text = f"macro_rules! scaled {{\n{arms}\n}}\n\npub fn weigh(seed: u64, offset: u64) -> u64 {{\n{body}\n    v1\n}}\n"
    short = _short(text)
    assert "macro_rules! scaled" in short
    assert "pub fn weigh(seed: u64, offset: u64) -> u64" in short
    assert "($a:expr, 13)" not in short
    assert "let v13" not in short


def test_a_callback_of_a_test_suite_is_looked_into() -> None:
    """``describe`` only wraps: each test keeps its title, the bodies go."""
    tests = "\n".join(
        f'  it("adds {word}", () => {{\n'
        + "\n".join(f"    expect(add({i}, {i})).toBe({2 * i});" for i in range(12))
        + "\n  });"
        for word in ("small", "large", "negative")
    )
    helper = "function helper(a, b) {\n" + "\n".join(f"  a += b * {i};" for i in range(60)) + "\n  return a;\n}\n"
    short = _short(f'{helper}\ndescribe("add", () => {{\n{tests}\n}});\n')
    assert 'it("adds negative"' in short
    assert "a += b * 31" not in short


def test_an_arrow_that_is_one_expression_folds() -> None:
    """A long expression after ``=>`` is a body like any other."""
    items = "\n".join(f"  first.part{i} + second.part{i} * weight +" for i in range(24))
    short = _short(f"export const sum = (first, second, weight) =>\n{items}\n  0;\n\nexport const other = 1;\n")
    assert "export const sum = (first, second, weight) =>" in short
    assert "first.part17" not in short


def test_declarations_without_bodies_stay() -> None:
    """An abstract method and an empty macro have nothing to fold, and the file around them still folds."""
    text = (
        "#define EMPTY(x)\n#define TWICE(x) ((x) * 2)\nint declared(int a, int b);\n\nint made(int total_1, int weight) {\n"
        + "\n".join(f"    total_1 = total_1 + weight * {i};" for i in range(40))
        + "\n    return total_1;\n}\n"
    )
    short = _short(text)
    for kept in ("#define EMPTY(x)", "#define TWICE(x) ((x) * 2)", "int declared(int a, int b);", "int made("):
        assert kept in short
    assert "weight * 21" not in short


def test_a_line_as_long_as_a_file_is_no_program() -> None:
    """Minified code has no outline: nobody reads it by symbols."""
    assert outline("var a = [" + "1, " * 40_000 + "1];\nfunction f() { return 1; }\n") is None


@pytest.mark.parametrize("query", ["How is inner weighed?", None])
def test_a_function_inside_an_unnamed_one_is_found_by_name(query: str | None) -> None:
    """Names inside an immediately called function stand under nothing, and the one that is asked for stays whole."""
    inner = f"    function innerWeight(weight) {{\n{_STEPS}\n        return total_3;\n    }}"
    other = f"    function outerPart(weight) {{\n{_STEPS}\n        return total_4;\n    }}"
    short = _short(
        f"(function () {{\n{inner}\n{other}\n    window.api = innerWeight;\n}})();\n",
        "What does innerWeight do?" if query else None,
    )
    assert "function innerWeight(weight)" in short
    assert ("total_9 = total_9" in short) == bool(query)
