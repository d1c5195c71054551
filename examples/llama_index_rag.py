"""Retrieval: nodes are cut to what the question needs before they reach the prompt; originals stay at hand.

python examples/llama_index_rag.py                         # offline: a scripted model
python examples/llama_index_rag.py --live gpt-5-mini       # a real model of OpenAI (its key in the environment)
"""

from __future__ import annotations

from llama_index.core import QueryBundle, get_response_synthesizer
from llama_index.core.llms import LLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode

from headroom_core import Compressor
from headroom_integrations.llama_index import HeadroomEventHandler, HeadroomNodePostprocessor, retrieve_tool
from headroom_integrations.llama_index.testing import ScriptedLLM, run_example, says

QUESTION = "At what temperature did pump B-88 run on Tuesday?"
REPORT = (
    "Hall {hall} holds ninety pumps of three makers. They were painted green in the spring of 1990, which nobody liked. "
    "{fact} The floor of the hall is made of oak, and visitors may enter on Sundays. Tickets are sold at the gate, and "
    "children pay half. The canteen opens at eleven. "
)
FACTS = {
    "A": "No pump of hall A was serviced this year.",
    "B": "Pump B-88 ran at a temperature of 97 degrees on Tuesday.",
    "C": "The roof of hall C was repaired in May.",
}


class Reports(BaseRetriever):
    """Finds the reports of the plant; an index stands here in real life."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [
            NodeWithScore(
                node=TextNode(text=REPORT.format(hall=hall, fact=fact), id_=hall, metadata={"file": f"{hall}.txt"}),
                score=0.9,
            )
            for hall, fact in FACTS.items()
        ]


def scripted() -> LLM:
    """Reads the answer out of the prompt."""
    return ScriptedLLM(
        script=[lambda messages: says("97 degrees." if "97" in str(messages[-1].content) else "Unknown.")]
    )


def main(llm: LLM) -> str:
    """Answer one question over compressed nodes."""
    savings = HeadroomEventHandler().attach()
    compressor = Compressor()
    engine = RetrieverQueryEngine.from_args(
        Reports(),
        llm=llm,
        response_synthesizer=get_response_synthesizer(llm=llm),
        node_postprocessors=[HeadroomNodePostprocessor(compressor=compressor, target_ratio=0.3)],
    )
    response = engine.query(QUESTION)
    savings.detach()
    for source in response.source_nodes:
        print(source.node_id, source.score, source.text)
    print(savings)
    first = response.source_nodes[0].node.metadata["headroom"]
    print(retrieve_tool(compressor).call(ref=first["ref"], lines="1").content)
    print(response)
    return str(response)


if __name__ == "__main__":
    run_example(__doc__ or "", main, scripted)
