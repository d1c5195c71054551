"""Questions that a row of a table answers, and wrapped lines: what texts of papers, reports and PDFs bring besides sentences.

Tables are built from agent data that trained nothing: flights of ``tau_bench`` (asked for one number of one flight) and
functions of ``json_payloads`` (asked for in the users' words). Each of five documents is a passage, a table of
``ROWS`` rows, and the rest of the passage; the row is the evidence. ``reports`` were written by hand.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headroom_core.evals.data import rows
from headroom_core.evals.kompress_sets import PAGES, Item, dev_rows, pool

ROWS, DOCUMENTS = 12, 5
REPORTS = Path(__file__).resolve().parents[1] / "training" / "data" / "reports_dev.jsonl"
Row = dict[str, str]
Table = Sequence[Sequence[str]]
"""Rows of cells, the names of the columns first."""


def reports() -> list[Item]:
    """One item per question about a report: tables between sentences, in other words than the rows'."""
    found = []
    with REPORTS.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            report = json.loads(line)
            for place, asked in enumerate(report["questions"]):
                document = {"title": "", "text": report["text"], "evidence": asked["evidence"], "answer_spans": []}
                row = {"source": "reports", "query": asked["query"], "answers": [], "answerable": True}
                found.append({"id": f"report {number}:{place}", **row, "documents": [document]})
    return found


def wrapped(items: Sequence[Item], width: int) -> list[Item]:
    """The items with lines of at most ``width`` characters (where words allow); offsets stay."""
    return [
        {
            **item,
            "id": f"{item['id']}:{width}",
            "documents": [{**d, "text": _wrapped(d["text"], width)} for d in item["documents"]],
        }
        for item in items
    ]


def _wrapped(text: str, width: int) -> str:
    found, start, blank = list(text), 0, -1
    for i, mark in enumerate(text + " "):
        if mark.isspace():
            if i - start > width and blank >= start:
                found[blank], start = "\n", blank + 1
            blank, start = (i, start) if mark == " " else (-1, i + 1)
    return "".join(found)


def tabled(seed: int = 0) -> list[Item]:
    """One item per flight and per function, in the four common layouts in turn."""
    draw = random.Random(seed)
    pages = [d["text"] for d in pool(dev_rows(), PAGES)]
    return [*_items("flights", _flights(), draw, pages), *_items("functions", _functions(), draw, pages)]


def _items(
    name: str, asked: Mapping[str, tuple[Row, list[str]]], draw: random.Random, pages: Sequence[str]
) -> Iterator[Item]:
    """Each question with its row in one of five tables of other rows."""
    keys = sorted(asked)
    for number, key in enumerate(keys):
        others = draw.sample([k for k in keys if k != key], DOCUMENTS * ROWS - 1)
        place = draw.randrange(DOCUMENTS * ROWS)
        others.insert(place, key)
        documents = []
        for at in range(0, len(others), ROWS):
            shown = [asked[k][0] for k in others[at : at + ROWS]]
            head, *lines = LAYOUTS[number % len(LAYOUTS)]([[*shown[0]], *([*row.values()] for row in shown)])
            before, _, after = draw.choice(pages).partition(". ")
            text = f"{before}.\n\n" + "\n".join(filter(None, [head, *lines])) + f"\n\n{after}"
            row = lines[place - at] if at <= place < at + ROWS else None
            start = text.index(row) if row else 0
            documents.append({"title": name, "text": text, "evidence": [[start, start + len(row)]] if row else []})
        yield {
            "id": f"{name}:{key}",
            "source": name,
            "query": draw.choice(asked[key][1]),
            "answers": [],
            "answerable": True,
            "documents": documents,
        }


def _flights() -> dict[str, tuple[Row, list[str]]]:
    """Each flight by its number, with questions for one of its cells."""
    found: dict[str, tuple[Row, list[str]]] = {}
    for row in rows("agent", "tau_bench.jsonl.gz"):
        for flight in _flights_in(json.loads(row["output"])) if row["is_json"] else ():
            own = {
                "flight": flight["flight_number"],
                "from": flight["origin"],
                "to": flight["destination"],
                "departure": flight["scheduled_departure_time_est"],
                "arrival": flight["scheduled_arrival_time_est"],
                **{f"{kind} seats": str(n) for kind, n in flight["available_seats"].items()},
                **{f"{kind} price": str(n) for kind, n in flight["prices"].items()},
            }
            own = {name.replace("_", " "): cell for name, cell in own.items()}
            questions = [f"What is the {name} of flight {own['flight']}?" for name in list(own)[3:]]
            found.setdefault(own["flight"], (own, questions))
    return found


def _flights_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and {"flight_number", "available_seats", "prices"} <= value.keys():
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _flights_in(inner)


def _functions() -> dict[str, tuple[Row, list[str]]]:
    """Each function that one user question calls for, with that question."""
    found: dict[str, tuple[Row, list[str]]] = {}
    for row in rows("agent", "json_payloads.jsonl.gz"):
        wanted = row.get("expected_tools") or []
        for function in row["json"] if len(wanted) == 1 else ():
            if function["name"] == wanted[0]:
                needs = ", ".join(function["parameters"].get("required", []))
                own = {
                    "name": function["name"],
                    "what it does": " ".join(function["description"].split()),
                    "needs": needs,
                }
                found.setdefault(function["name"], (own, [row["query"]]))
    return {name: own for name, own in found.items() if "|" not in own[0]["what it does"]}


def bars(table: Table) -> list[str]:
    """Markdown."""
    names, *rows = ("| " + " | ".join(row) + " |" for row in table)
    return [names + "\n|" + " --- |" * len(table[0]), *rows]


def tabs(table: Table) -> list[str]:
    """Cells between tabs."""
    return ["\t".join(row) for row in table]


def columns(table: Table) -> list[str]:
    """Cells under each other, wide gaps between them."""
    widths = [max(map(len, cells)) + 3 for cells in zip(*table, strict=True)]
    return ["".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in table]


def records(table: Table) -> list[str]:
    """Each cell behind its name, no header; an empty name is an item's."""
    names, *rows = table
    named = ([f"{name or 'item'}: {cell}" for name, cell in zip(names, row, strict=True)] for row in rows)
    return ["", *map(", ".join, named)]


LAYOUTS = (bars, tabs, columns, records)
"""Of a table its header, empty where there is none, and a line for each row."""
