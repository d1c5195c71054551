"""Pages that stand outside of this folder: each example becomes a page, and links to examples lead there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[2]
_EXAMPLE = re.compile(r"\((?P<up>(?:\.\./)+)examples/(?P<name>\w+)\.py\)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add one page for each example, with its source."""
    for example in sorted((_ROOT / "examples").glob("*.py")):
        text = f"# {example.name}\n\n```python\n{example.read_text(encoding='utf-8')}```\n"
        page = File.generated(config, f"examples/{example.stem}.md", content=text)
        page.inclusion = page.inclusion.NOT_IN_NAV
        files.append(page)
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """``../../examples/x.py``, as it is right for whoever reads the file, becomes the page of that example."""
    up = "../" * page.file.src_uri.count("/")
    return _EXAMPLE.sub(lambda found: f"({up}examples/{found['name']}.md)", markdown)
