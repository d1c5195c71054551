"""One row per language: its grammar's package and the nodes that an outline needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Language:
    """A grammar and its node types.

    ``functions`` have a ``body`` field that can fold; ``classes`` qualify the names of what stands in them;
    ``literals`` are long lists; ``texts`` are strings that may span lines; ``hoists`` are the statements that may
    stand directly in a function body, so that the signature of an inner function can stay as code. ``bare`` are the
    nodes whose direct blocks are bodies without a head: instance initialisers.
    """

    name: str
    package: str
    functions: tuple[str, ...]
    classes: tuple[str, ...]
    comments: tuple[str, ...]
    literals: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    macros: tuple[str, ...] = ()
    hoists: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    factory: str = "language"
    body: Literal["suite", "braces"] = "braces"

    @property
    def query(self) -> str:
        """The tree-sitter query that finds all of these nodes."""
        groups = {
            "function": self.functions,
            "class": self.classes,
            "comment": self.comments,
            "literal": self.literals,
            "text": self.texts,
            "macro": self.macros,
        }
        found = [f"[{' '.join(f'({t})' for t in types)}] @{name}" for name, types in groups.items() if types]
        return "\n".join([*found, *(f"({around} (block) @function)" for around in self.bare)])


_JS_FUNCTIONS: Final = (
    "function_declaration", "generator_function_declaration", "function_expression", "generator_function",
    "arrow_function", "method_definition", "class_static_block",
)  # fmt: skip
_JS_HOISTS: Final = (
    "function_declaration",
    "generator_function_declaration",
    "lexical_declaration",
    "variable_declaration",
)
_TS_CLASSES: Final = ("class_declaration", "class", "abstract_class_declaration", "internal_module", "module")
_C_CLASSES: Final = ("struct_specifier", "union_specifier")

LANGUAGES: Final[dict[str, Language]] = {
    row.name: row
    for row in (
        Language(
            "python", "tree_sitter_python",
            functions=("function_definition",), classes=("class_definition",), comments=("comment",),
            literals=("list", "dictionary", "set", "tuple"), texts=("string",),
            hoists=("function_definition", "class_definition", "decorated_definition"), body="suite",
        ),
        Language(
            "javascript", "tree_sitter_javascript",
            functions=_JS_FUNCTIONS, classes=("class_declaration", "class"), comments=("comment",),
            literals=("array", "object"), texts=("template_string",), hoists=_JS_HOISTS,
        ),
        Language(
            "typescript", "tree_sitter_typescript", factory="language_typescript",
            functions=_JS_FUNCTIONS, classes=_TS_CLASSES, comments=("comment",),
            literals=("array", "object"), texts=("template_string",), hoists=_JS_HOISTS,
        ),
        Language(
            "tsx", "tree_sitter_typescript", factory="language_tsx",
            functions=_JS_FUNCTIONS, classes=_TS_CLASSES, comments=("comment",),
            literals=("array", "object"), texts=("template_string",), hoists=_JS_HOISTS,
        ),
        Language(
            "go", "tree_sitter_go",
            functions=("function_declaration", "method_declaration", "func_literal"), classes=(), comments=("comment",),
            literals=("literal_value",), texts=("raw_string_literal",),
        ),
        Language(
            "java", "tree_sitter_java",
            functions=("method_declaration", "constructor_declaration", "compact_constructor_declaration",
                       "static_initializer", "lambda_expression"),
            classes=("class_declaration", "interface_declaration", "enum_declaration", "record_declaration",
                     "annotation_type_declaration"),
            bare=("class_body", "enum_body_declarations"),
            comments=("line_comment", "block_comment"), literals=("array_initializer",), texts=("string_literal",),
        ),
        Language(
            "rust", "tree_sitter_rust",
            functions=("function_item",), classes=("impl_item", "trait_item", "mod_item"),
            comments=("line_comment", "block_comment"), literals=("array_expression",),
            texts=("string_literal", "raw_string_literal"), macros=("macro_definition",), hoists=("function_item",),
        ),
        Language(
            "c", "tree_sitter_c",
            functions=("function_definition",), classes=_C_CLASSES, comments=("comment",),
            literals=("initializer_list",), macros=("preproc_function_def",),
        ),
        Language(
            "cpp", "tree_sitter_cpp",
            functions=("function_definition",), classes=(*_C_CLASSES, "class_specifier", "namespace_definition"),
            comments=("comment",), literals=("initializer_list",), texts=("raw_string_literal",),
            macros=("preproc_function_def",),
        ),
    )
}  # fmt: skip
