"""The site builds without a warning, and holds every page and every public name."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_in_the_site(site: Path) -> None:
    """Each Markdown file of the folder became a page; strict mode found no dead link and no page outside the menu."""
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix("")
        place = site / name.parent if name.name == "index" else site / name
        assert (place / "index.html").is_file(), name
    assert not list(site.rglob("*.py"))


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """No page loads a font, script or picture from another host."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for attribute in ('src="http', 'href="https://fonts', "url(http"):
            assert attribute not in text, page.name


@pytest.mark.parametrize(
    ("module", "page"),
    [
        ("headroom_core", "core types"),
        ("headroom_core.ccr", "ccr"),
        ("headroom_core.evaluate", "evaluate"),
        ("headroom_core.image", "image"),
        ("headroom_core.visual_tokens", "visual_tokens"),
        ("headroom_integrations.langchain", "langchain"),
        ("headroom_integrations.llama_index", "llama_index"),
    ],
)
def test_every_public_name_has_a_reference(site: Path, module: str, page: str) -> None:
    """What a package lists as public stands in the reference, with a docstring."""
    text = "".join((site / "reference" / name / "index.html").read_text(encoding="utf-8") for name in page.split())
    public = import_module(module)
    for name in public.__all__:
        assert f'.{name}"' in text, f"{module}.{name} has no place on the pages {page}"
        assert getattr(public, name).__doc__, name
