"""Every measure of the text model in one run: ``python -m headroom_core.evals.kompress``.

``--each N`` questions per set (0: all), ``--only one-hop speed …``, ``--embedding DIR_OR_WHEEL`` adds the embedding
filter and the hybrid. Quality tables use the same weights and settings as the speed table. Data: ``evals.data``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from headroom_core.evals import kompress_free as free
from headroom_core.evals import kompress_importance as importance
from headroom_core.evals import kompress_speed as speed
from headroom_core.evals.data import rows
from headroom_core.evals.kompress_curves import (
    Embedding,
    Hybrid,
    Ours,
    Ranker,
    by_chance,
    by_place,
    by_words,
    sample,
    sheet,
    table,
)
from headroom_core.evals.kompress_sets import (
    PAGES,
    SPANS,
    Item,
    among_near,
    dev_rows,
    meetings,
    pool,
    several_hops,
    split_train,
    whole_pages,
)
from headroom_core.evals.kompress_tables import reports, tabled, wrapped
from headroom_core.evals.metrics import bootstrap
from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.training.kompress_calibrate import by_size, gold_alone, long_texts
from headroom_core.training.kompress_start import folder as start_folder

Lines = list[str]


class Run:
    """What the measures share: the compressor, the rankings, how many questions."""

    def __init__(self, each: int, embedding: Path | None, readers: Path | None = None) -> None:
        self.each, self.readers = each, readers
        self.compressor = KompressCompressor(enable_ccr=False, counter="o200k")
        self.rankers: dict[str, Ranker] = {"random": by_chance, "lead": by_place, "bm25": by_words}
        self.embedding: Embedding | None = None
        if embedding is not None:
            self.embedding = Embedding(start_folder(embedding, Path(tempfile.mkdtemp())))
            self.rankers |= {"embedding": self.embedding, "hybrid": Hybrid(self.embedding)}
        self.rankers["kompress"] = Ours(self.compressor)

    def some(self, items: Sequence[Item], share: float = 1.0) -> list[Item]:
        """The sample of a set."""
        return sample(items, max(1, int(self.each * share)) if self.each else len(items))

    def cut(
        self, items: Sequence[Item], *, target_ratio: float | None = None, max_risk: float | None = None
    ) -> tuple[list[list[str]], float]:
        """Each item's documents compressed together, one alone as one text, and the mean share of tokens kept."""
        shown, kept = [], []
        for item in items:
            texts, query = [d["text"] for d in item["documents"]], item["query"]
            if len(texts) > 1:
                found = self.compressor.compress_documents(texts, query, target_ratio=target_ratio, max_risk=max_risk)
            else:
                found = [self.compressor.compress(texts[0], query=query, target_ratio=target_ratio, max_risk=max_risk)]
            shown.append([r.compressed for r in found])
            kept.append(sum(r.compressed_tokens for r in found) / sum(r.original_tokens for r in found))
        return shown, float(np.mean(kept))


def one_hop(run: Run) -> Lines:
    """Gold document among four near distractors."""
    pages = [sheet(item) for item in run.some(among_near(dev_rows(), sources=PAGES))]
    policies = [sheet(item) for item in run.some(among_near(dev_rows(), sources=("policyqa",)), 0.3)]
    found = table("Question with its gold document among four near ones (encyclopaedic)", pages, run.rankers)
    return found + table("The same with privacy policies", policies, run.rankers)


def multi_hop(run: Run) -> Lines:
    """Several hops: development rows of both files."""
    pages = [sheet(item) for item in run.some(several_hops([*dev_rows(), *split_train()["dev"]]), 0.6)]
    return table("Several hops", pages, run.rankers, whole=True)


def wrapping(run: Run) -> Lines:
    """One hop again, in lines of 80 characters."""
    pages = [sheet(item) for item in wrapped(run.some(among_near(dev_rows(), sources=PAGES)), 80)]
    return table("Gold document among four near ones, lines wrapped at 80 characters", pages, run.rankers)


def pages(run: Run) -> Lines:
    """A whole page or policy as one text: thousands of tokens about one thing."""
    found: Lines = []
    for name, sources in (("page", PAGES), ("privacy policy", ("policyqa",))):
        items = run.some(whole_pages(dev_rows(), sources=sources), 0.5)
        found += table(f"A whole {name} as one text", [sheet(item) for item in items], run.rankers)
    return found


def table_rows(run: Run) -> Lines:
    """Rows of tables between sentences and between passages."""
    sets = {name: [i for i in tabled() if i["source"] == name] for name in ("flights", "functions")}
    found = table("Tables between sentences, questions by hand", [sheet(i) for i in reports()], run.rankers)
    for name, items in sets.items():
        found += table(f"A row of five tables among passages: {name}", [sheet(i) for i in run.some(items)], run.rankers)
    return found


def meeting(run: Run) -> Lines:
    """Meetings, each line of a gold range one unit."""
    pages = [sheet(item, lines=True) for item in run.some(meetings(dev_rows()), 0.1)]
    return table("Meetings, each line of a gold range one unit", pages, run.rankers)


def no_answer(run: Run) -> Lines:
    """The gold document taken out; and adversarial unanswerable paragraphs at the recall of the answerable ones."""
    near = run.some(among_near(dev_rows(), sources=PAGES, take_gold_out=True), 0.4)
    _, kept = run.cut(near, max_risk=0.05)
    lines = [
        "\n## No answer",
        f"tokens dropped under max_risk=0.05, gold document taken out ({len(near)}): {1 - kept:.3f}",
    ]
    squad2 = [i for i in dev_rows() if i["source"] == "squad2_half"]
    yes = run.some([i for i in squad2 if i["answerable"]], 0.4)
    no = run.some([i for i in squad2 if not i["answerable"]], 0.4)
    for name in ("embedding", "kompress"):
        if name in run.rankers:
            ranker = run.rankers[name]
            at = {kind: [float(ranker(sheet(i)).max()) for i in items] for kind, items in (("yes", yes), ("no", no))}
            for recall in (0.95, 0.9):
                limit = np.quantile(at["yes"], 1 - recall)
                lines.append(
                    f"squad2_half, {name}: {np.mean(np.array(at['no']) < limit):.3f} of unanswerable paragraphs dropped whole"
                    f" where {recall:.0%} of the answerable ones keep their best sentence"
                )
    return lines


def risk(run: Run) -> Lines:
    """The promise of max_risk on rows that calibrated nothing."""
    near = among_near(dev_rows(), sources=PAGES)
    hops = several_hops([*dev_rows(), *split_train()["dev"]])
    one, several = run.some(near, 0.7), run.some(hops, 0.3)
    two, three, ten = (run.some(among_near(dev_rows(), sources=PAGES, near=others), 0.3) for others in (1, 2, 9))
    sets = [
        ("few documents", "few documents", [*two, *three]),
        ("several documents", "several documents", [*one, *by_size(several)[1]]),
        ("  one hop", "several documents", one),
        ("  one hop, ten documents", "several documents", ten),
        ("  several hops", "several documents", several),
        ("one text", "one text", gold_alone(run.some(near))),
        ("long", "long", long_texts(dev_rows(), max(10, run.each // 8), seed=3)),
    ]
    lines = ["\n## max_risk: mean loss and share of tokens kept on development rows"]
    for name, group, items in sets:
        for alpha in (0.02, 0.05, 0.1):
            if alpha < run.compressor.load().curves[group].smallest:
                continue
            shown, kept = run.cut(items, max_risk=alpha)
            loss = np.mean([free.evidence_loss(item, texts) for item, texts in zip(items, shown, strict=True)])
            lines.append(f"{name:26} alpha {alpha:.2f}: loss {loss:.3f}, kept {kept:.3f} ({len(items)} items)")
    texts = [document["text"] for document in pool(dev_rows())][: run.each or None]
    free_cuts = [run.compressor.compress(text, max_risk=0.05) for text in texts]
    lost = np.mean([free.marks_loss(r.original, r.compressed) for r in free_cuts])
    rate = np.mean([r.compression_ratio for r in free_cuts])
    return [*lines, f"{'query-free':26} alpha 0.05: loss {lost:.3f}, kept {rate:.3f} ({len(texts)} items)"]


def query_free(run: Run) -> Lines:
    """Must-keep words, answers, and deletion references."""
    lines = free.must_keep(run.compressor, dev_rows(), run.each)
    pairs = [row for row in rows("text", "sentence_compression.jsonl.gz") if row["split"] == "dev"]
    return lines + free.deletions(run.compressor, pairs[: run.each or len(pairs)])


def timing(run: Run) -> Lines:
    """Speed, agreement, invariance."""
    return speed.speed() + speed.agreement(run.some(among_near(dev_rows(), sources=PAGES), 0.1))


def reading(run: Run) -> Lines:
    """F1 of the frozen readers on compressed sets against the whole ones, with a bootstrap interval of the share."""
    if run.readers is None:
        return ["\n## Readers: name a folder with --readers (python -m headroom_core.training.reader makes it)"]
    from headroom_core.training.reader import Reader

    pieces = run.compressor.load().tokenizer.pieces
    items = run.some(among_near(dev_rows(), sources=SPANS))
    whole = [[d["text"] for d in item["documents"]] for item in items]
    cuts = {"target_ratio 0.25": run.cut(items, target_ratio=0.25), "max_risk 0.025": run.cut(items, max_risk=0.025)}
    lines = [f"\n## Reader F1 ({len(items)} questions among five documents)"]
    for file in sorted(run.readers.glob("*.pt")):
        reader = Reader.load(file, pieces)

        def scores(shown: Sequence[Sequence[str]], reader: Reader = reader) -> list[float]:
            return [
                free.answer_f1(reader.answer(texts, item["query"]), item["answers"])
                for item, texts in zip(items, shown, strict=True)
            ]

        best = scores(whole)
        for name, (shown, kept) in cuts.items():
            pairs = list(zip(best, scores(shown), strict=True))
            full, less = (100 * f1 for f1 in np.mean(pairs, axis=0))
            share, low, high = bootstrap(pairs, lambda drawn: float(100 * drawn[:, 1].mean() / drawn[:, 0].mean()))
            lines.append(
                f"{file.stem}, {name} ({kept:.3f} of tokens): F1 {full:.1f} on all, {less:.1f} on the cut,"
                f" {share:.1f} % retained [{low:.1f}, {high:.1f}]"
            )
    return lines


def context(run: Run) -> Lines:
    """Leave-one-out importance of the sentences beside the evidence."""
    single = [i for i in dev_rows() if i["source"] in SPANS and i["answerable"]]
    return importance.context(run.compressor, run.some(single))


MEASURES: dict[str, Callable[[Run], Lines]] = {
    "one-hop": one_hop,
    "multi-hop": multi_hop,
    "wrapped": wrapping,
    "pages": pages,
    "tables": table_rows,
    "meetings": meeting,
    "no-answer": no_answer,
    "risk": risk,
    "query-free": query_free,
    "readers": reading,
    "importance": context,
    "speed": timing,
}


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=list(MEASURES), default=list(MEASURES))
    parser.add_argument("--embedding", type=Path)
    parser.add_argument("--readers", type=Path)
    options = parser.parse_args(arguments)
    run = Run(options.each, options.embedding, options.readers)
    for name in options.only:
        print("\n".join(MEASURES[name](run)), flush=True)


if __name__ == "__main__":
    main()
