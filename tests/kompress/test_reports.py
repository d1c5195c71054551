"""Made questions about tables: the evidence is whole units, as the compressor reads them."""

from __future__ import annotations

from headroom_core.evals.kompress_curves import sheet
from headroom_core.evals.kompress_sets import joined, whole_pages
from headroom_core.training.kompress_reports import made


def test_made_questions_have_whole_units_as_evidence():
    """Each question has evidence in one of its reports; every piece of it is one sentence or row, marks aside."""
    for item in made(150, seed=3):
        page = sheet(item)
        texts = page.unit_texts()
        assert 1 <= len(page.gold) <= 2, item
        assert len({page.units[i][0] for unit in page.gold for i in unit}) == 1
        spans = [d["text"][s:e] for d in item["documents"] for s, e in d["evidence"]]
        assert [[texts[i].strip() for i in unit] for unit in page.gold] == [[span] for span in spans]


def test_a_seed_makes_the_same_questions():
    """Two calls agree, another seed asks otherwise."""
    assert made(20, seed=1) == made(20, seed=1)
    assert made(20, seed=1) != made(20, seed=2)


def passage(title: str, text: str, evidence: str = "") -> dict[str, object]:
    """A document with its evidence."""
    spans = [[text.index(evidence), text.index(evidence) + len(evidence)]] if evidence else []
    return {"title": title, "text": text, "evidence": spans, "answer_spans": []}


def test_documents_joined_keep_their_evidence():
    """Spans move with the text in front of them."""
    whole = joined([passage("", "One. Two.", "Two."), passage("", "Three. Four.", "Four.")])
    assert whole["text"] == "One. Two.\n\nThree. Four."
    assert [whole["text"][s:e] for s, e in whole["evidence"]] == ["Two.", "Four."]


def test_a_whole_page_holds_all_its_passages():
    """Passages of one title make a text, in their order; the evidence is that of the question alone; short pages are left out."""
    long = "The harbour has two piers. " * 300
    rows = [
        {
            "source": "squad_du",
            "title": "Lenvik",
            "text": "Ada Moen built it. It is old.",
            "evidence": "Ada Moen built it.",
        },
        {"source": "squad_du", "title": "Lenvik", "text": long, "evidence": ""},
        {"source": "squad_du", "title": "Hamn", "text": "Hamn is small.", "evidence": "Hamn is small."},
        {"source": "squad_du", "title": "Lenvik", "text": long[:6000], "evidence": "The harbour has two piers."},
    ]
    items = [
        {
            "id": str(k),
            "source": row["source"],
            "query": "?",
            "answers": [],
            "answerable": bool(row["evidence"]),
            "documents": [passage(row["title"], row["text"], row["evidence"])],
        }
        for k, row in enumerate(rows)
    ]
    first, last = whole_pages(items)
    assert [i["id"] for i in (first, last)] == ["page:0", "page:3"]
    assert (
        first["documents"][0]["text"]
        == last["documents"][0]["text"]
        == "\n\n".join(row["text"] for row in rows if row["title"] == "Lenvik")
    )
    [(start, end)] = first["documents"][0]["evidence"]
    assert first["documents"][0]["text"][start:end] == "Ada Moen built it."
