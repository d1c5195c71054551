"""Made questions about reports: tables of accounts and of results between sentences that speak of the same things.

The data pack holds no tables. Each item here is one or more short reports: a table or two in one of six layouts, sentences
around them, and a question in other words than the row's ("How much did it spend on R&D?" for ``Research and development``).
The evidence is the row, the rows or the sentence that answer it. Names, numbers and wordings are drawn from lists below, so
the network learns what a row is and how a question relates to it, not facts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headroom_core.evals.kompress_sets import Item
from headroom_core.evals.kompress_tables import Table, bars, columns, records, tabs

ACCOUNTS = """
Net sales; Total net sales; Net revenues | net sales; total revenue; sales; revenue
Cost of sales; Cost of goods sold; Cost of revenues | cost of goods sold; COGS; cost of what it sold
Gross profit; Gross margin | gross profit; gross margin
Research and development; R&D expense; Research and development, net | R&D; research and development; spending on research
Selling, general and administrative; SG&A expenses | SG&A; selling and administrative costs; overhead
Marketing and advertising; Advertising costs | advertising; marketing spend; promotion
Amortization of intangible assets; Amortization | amortization; amortization of intangibles
Depreciation; Depreciation expense; Depreciation of property and equipment | depreciation; wear on equipment
Restructuring charges; Restructuring and other costs | restructuring; reorganization costs
Impairment of goodwill; Goodwill impairment | goodwill impairment; write-down of goodwill
Operating income; Income from operations; Operating profit | operating income; operating profit; EBIT
Interest expense; Interest expense, net | interest cost; interest expense; interest paid on debt
Interest income; Interest and investment income | interest income; income from investments
Income before income taxes; Pre-tax income | pre-tax income; profit before taxes; earnings before tax
Provision for income taxes; Income tax expense | income taxes; tax expense; tax provision
Effective tax rate; Effective income tax rate | effective tax rate; tax rate
Net income; Net earnings; Net income attributable to shareholders | net income; profit; bottom line; net earnings
Basic earnings per share; Earnings per share, basic | basic EPS; earnings per share
Diluted earnings per share; Earnings per share, diluted | diluted EPS; diluted earnings per share
Dividends declared per share; Dividends per share | dividend per share; payout per share
Cash and cash equivalents; Cash | cash; cash on hand; liquid funds
Accounts receivable; Trade receivables, net; Receivables | receivables; what customers owe; accounts receivable
Inventories; Inventory | inventory; stock of goods
Prepaid expenses and other current assets; Prepaid expenses | prepaid expenses; prepayments
Property, plant and equipment, net; Property and equipment | PP&E; plant and equipment; fixed assets
Operating lease right-of-use assets; Right-of-use assets | leased assets; right-of-use assets
Goodwill | goodwill
Total assets | total assets; size of the balance sheet
Accounts payable; Trade payables | payables; what suppliers are owed; accounts payable
Accrued liabilities; Accrued expenses | accruals; accrued liabilities
Deferred revenue; Contract liabilities | deferred revenue; payments received in advance
Current portion of long-term debt; Short-term borrowings | short-term debt; debt due within a year
Long-term debt; Long-term debt, less current portion | long-term debt; long-term borrowings
Revolving credit facility; Borrowings under revolver | revolver; revolving credit line; credit facility
Term loan; Term loan B | term loan
Senior notes; Senior notes due 2030; 4.5% senior notes | senior notes; notes; bonds
Total liabilities | total liabilities; all obligations
Retained earnings; Accumulated earnings | retained earnings; profits kept
Treasury stock; Treasury stock, at cost | treasury stock; shares bought back
Total shareholders' equity; Stockholders' equity | shareholders' equity; book value; equity
Net cash provided by operating activities; Cash flow from operations | operating cash flow; cash from operations
Capital expenditures; Purchases of property and equipment | capex; capital spending; investment in equipment
Free cash flow | free cash flow
Repurchases of common stock; Share repurchases | buybacks; share repurchases; stock repurchases
Stock-based compensation; Share-based compensation expense | stock compensation; share-based pay; equity awards
Foreign currency translation; Currency effects | exchange rates; currency translation
Pension benefit obligation; Projected benefit obligation | pension obligation; what pensioners are owed
Fair value of plan assets; Plan assets | plan assets; value of the pension fund
Service cost | service cost of the pension
Unrecognized tax benefits; Uncertain tax positions | unrecognized tax benefits; uncertain tax positions
Valuation allowance; Less: valuation allowance | valuation allowance; reserve on deferred tax assets
Allowance for doubtful accounts; Credit loss allowance | bad debt reserve; doubtful accounts; expected credit losses
Warranty reserve; Product warranty accrual | warranty costs; warranty provision
Backlog; Order backlog | backlog; unfilled orders
Salaries and wages; Personnel expenses; Compensation and benefits | wages; pay; personnel costs; salaries
Rent and occupancy; Rental expense | rent; cost of premises
Fuel; Fuel and oil; Aircraft fuel | fuel; fuel cost
Utilities and energy; Energy costs | electricity and gas; energy bill
Insurance; Insurance premiums | insurance; premiums
Professional fees; Legal and consulting fees | lawyers and consultants; professional fees; legal fees
Travel and entertainment; Travel | travel; business trips
Subscriptions; Subscription revenue | subscriptions; recurring revenue
Services; Professional services revenue; Service revenue | services; service business
Licenses; License fees; Software licenses | licenses; licence fees
Hardware; Hardware products; Devices | hardware; devices
North America; United States; Americas | North America; the United States; domestic market; home market
Europe; EMEA; Europe, Middle East and Africa | Europe; European markets
Asia Pacific; Asia; Greater China and Asia | Asia; the Asian region; the Far East
Latin America; Latin America and Caribbean | Latin America; South and Central America
Corporate and eliminations; Eliminations; Intersegment sales | eliminations; sales between segments
Number of employees; Employees at year end; Headcount | headcount; staff; employees; people employed
Stores at end of period; Number of stores; Store count | stores; shops; outlets
Average selling price; Average price per unit | average price; price per unit
Units sold; Units shipped; Shipments | units shipped; volume; items sold
Weighted average shares outstanding; Diluted shares | share count; shares outstanding
Discount rate | discount rate
Expected volatility; Volatility | volatility
Risk-free interest rate; Risk-free rate | risk-free rate
Options granted; Granted | options granted; new grants
Options exercised; Exercised | options exercised; exercises
Options forfeited; Forfeited or expired | forfeitures; lapsed options
Balance at beginning of year; Beginning balance; Balance at January 1 | opening balance; balance at the start of the year
Balance at end of year; Ending balance; Balance at December 31 | closing balance; balance at the end of the year
"""
RESULTS = """
patients: Placebo; Low dose; High dose; Standard therapy; Combination arm; Surgery alone; Control group; Dose 20 mg; Dose 40 mg; Usual care | Patients enrolled; Mean age; Responders; Dropouts; Adverse events; Median survival; Relapse rate
models: Logistic regression; Random forest; BERT-base; BiLSTM-CRF; Majority baseline; Ours (full); Ours w/o pretraining; SVM (tf-idf); CNN; GPT-2; Human performance; T5-large; fastText; Seq2seq + attention | Precision; Recall; F1; Accuracy; BLEU; Perplexity; Parameters; Training time; ROUGE-L
cities: Bergen; Aarhus; Tampere; Graz; Leuven; Porto; Gdansk; Brno; Turku; Ghent; Basel; Malmo | Population; Area; Unemployment; Median rent; Rainfall; Schools; Density; Mean temperature
machines: Model A100; Compact S; ProLine 3; Vertex 12; Titan X; EcoDrive; Nordic 7; Atlas; Falcon II; Quarry 500 | Weight; Power; Price; Range; Top speed; Capacity; Noise level; Warranty
teams: Rovers; United; Athletic; Wanderers; City; Albion; Rangers; Harriers; Town; Orient | Wins; Losses; Draws; Goals; Points; Attendance; Coach
crops: Winter wheat; Spring barley; Rapeseed; Sugar beet; Potatoes; Maize; Oats; Field peas; Rye; Soybeans | Yield; Sown area; Price; Water use; Nitrogen; Harvest date
services: auth-api; billing; search-index; web-frontend; cart; notifications; image-resizer; ledger; scheduler; recommender | Latency; Error rate; Requests; Memory; Replicas; CPU; Last deploy
layers: Embedding; Encoder; Attention heads; Decoder; Feed-forward; Output projection; Convolution 1; Pooling; Dropout; Classifier | Parameters; FLOPs; Output size; Share of time; Learning rate
"""
ONE = (
    "What was {a} in {y}?",
    "How much was {a} in {y}?",
    "What amount of {a} did the company report for {y}?",
    "What were the figures for {a}?",
    "In {y}, what did {a} come to?",
    "How high was {a} in {y}, in {u}?",
    "What is the {u} value of {a} as of {y}?",
    "By how much did {a} change from {z} to {y}?",
    "What is the percentage change in {a} between {z} and {y}?",
    "What was the growth rate of {a} in {y}?",
    "Did {a} rise or fall in {y}?",
    "What is the average {a} for {z} and {y}?",
    "What was the difference in {a} between {y} and {z}?",
    "In which year was {a} lower?",
    "what was the percent of the increase in {a} from {z} to {y}",
    "how did {a} develop?",
    "What was the total {a} over the years shown?",
)
TWO = (
    "What is the ratio of {a} to {b} in {y}?",
    "What percentage of {b} was {a} in {y}?",
    "How much larger was {a} than {b} in {y}?",
    "What is the sum of {a} and {b} in {y}?",
    "what portion of {b} did {a} account for in {y}",
    "In {y}, what were {a} and {b}?",
    "What was {a} as a share of {b}?",
)
CELL = (
    "What {m} did {e} reach?",
    "What is the {m} of {e}?",
    "How does {e} do in terms of {m}?",
    "what {m} was reported for {e}",
    "Which value of {m} is given for {e}?",
    "How high is {m} for {e}?",
)
BOTH = (
    "How do {e} and {f} differ in {m}?",
    "Is the {m} of {e} better than that of {f}?",
    "{e} or {f}: which has more {m}?",
)
REASONS = (
    ("{L} rose mainly because of {r}.", "Why did {a} rise?"),
    ("The decrease in {l} reflects {r}.", "What explains the lower {a}?"),
    ("The change in {l} was due to {r}.", "What drove the change in {a}?"),
    ("{L} benefited from {r}, which we do not expect to recur.", "What helped {a}?"),
    ("We expect {l} to be between {n} and {k} next year.", "What does management expect for {a}?"),
    ("{L} includes {n} that relates to {r}.", "What part of {a} relates to {r}?"),
    ("A change of one percentage point would move {l} by {n}.", "How sensitive is {a} to a change of one point?"),
    ("{L} as originally reported was {n}.", "What was {a} before it was restated?"),
)
WHY = [
    "higher selling prices",
    "lower volumes",
    "the acquisition of a competitor",
    "freight and steel costs",
    "a plant closure",
    "favourable exchange rates",
    "a legal settlement",
    "new store openings",
    "the loss of a large customer",
    "a change in mix",
    "tariffs",
    "an early repayment of debt",
    "a strike at two plants",
    "mild weather",
    "a one-time tax benefit",
    "wage inflation",
    "lower headcount",
    "a fire at a warehouse",
    "the launch of a new product line",
    "the sale of a subsidiary",
]
ASIDE = (
    "The following table sets forth the components for the periods indicated.",
    "All amounts are in {u} unless otherwise noted.",
    "See the notes to the consolidated statements.",
    "The table below summarizes the results.",
    "Certain amounts of prior years were reclassified to conform to the current presentation.",
    "We believe that these measures help readers compare periods.",
    "Results are discussed further below.",
    "Columns may not add up because of rounding.",
    "Management reviews these figures every quarter.",
    "The accompanying notes are an integral part of this statement.",
)
UNITS = ("millions", "thousands", "dollars in millions", "million euros", "billions")


@dataclass(frozen=True, slots=True)
class Line:
    """What a row may be called, and what a question may call it."""

    labels: list[str]
    asked: list[str]


def _lines() -> list[Line]:
    sides = (line.split(" | ") for line in ACCOUNTS.strip().split("\n"))
    return [Line(labels.split("; "), asked.split("; ")) for labels, asked in sides]


def _entities() -> list[tuple[list[str], list[str]]]:
    sides = (line.partition(": ")[2].split(" | ") for line in RESULTS.strip().split("\n"))
    return [(entities.split("; "), metrics.split("; ")) for entities, metrics in sides]


def _told(table: Table) -> list[str]:
    """As some data sets write tables: a sentence for each row."""
    names, *rows = table
    cells = (" ; ".join(f"{name} is {cell}" for name, cell in zip(names[1:], row[1:], strict=True)) for row in rows)
    return ["", *(f"The {row[0]} of {told} ." for row, told in zip(rows, cells, strict=True))]


LAYOUTS = (bars, bars, columns, _told, tabs, records)


class _Report:
    """One report in the making: pieces of text, each evidence or not."""

    def __init__(self, draw: random.Random) -> None:
        self.draw, self.blocks = draw, list[list[tuple[str, bool]]]()

    def prose(self, sentences: Sequence[tuple[str, bool]]) -> None:
        self.blocks.append(list(sentences))

    def table(self, table: Table, wanted: Sequence[str]) -> None:
        """Rows whose first cell is ``wanted`` are evidence."""
        head, *rows = self.draw.choice(LAYOUTS)(table)
        lines = [(row + "\n", cells[0] in wanted) for row, cells in zip(rows, table[1:], strict=True)]
        self.blocks.append([(head + "\n", False), *lines] if head else lines)

    def document(self) -> dict[str, Any]:
        text, evidence = "", []
        for block in self.blocks:
            for piece, wanted in block:
                if wanted:
                    evidence.append([len(text), len(text) + len(piece.rstrip())])
                text += piece if piece.endswith("\n") else piece + " "
            text = text.rstrip() + "\n\n"
        return {"title": "", "text": text.rstrip(), "evidence": evidence, "answer_spans": []}


def made(count: int, seed: int) -> list[Item]:
    """So many questions, each with its report among up to two others."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        query, own = _asked(draw)
        documents = [own]
        for _ in range(draw.choice((0, 0, 1, 2))):
            _, other = _asked(draw)
            documents.append({**other, "evidence": []})
        draw.shuffle(documents)
        row = {"source": "reports", "query": query, "answers": [], "answerable": True, "documents": documents}
        found.append({"id": f"reports:{seed}:{number}", **row})
    return found


def _asked(draw: random.Random) -> tuple[str, dict[str, Any]]:
    """A question with its report, three in four about accounts."""
    return (_account if draw.random() < 0.75 else _result)(draw)


def _number(draw: random.Random) -> str:
    size = draw.choice((9.9, 99, 999, 9999, 99999))
    text = f"{draw.uniform(size / 10, size):,.{draw.choice((0, 1, 2))}f}"
    return draw.choice(("{}", "{}", "{}", "${}", "({})")).format(text)


def _account(draw: random.Random) -> tuple[str, dict[str, Any]]:
    """A report of a company, and what one asks of it."""
    lines = draw.sample(_LINES, draw.randint(9, 22))
    first = draw.randint(2003, 2023)
    years = [str(first - k) for k in range(draw.choice((2, 2, 3, 5)))]
    if draw.random() < 0.2:
        years.reverse()
    named = [(line, draw.choice(line.labels)) for line in lines]
    unit = draw.choice(UNITS)
    kind = draw.random()
    wanted = named[:1] if kind < 0.5 else named[:2] if kind < 0.75 else []
    told = [_reason(draw, line, label) for line, label in draw.sample(named, draw.randint(2, 5))]
    words = {"y": draw.choice(years[:2]), "z": years[-1], "u": unit}
    if wanted:
        asked = [draw.choice(line.asked) for line, _ in wanted]
        pattern = draw.choice(ONE if len(wanted) == 1 else TWO)
        query = pattern.format(a=asked[0], b=asked[-1], **words)
    else:
        query = told[0][1]
    named = draw.sample(named, len(named))
    cut = draw.randint(4, len(named) - 4) if len(named) > 11 else len(named)
    report = _Report(draw)
    prose = [(text, not wanted and k == 0) for k, (text, _) in enumerate(told)]
    prose += [(text.format(u=unit), False) for text in draw.sample(ASIDE, draw.randint(1, 4))]
    draw.shuffle(prose)
    half = draw.randint(0, len(prose))
    labels = [label for _, label in wanted]
    if half:
        report.prose(prose[:half])
    for part in filter(None, (named[:cut], named[cut:])):
        head = [draw.choice(("", "", f"({unit})", "Item")), *years]
        report.table([head, *([label, *(_number(draw) for _ in years)] for _, label in part)], labels)
        if half < len(prose):
            report.prose(prose[half:])
            half = len(prose)
    return query, report.document()


def _reason(draw: random.Random, line: Line, label: str) -> tuple[str, str]:
    """A sentence about a row, and a question that it answers."""
    text, query = draw.choice(REASONS)
    words = {
        "l": label if label[1:2].isupper() or label.istitle() else label[0].lower() + label[1:],
        "L": label,
        "r": draw.choice(WHY),
        "n": _number(draw),
        "k": _number(draw),
    }
    return text.format(**words), query.format(a=draw.choice(line.asked), r=words["r"])


def _result(draw: random.Random) -> tuple[str, dict[str, Any]]:
    """A table with a row for each thing and a column for each measure, and what one asks of it."""
    entities, metrics = draw.choice(_RESULTS)
    rows = draw.sample(entities, draw.randint(6, len(entities)))
    columns = draw.sample(metrics, draw.randint(2, min(5, len(metrics))))
    metric = draw.choice(columns)
    report = _Report(draw)
    unit = draw.choice(UNITS)
    if draw.random() < 0.7:
        wanted = rows[:1]
        query = draw.choice(CELL).format(m=metric, e=rows[0])
    else:
        wanted = rows[:2]
        query = draw.choice(BOTH).format(m=metric, e=rows[0], f=rows[1])
    query = query if draw.random() < 0.5 else query.replace(metric, metric.lower())
    report.prose([(text.format(u=unit), False) for text in draw.sample(ASIDE, draw.randint(1, 3))])
    shown = draw.sample(rows, len(rows))
    report.table(
        [[draw.choice(("", "Name")), *columns], *([row, *(_number(draw) for _ in columns)] for row in shown)], wanted
    )
    if draw.random() < 0.6:
        others = draw.sample(rows, 2)
        report.prose([(f"{others[0]} stayed close to {others[1]} throughout.", False)])
    return query, report.document()


_LINES, _RESULTS = _lines(), _entities()
