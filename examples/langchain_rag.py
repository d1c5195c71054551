"""Retrieval: documents are cut to what the question needs before they reach the prompt; originals stay at hand.

python examples/langchain_rag.py                             # offline: a scripted model
python examples/langchain_rag.py --live openai:gpt-5-mini    # a real model (its key in the environment)
"""

from __future__ import annotations

import argparse
import json

from langchain.chat_models import init_chat_model
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough

from headroom_core import Compressor
from headroom_integrations.langchain import HeadroomDocumentCompressor, HeadroomRetriever, retrieve_tool
from headroom_integrations.langchain.testing import ScriptedChatModel

QUESTION = "Which pump ran too hot?"


class Readings(BaseRetriever):
    """Finds the tables of the plant; a vector store stands here in real life."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [
            Document(
                json.dumps([{"pump": f"{hall}-{n}", "celsius": 41 + n % 5, "state": "ok"} for n in range(150)])
                if hall != "B"
                else json.dumps(
                    [
                        {
                            "pump": f"B-{n}",
                            "celsius": 97 if n == 88 else 40 + n % 6,
                            "state": "hot" if n == 88 else "ok",
                        }
                        for n in range(150)
                    ]
                ),
                id=hall,
                metadata={"source": f"hall-{hall}.json", "score": 0.9},
            )
            for hall in "ABC"
        ]


def scripted() -> BaseChatModel:
    """Reads the answer out of the prompt."""

    def answer(messages: list[BaseMessage]) -> AIMessage:
        return AIMessage("Pump B-88 ran hot, at 97 degrees." if "97" in messages[-1].text else "None that I can see.")

    return ScriptedChatModel(script=[answer])


def main(model: BaseChatModel) -> str:
    """Answer one question over compressed documents."""
    compressor = Compressor()
    cut = HeadroomDocumentCompressor(compressor=compressor, target_ratio=0.15)
    retriever = HeadroomRetriever(base=Readings(), document_compressor=cut)
    prompt = ChatPromptTemplate.from_template("Answer from these readings.\n\n{context}\n\nQuestion: {question}")
    documents = retriever.invoke(QUESTION)
    for document in documents:
        print(document.id, document.metadata)
        print(document.page_content[:300])
    chain = (
        {"context": lambda question: "\n\n".join(d.page_content for d in documents), "question": RunnablePassthrough()}
        | prompt
        | model
        | StrOutputParser()
    )
    answer = chain.invoke(QUESTION)
    print(answer)
    ref = documents[1].metadata["headroom"]["ref"]
    print(retrieve_tool(compressor).invoke({"ref": ref, "rows": "88"}))
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", metavar="MODEL", help="a real chat model, for example openai:gpt-5-mini")
    name = parser.parse_args().live
    main(init_chat_model(name) if name else scripted())
