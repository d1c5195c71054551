"""Settings: asked keys with their path, the top level, comments and long lists trimmed, no value in the closing line."""

from __future__ import annotations

import time

import pytest
import yaml

from headroom_core.transforms.config import Config
from headroom_core.types import Context, Part, Rewrite, Strength, Text

SERVICES = "\n".join(
    f"  service_{i}:\n    # The image of service {i}.\n    image: registry.example/app{i}:1.{i}\n    environment:\n"
    f"      DB_PASSWORD: hunter{i}\n      WORKERS: {i + 2}\n    ports:\n    - {8000 + i}:80"
    for i in range(30)
)
YAML = f"# Settings of everything.\n# Do not touch.\nversion: 3\n\nservices:\n{SERVICES}\nvolumes:\n  data: {{}}\n"
TOML = '# Tools.\n[project]\nname = "box"\n\n' + "\n".join(
    f'[tool.part{i}]\n# About part {i}\nlevel = {i}\nsecret_token = "s3cr3t{i}"\nfiles = [\n  "a{i}",\n  "b{i}",\n]\n'
    for i in range(20)
)
ENV = (
    "# Environment\n"
    + "\n".join(f"# Key {i}\nAPP_KEY_{i}=value{i}" for i in range(100))
    + "\nexport API_SECRET=topsecret\n"
)


def rewrite(text: str, query: str | None = None, strength: Strength = "lossy") -> Rewrite | None:
    return Config()(
        Part((0, 0), "config", Text(text), len(text) // 4), Context(count=len, query=query, strength=strength)
    )


def short(text: str, query: str | None = None) -> Rewrite:
    result = rewrite(text, query)
    assert result is not None
    return result


def test_asked_keys_come_with_their_path() -> None:
    """The asked key, everything above and below it; other subtrees by their top only."""
    result = short(YAML, "How many WORKERS has service_17?")
    lines = result.text.split("\n")
    for line in ("version: 3", "services:", "  service_17:", "    environment:", "      WORKERS: 19", "volumes:"):
        assert line in lines
    assert "app4" not in result.text
    assert len(result.text) < len(YAML) / 5


def test_what_is_left_is_still_yaml() -> None:
    """The shortened file parses, and what it says is what the file said."""
    whole = yaml.safe_load(YAML)
    part = yaml.safe_load(short(YAML, "Which image does service_3 use?").text)
    assert part["version"] == whole["version"]
    assert part["services"]["service_3"]["image"] == whole["services"]["service_3"]["image"]


def test_toml_sections_lead_to_their_keys() -> None:
    """A key of a section is shown under its section head; all sections stay as heads."""
    text = short(TOML, "What is the level of tool.part7?").text
    assert "[tool.part7]\nlevel = 7" in text
    assert text.count("[tool.part") == 20
    assert "level = 9" not in text


def test_environment_files_show_the_asked_variables() -> None:
    """Of a long flat file the asked variables stay."""
    text = short(ENV, "What is APP_KEY_42 set to?").text
    assert "APP_KEY_42=value42" in text
    assert "value43" not in text


def test_without_a_query_comments_go_and_settings_stay() -> None:
    """Nothing but comments and blank lines goes where no key is asked for."""
    text = short(YAML).text
    assert yaml.safe_load(text) == yaml.safe_load(YAML)
    assert "# The image" not in text


def test_long_lists_are_counted() -> None:
    """The first items of a long list stay, the others are counted; an asked one stays."""
    text = "name: x\nkind: y\nhosts:\n" + "".join(f"- host{i}.example.org\n" for i in range(50)) + "last: 1\n"
    hosts = [f"- host{i}.example.org" for i in range(3)]
    assert short(text).text.split("\n") == ["name: x", "kind: y", "hosts:", *hosts, "# … 47 more", "last: 1", ""]
    asked = short(text, "Is `host33.example.org` in the list?").text.split("\n")
    assert "hosts:" in asked
    assert "- host33.example.org" in asked
    assert "- host20.example.org" not in asked


@pytest.mark.parametrize("text", [YAML, TOML, ENV])
@pytest.mark.parametrize("query", [None, "What is the password?", "hunter3", "s3cr3t4", "topsecret"])
def test_no_value_gets_into_the_closing_line(text: str, query: str | None) -> None:
    """The closing line holds counts; secrets cannot stand in it, whatever is asked."""
    result = rewrite(text, query)
    assert result is not None
    for secret in ("hunter", "s3cr3t", "topsecret", "value", "example"):
        assert secret not in str(result.left_out)


def test_block_scalars_are_no_comments() -> None:
    """A hash inside a block of text is text."""
    text = "# a comment\n" * 9 + "name: x\nrun: |\n  # not a comment\n  make all\nlast: y\n"
    assert "  # not a comment\n  make all" in short(text).text


def test_other_texts_and_lossless_are_left() -> None:
    """Prose and code are no settings; there is no lossless form."""
    assert rewrite("Some words here.\nAnd others there.\n" * 50) is None
    assert rewrite(YAML, strength="lossless") is None


BAD = ["", "a: b", "x" * 3_000_000, ":" * 500_000, "=" * 500_000, "\x00a: b\n" * 500, "\ud800: 1\n" * 500, "a:\n" * 50_000,
       "".join(" " * i + f"k{i}:\n" for i in range(1_500)), "[a" * 50_000, "a = [\n" * 20_000, "- \n" * 50_000,
       YAML.replace("\n", "\r\n"), "k: |\n" + " x\n" * 50_000]  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_input_takes_bounded_time(text: str) -> None:
    """Broken and deep files neither raise nor hang."""
    start = time.process_time()
    rewrite("a: 1\nb: 2\nc: 3\n" + text, "What is k7 or hunter3?")
    assert time.process_time() - start < 4
