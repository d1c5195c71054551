"""Tables: the header, the rows that the query asks for, what stands out, first and last; the rest as types and ranges."""

from __future__ import annotations

from headroom_core.anchors import Asked, asked
from headroom_core.transforms._json.columns import Column, Columns
from headroom_core.transforms._json.pick import pick
from headroom_core.transforms._json.say import rows_left
from headroom_core.transforms._json.values import Number, Value
from headroom_core.transforms._table import padding
from headroom_core.transforms._table.read import Grid, number, read
from headroom_core.types import Context, Part, Rewrite

_SHARE, _LEAST, _MOST = 0.10, 300, 8_000
_SMALL = 500  # tokens: a table up to this size keeps every row
_CLOSING = 60  # tokens of the line about the rest
_NUMERIC = 0.8
_EXTREMES = 4
_MAX_CHARS = 30_000_000


class Table:
    """CSV, TSV, Markdown, psql and mysql boxes, columns of fixed width."""

    name = "table"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """The rows that matter; of small tables, and where loss is not allowed, all rows without padding."""
        if len(part.text) > _MAX_CHARS:
            return None
        small = part.tokens <= _SMALL and context.target_ratio is None
        grid = None if small or context.strength == "lossless" else read(part.text)
        found = _selected(grid, part, context) if grid is not None else None
        if found is not None:
            return found
        short = padding.encode(part.text)
        return Rewrite.of(short) if short is not None else None


def _selected(grid: Grid, part: Part, context: Context) -> Rewrite | None:
    """The header and the rows that matter, within a budget of tokens."""
    wanted = asked(context.query)
    columns = Columns([Column((name or f"column {i + 1}",), _values(grid, i)) for i, name in enumerate(grid.names)])
    records: list[Value] = [
        dict(zip(grid.names, row, strict=True)) for row in zip(*[c.values for c in columns.columns], strict=True)
    ]
    ratio = context.target_ratio
    budget = ratio * part.tokens if ratio else min(max(_SHARE * part.tokens, _LEAST), _MOST)
    sample = "\n".join([*grid.tight_head, *grid.tight, *grid.tail]) if ratio else part.text[:20_000]
    tokens = context.count(sample)
    if ratio and tokens <= budget:
        return _tight(sample, part, ratio)
    costs = [(len(line) + 1) * tokens / max(1, len(sample)) for line in grid.tight]
    fixed = sum(len(line) + 1 for line in (*grid.tight_head, *grid.tail)) * tokens / max(1, len(sample))
    picked = pick(records, columns, wanted, costs.__getitem__, max(budget - fixed, 80))
    kept = {*picked.rows, *_extremes(columns, wanted)}
    if ratio:
        kept |= _between(kept, costs, budget - fixed - _CLOSING)
    return _rewrite(grid, columns, sorted(kept), wanted)


def _tight(text: str, part: Part, ratio: float) -> Rewrite | None:
    """All rows without their padding, where the caller wants less than the table as it stands and no lossless form is at hand."""
    if ratio == 1 or padding.encode(part.text) is not None:
        return None
    return Rewrite.of(text, "bars and blanks around the cells")


def _between(kept: set[int], costs: list[float], room: float) -> set[int]:
    """Further rows at even distances, as many as fit into the share that the caller wants to keep."""
    rest = [row for row in range(len(costs)) if row not in kept]
    room -= sum(costs[row] for row in kept)
    some = min(len(rest), int(len(rest) * room / max(1.0, sum(costs[row] for row in rest))))
    return {rest[at * len(rest) // some] for at in range(some)}


def _values(grid: Grid, at: int) -> list[Value]:
    """A column's cells: numbers where nearly all are, None for empty cells, else strings."""
    cells = [row[at] for row in grid.cells]
    literals = [number(cell) for cell in cells]
    filled = sum(1 for cell in cells if cell.strip())
    if filled and sum(x is not None for x in literals) >= _NUMERIC * filled:
        return [
            Number(literal) if literal is not None else (cell.strip() or None)
            for literal, cell in zip(literals, cells, strict=True)
        ]
    return [cell.strip() or None for cell in cells]


def _extremes(columns: Columns, wanted: Asked) -> set[int]:
    """For a question of more or less, the rows with the largest and smallest numbers of the columns in question."""
    if not wanted.totals:
        return set()
    numeric = [c for c in columns.columns if any(type(value) is Number for value in c.values)]
    named = [c for c in numeric if any(word in c.name.lower() or c.name.lower() in word for word in wanted.words)]
    found: set[int] = set()
    for column in (named or numeric)[:_EXTREMES]:
        rows = [(float(value), row) for row, value in enumerate(column.values) if type(value) is Number]
        found |= {max(rows)[1], min(rows)[1]}
    return found


def _rewrite(grid: Grid, columns: Columns, kept: list[int], wanted: Asked) -> Rewrite | None:
    here = set(kept)
    left = [row for row in range(len(grid.rows)) if row not in here]
    if not left:
        return None
    text = "\n".join([*grid.tight_head, *(grid.tight[row] for row in kept), *grid.tail])
    return Rewrite.of(text, rows_left(len(grid.rows), left, columns.columns, wanted.totals))
