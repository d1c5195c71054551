"""A prompt template whose messages come compressed, for what builds its own requests from a template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import BasePromptTemplate
from pydantic import Field

Messages = Callable[[list[ChatMessage]], list[ChatMessage]]
Prompt = Callable[[str], str]


class CompressedPrompt(BasePromptTemplate):
    """Formats as ``prompt`` does, then compresses. The caller's template is never changed."""

    prompt: BasePromptTemplate
    on_messages: Any = Field(exclude=True, repr=False)
    on_text: Any = Field(exclude=True, repr=False)

    def partial_format(self, **kwargs: Any) -> CompressedPrompt:
        """The same with some variables filled in."""
        return self.model_copy(update={"prompt": self.prompt.partial_format(**kwargs)})

    def format(self, llm: BaseLLM | None = None, **kwargs: Any) -> str:
        """The prompt as text."""
        text = self.on_text(self.prompt.format(llm=llm, **kwargs))
        return self.output_parser.format(text) if self.output_parser else text

    def format_messages(self, llm: BaseLLM | None = None, **kwargs: Any) -> list[ChatMessage]:
        """The prompt as messages."""
        messages: list[ChatMessage] = self.on_messages(self.prompt.format_messages(llm=llm, **kwargs))
        return self.output_parser.format_messages(messages) if self.output_parser else messages

    def get_template(self, llm: BaseLLM | None = None) -> str:
        """The caller's template."""
        return self.prompt.get_template(llm=llm)


def compressed_prompt(prompt: BasePromptTemplate, on_messages: Messages, on_text: Prompt) -> CompressedPrompt:
    """The template with what it formats compressed by the two functions."""
    return CompressedPrompt(
        prompt=prompt,
        on_messages=on_messages,
        on_text=on_text,
        metadata=prompt.metadata,
        template_vars=prompt.template_vars,
        kwargs=prompt.kwargs,
        output_parser=None,
        template_var_mappings=prompt.template_var_mappings,
        function_mappings=prompt.function_mappings,
    )
