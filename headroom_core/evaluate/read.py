"""Reads the user's traffic: a file or a folder of JSON, JSON lines or Parquet, each value recognised by its own shape.

Known are conversations (OpenAI chat and responses, Anthropic, Gemini, Bedrock, LangChain, LlamaIndex; a list of
messages, or a request with ``messages`` or ``input``), LangSmith runs, OTLP JSON by the GenAI conventions, and questions
over documents: ``{"question", "documents" or "document", "answers"?, "evidence"?}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headroom_core.errors import InvalidInput, MissingExtra

from .conversation import Conversation, Raw, as_dict, as_dicts
from .frameworks import from_langchain, from_llama_index, is_langchain, is_llama_index
from .traces import Call, from_otlp, from_run, is_otlp, is_run, longest

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".parquet")
_QUESTION = ("question", "query")
_DOCUMENTS = ("documents", "document", "contexts", "context", "passages", "text")
_KNOWN = (
    "a list of chat messages, a request with messages, LangSmith runs, OTLP JSON with gen_ai attributes, "
    "or lines with a question and documents"
)


def read_traffic(path: str | Path) -> list[Conversation]:
    """Every conversation under ``path``, files in the order of their names.

    Raises ``InvalidInput`` where nothing is there, a file is no JSON, or a value is of no known shape.
    """
    root = Path(path)
    if not root.exists():
        raise InvalidInput(f"There is no file or folder {str(path)!r}.")
    files = sorted(f for f in root.rglob("*") if f.suffix in _SUFFIXES and f.is_file()) if root.is_dir() else [root]
    if not files:
        raise InvalidInput(f"The folder {str(path)!r} holds no file that ends in {', '.join(_SUFFIXES)}.")
    found: list[Conversation] = []
    runs: list[Call] = []
    spans: list[Call] = []
    for file in files:
        name = file.name if file == root else file.relative_to(root).as_posix()
        for at, value in enumerate(_values(file)):
            _sort(value, f"{name}:{at + 1}" if file.suffix != ".json" else name, found, runs, spans)
    found += [*longest(runs, "langsmith"), *longest(spans, "opentelemetry")]
    if not found:
        raise InvalidInput(f"{str(path)!r} holds traces, but none with the messages of a model call.")
    return found


def _values(file: Path) -> Iterator[Any]:
    """The JSON values of a file: one, or one a line; the rows of a Parquet file, as LangSmith exports in bulk."""
    if file.suffix == ".parquet":
        yield from _table_rows(file)
        return
    text = file.read_text(encoding="utf-8-sig", errors="surrogateescape")
    try:
        if file.suffix == ".json":
            yield json.loads(text)
            return
    except ValueError as error:
        if "\n" not in text.strip():
            raise InvalidInput(f"{file.name} is no JSON: {error}.") from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise InvalidInput(f"{file.name}, line {number} is no JSON: {error}.") from None


def _table_rows(file: Path) -> Iterator[Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise MissingExtra("pyarrow", "bulk") from None
    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            for batch in opened.iter_batches(batch_size=256):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise InvalidInput(f"{file.name} is no Parquet: {error}.") from None


def _sort(value: Any, name: str, found: list[Conversation], runs: list[Call], spans: list[Call]) -> None:
    """Put a value where it belongs."""
    if is_otlp(value):
        spans += from_otlp(value)
    elif is_run(value):
        call = from_run(value)
        runs += [call] if call else []
    elif isinstance(value, Mapping) and isinstance(value.get("runs"), list):
        _sort(value["runs"], name, found, runs, spans)
    elif _is_message(value):
        raise InvalidInput(f"{name} is a single message; a conversation is a list of them.")
    elif isinstance(value, list) and value and not any(map(_is_message, value)):
        for at, inner in enumerate(value, 1):
            _sort(inner, f"{name}#{at}", found, runs, spans)
    else:
        found.append(_conversation(value, name))


def _is_message(value: Any) -> bool:
    if not isinstance(value, Mapping) or any(key in value for key in ("messages", "run_type")):
        return False
    items = ("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning")
    return isinstance(value.get("role"), str) or is_langchain(value) or value.get("type") in items


def _conversation(value: Any, name: str) -> Conversation:
    if isinstance(value, list):
        return _of_messages(value, name, {})
    if isinstance(value, Mapping):
        body = next((value[key] for key in ("request", "body", "kwargs") if _has_messages(value.get(key))), value)
        if _has_messages(body):
            messages = next(body[key] for key in ("messages", "input", "contents", "chat_history") if key in body)
            whole = [*messages, *_answered(value)]
            return _of_messages(whole, str(value.get("id") or name), body)
        question = next((value[key] for key in _QUESTION if isinstance(value.get(key), str)), None)
        documents = next((value[key] for key in _DOCUMENTS if value.get(key)), None)
        if question is not None and documents is not None:
            return _of_documents(value, question, documents, name)
    raise InvalidInput(f"{name} is of no known shape. It must be {_KNOWN}.")


def _has_messages(body: Any) -> bool:
    keys = ("messages", "input", "contents", "chat_history")
    return isinstance(body, Mapping) and any(isinstance(body.get(key), list) for key in keys)


def _answered(value: Raw) -> Sequence[Raw]:
    """The response recorded beside a request: OpenAI's chat and responses form, or Anthropic's."""
    response = as_dict(value.get("response"))
    if choices := as_dicts(response.get("choices")):
        return [as_dict(choices[0].get("message"))]
    if output := as_dicts(response.get("output")):
        return output
    return [response] if response.get("role") else ()


def _of_messages(messages: Sequence[Any], name: str, body: Raw) -> Conversation:
    if not messages or not all(isinstance(raw, Mapping) for raw in messages):
        raise InvalidInput(f"{name} holds something that is no message. It must be {_KNOWN}.")
    source, made = _plain(messages)
    system = body.get("system") or body.get("instructions")
    if system:
        made.insert(0, {"role": "system", "content": system})
    tools = body.get("tools")
    return Conversation(
        name,
        source,
        tuple(made),
        json.dumps(tools) if tools else "",
        model if isinstance(model := body.get("model"), str) else None,
    )


def _plain(messages: Sequence[Raw]) -> tuple[str, list[Raw]]:
    """The format's name, and the messages as dicts that the core reads."""
    if any(is_langchain(raw) for raw in messages):
        return "langchain", [from_langchain(raw) if is_langchain(raw) else raw for raw in messages]
    if any(is_llama_index(raw) for raw in messages):
        return "llama-index", [from_llama_index(raw) if is_llama_index(raw) else raw for raw in messages]
    contents = [raw["content"] for raw in messages if isinstance(raw.get("content"), list)]
    blocks = [block for content in contents for block in content]
    kinds = {str(block.get("type")) for block in blocks if isinstance(block, Mapping)}
    if kinds & {"tool_use", "tool_result", "thinking"}:
        return "anthropic", list(messages)
    if any("parts" in raw for raw in messages):
        return "gemini", list(messages)
    if any(isinstance(b, Mapping) and ("toolUse" in b or "toolResult" in b) for b in blocks):
        return "bedrock", list(messages)
    return "openai", list(messages)


def _of_documents(value: Raw, question: str, documents: Any, name: str) -> Conversation:
    """A question over documents, as a retriever tool hands them to a model: one output, documents apart by a blank line."""
    found = documents if isinstance(documents, list) else [documents]
    texts = [_text_of(document, name) for document in found]
    messages = (
        {"role": "user", "content": question},
        {"role": "tool", "name": "documents", "content": "\n\n".join(texts)},
    )
    answers = value.get("answers") or value.get("answer") or ()
    evidence = value.get("evidence") or ()
    return Conversation(
        str(value.get("id") or name),
        "documents",
        messages,
        answers=tuple(map(str, answers if isinstance(answers, (list, tuple)) else [answers])),
        evidence=tuple(map(str, evidence if isinstance(evidence, (list, tuple)) else [evidence])),
    )


def _text_of(document: Any, name: str) -> str:
    if isinstance(document, str):
        return document
    if isinstance(document, Mapping):
        for key in ("text", "page_content", "content", "body"):
            if isinstance(document.get(key), str):
                title = document.get("title")
                return f"{title}\n{document[key]}" if isinstance(title, str) and title else str(document[key])
    raise InvalidInput(f"{name} holds a document without text; give strings, or dicts with text or page_content.")
