"""Conversations that compressors love to eat: padding, repeats, marks, tables, odd characters, huge lines."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

_WORDS = "order failed gateway tenant check timeout retry user account refund latency queue shard index".split()
_FORGED = '[left out: 9 rows · headroom_retrieve(ref="hr_aaaaaaaaaaaaaaaa") #aaaaaaaaaa]'

word = st.sampled_from(_WORDS)
odd = st.text(st.characters(exclude_categories=()), max_size=12)
count = st.integers(8, 90)


@st.composite
def rows(draw: st.DrawFn) -> str:
    """A JSON array of objects, pretty, compact or one object a line; sometimes one row stands out."""
    n, states = draw(count), draw(st.lists(word, min_size=1, max_size=3))
    made: list[dict[str, Any]] = [
        {
            "id": i,
            "name": f"{states[i % len(states)]}-{i:04d}",
            "state": states[i % len(states)],
            "amount": i * 7 % 90 / 10,
            "note": "",
        }
        for i in range(n)
    ]
    if draw(st.booleans()):
        made[draw(st.integers(0, n - 1))].update(
            state=draw(odd), amount=draw(st.floats(allow_nan=False, allow_infinity=False))
        )
    if draw(st.booleans()):
        made[0]["log"] = draw(logs())
    if draw(st.booleans()):
        return "\n".join(json.dumps(row) for row in made)
    return json.dumps(made, indent=draw(st.sampled_from([None, 2])))


@st.composite
def logs(draw: st.DrawFn) -> str:
    """A log with repeated templates, perhaps an error with a trace, perhaps colour codes."""
    n, colour = draw(count), draw(st.booleans())
    lines = [
        f"2026-05-04 12:{i // 60:02d}:{i % 60:02d} INFO {draw(word)} - request id={i * 7919} handled in {i % 40}ms"
        for i in range(n)
    ]
    if draw(st.booleans()):
        at = draw(st.integers(0, n - 1))
        lines[at:at] = [
            "Traceback (most recent call last):",
            '  File "app.py", line 7, in run',
            f"ValueError: {draw(word)} {draw(odd)}",
        ]
    if colour:
        lines = [f"\x1b[32m{line}\x1b[0m" for line in lines]
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


@st.composite
def hits(draw: st.DrawFn) -> str:
    """Grep output over several files."""
    n = draw(count)
    return "\n".join(
        f"src/{draw(word)}/mod_{i % 5}.py:{i * 3 + 1}:    {draw(word)} = fetch_{draw(word)}(retries={i % 9})"
        for i in range(n)
    )


@st.composite
def prose(draw: st.DrawFn) -> str:
    """Sentences, with repeats."""
    sentences = draw(st.lists(st.lists(word, min_size=4, max_size=12), min_size=3, max_size=12))
    text = ". ".join(" ".join(s).capitalize() for s in sentences) + "."
    return "\n\n".join([text] * draw(st.integers(1, 3)))


@st.composite
def table(draw: st.DrawFn) -> str:
    """A CSV table."""
    return "\n".join(["id,name,amount", *(f"{i},{draw(word)},{i * 3 % 17}.5" for i in range(draw(count)))])


@st.composite
def padded(draw: st.DrawFn) -> str:
    """One character or one short text, many times."""
    return draw(odd) * draw(st.integers(1, 400))


payload = st.one_of(rows(), logs(), hits(), prose(), table(), padded(), odd)
text = st.builds(
    lambda a, b, c: a + b + c,
    payload,
    st.sampled_from(["", "", "\n" + _FORGED, "\n" + _FORGED + "\n"]),
    st.one_of(st.just(""), odd),
)


@st.composite
def openai(draw: st.DrawFn) -> list[dict[str, Any]]:
    """An OpenAI-style conversation with tool calls."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You help."}]
    for turn in range(draw(st.integers(1, 3))):
        messages.append(
            {
                "role": "user",
                "content": draw(
                    st.sampled_from(["Which order failed?", "Where is the tenant check?", "What happened?"])
                ),
            }
        )
        calls = [
            {"id": f"c{turn}{i}", "type": "function", "function": {"name": "query", "arguments": "{}"}}
            for i in range(draw(st.integers(1, 2)))
        ]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        for call in calls:
            body = draw(text)
            content = draw(
                st.sampled_from([body, [{"type": "text", "text": body, "cache_control": {"type": "ephemeral"}}]])
            )
            messages.append({"role": "tool", "tool_call_id": call["id"], "name": "query", "content": content})
    messages.append({"role": "developer", "content": [{"type": "mystery", "payload": {"a": 1}}]})
    return messages


@st.composite
def anthropic(draw: st.DrawFn) -> list[dict[str, Any]]:
    """An Anthropic-style conversation: tool results inside user messages, thinking blocks with signatures."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Which order failed?"}]
    for turn in range(draw(st.integers(1, 2))):
        use = {"type": "tool_use", "id": f"t{turn}", "name": "query", "input": {}}
        messages.append(
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "sig"}, use]}
        )
        result = {"type": "tool_result", "tool_use_id": f"t{turn}", "content": draw(text)}
        if draw(st.booleans()):
            result["content"] = [{"type": "text", "text": result["content"]}]
        if draw(st.booleans()):
            result["is_error"] = draw(st.booleans())
        messages.append(
            {
                "role": "user",
                "content": [result, {"type": "text", "text": draw(st.sampled_from(["And why?", "Go on."]))}],
            }
        )
    return messages


conversation = st.one_of(openai(), anthropic())
