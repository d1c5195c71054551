"""What a call is bound to: its tools, a forced choice, a structured output; and how to swap the model inside a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableBinding, RunnableParallel, RunnableSequence
from langchain_core.runnables.fallbacks import RunnableWithFallbacks

STRUCTURED: Final = "headroom_structured"
"""Call argument by which a chain of ``with_structured_output`` says what it is."""

_FORMATS: Final = (
    "response_format",
    "response_schema",
    "response_json_schema",
    "output_format",
    "format",
    "guided_json",
)
_NESTED_FORMATS: Final = ("output_config", "text")
_FREE_CHOICES: Final[tuple[Any, ...]] = (None, "auto", {}, {"type": "auto"})


def restricted(arguments: Mapping[str, Any]) -> bool:
    """Must the model answer in a given form, so that it cannot call a tool of its own choice?

    True for a forced, named or forbidden tool choice and for a structured output. ``arguments`` are those of the
    call, laid over what the model was built with.
    """
    if arguments.get(STRUCTURED) or any(arguments.get(name) for name in _FORMATS):
        return True
    if any(isinstance(arguments.get(name), Mapping) and arguments[name].get("format") for name in _NESTED_FORMATS):
        return True
    choice = arguments.get("tool_choice")
    if isinstance(choice, Mapping):
        choice = {key: value for key, value in choice.items() if key == "type"}
    return choice not in _FREE_CHOICES or bool(arguments.get("function_call"))


def tool_name(tool: Any) -> str | None:
    """The name of a tool in any provider's format, or None."""
    if not isinstance(tool, Mapping):
        return getattr(tool, "name", None)
    if isinstance(tool.get("name"), str):
        return str(tool["name"])
    inner: Mapping[str, Any] = next(
        (tool[key] for key in ("function", "toolSpec") if isinstance(tool.get(key), Mapping)), {}
    )
    return inner.get("name")


def rebind(chain: Any, swap: Callable[[BaseChatModel], BaseChatModel], **arguments: Any) -> Any:
    """The same chain with every chat model in it exchanged by ``swap``, and ``arguments`` bound to each."""
    if isinstance(chain, RunnableBinding):
        if not _holds_model(chain.bound):
            return chain
        bound = rebind(chain.bound, swap)
        return chain.model_copy(update={"bound": bound, "kwargs": {**chain.kwargs, **arguments}})
    if isinstance(chain, BaseChatModel):
        model = swap(chain)
        return model.bind(**arguments) if arguments else model
    if isinstance(chain, RunnableSequence):
        steps: list[Runnable[Any, Any]] = [rebind(step, swap, **arguments) for step in chain.steps]
        return RunnableSequence(*steps, name=chain.name)
    if isinstance(chain, RunnableParallel):
        return RunnableParallel({key: rebind(step, swap, **arguments) for key, step in chain.steps__.items()})
    if isinstance(chain, RunnableWithFallbacks) and _holds_model(chain.runnable):
        inner = rebind(chain.runnable, swap, **arguments)
        others = [rebind(each, swap, **arguments) for each in chain.fallbacks]
        return chain.model_copy(update={"runnable": inner, "fallbacks": others})
    return chain


def _holds_model(chain: Any) -> bool:
    if isinstance(chain, RunnableBinding):
        return _holds_model(chain.bound)
    if isinstance(chain, RunnableSequence):
        return any(map(_holds_model, chain.steps))
    return isinstance(chain, BaseChatModel)
