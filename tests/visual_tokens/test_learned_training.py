"""Distillation of learned compressors, the scenes and the answer head of the visual-token task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("PIL")

from headroom_core.errors import InvalidInput  # noqa: E402
from headroom_core.evals import visual_task  # noqa: E402
from headroom_core.evals import visual_task_scenes as scenes  # noqa: E402
from headroom_core.evals.visual_retrieval import Variant, Vectors, decoded, full_size, index, ndcg, scores  # noqa: E402
from headroom_core.evals.visual_task_model import WIDTH, Answerer  # noqa: E402
from headroom_core.training.visual_distil import (  # noqa: E402
    Pool,
    distil,
    distil_loss,
    goal_of,
    head_reader,
    picture_pool,
    seed_latents,
    seed_scores,
)
from headroom_core.training.visual_tokens import modules  # noqa: E402
from headroom_core.visual_tokens.learned import load, make  # noqa: E402
from headroom_core.visual_tokens.learned.layers import LocalLookup  # noqa: E402
from headroom_core.visual_tokens.learned.weights import FOLDER  # noqa: E402


def _have_fonts() -> bool:
    try:
        return bool(scenes.fonts("test") and scenes.fonts("train"))
    except InvalidInput:
        return False


needs_fonts = pytest.mark.skipif(not _have_fonts(), reason="fonts-dejavu and fonts-liberation are not installed")
needs_weights = pytest.mark.skipif(not (FOLDER / "teacher.safetensors").exists(), reason="no trained weights")


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Sixteen pictures of 64 random tokens and an untrained teacher."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    return Pool(
        tokens=torch.randn(16, 64, WIDTH, generator=generator).half(),
        attention=torch.rand(16, 64, generator=generator),
        questions=torch.tensor([[0, 1, 2], [1, 3, 0], [2, 0, 0]]).expand(16, -1, -1),
        asked=torch.ones(16, 3, dtype=torch.bool),
        teacher=Answerer().eval().requires_grad_(False),
    )


@pytest.mark.parametrize("name", ["perceiver", "query_conditioned", "conv_abstractor"])
def test_distillation_brings_the_reader_closer(name: str, pool: Pool) -> None:
    """Without labels: 60 steps bring what the reader gets from a quarter of the tokens nearer to what it got from all."""
    reader, module = head_reader(pool.teacher), make(name, WIDTH, ratio=4.0)
    goal = goal_of(pool, reader)
    rows, picks = torch.arange(16), torch.arange(2).expand(16, -1)

    def distance() -> float:
        with torch.no_grad():
            return float(distil_loss(module, pool, goal, reader, rows, picks))

    seed_latents(module, pool, seed=0)
    before = distance()
    distil(module, pool, reader, ratios=(4.0,), steps=60, seed=0, size=8)
    assert distance() < 0.7 * before


def test_the_scores_of_a_lookup_begin_at_the_attention(pool: Pool) -> None:
    """Where the log of the attention is a linear function of the token, the score is that function."""
    truth = torch.linspace(-0.5, 0.5, WIDTH)
    told = Pool(pool.tokens, (pool.tokens.float() @ truth - 3).exp(), pool.questions, pool.asked, pool.teacher)
    lookup = LocalLookup(WIDTH, 8)
    seed_scores(lookup, told)
    assert torch.allclose(lookup.score.weight[0], truth, atol=0.01)


def test_distillation_resumes_where_it_stopped(pool: Pool, tmp_path: Path) -> None:
    """A run stopped after 12 of 20 steps and started again ends with the very weights of one that ran through."""
    file, options = tmp_path / "m.checkpoint", {"ratios": (16.0,), "steps": 20, "seed": 0, "size": 4, "every": 10}
    reader = head_reader(pool.teacher)
    torch.manual_seed(5)
    whole = make("slice_resampler", WIDTH, ratio=16.0)
    start = {name: value.clone() for name, value in whole.state_dict().items()}

    class Stop(Exception):
        """Raised in the middle of the second run."""

    calls = 0

    def stopping(tokens, questions, bias):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls > 13:
            raise Stop
        return reader(tokens, questions, bias)

    distil(whole, pool, reader, **options)
    part = make("slice_resampler", WIDTH, ratio=16.0)
    part.load_state_dict(start)
    with pytest.raises(Stop):
        distil(part, pool, stopping, checkpoint=file, **options)
    rest = make("slice_resampler", WIDTH, ratio=16.0)
    distil(rest, pool, reader, checkpoint=file, **options)
    assert calls > 13
    assert all(torch.equal(value, rest.state_dict()[name]) for name, value in whole.state_dict().items())


def test_the_same_seed_gives_the_same_bytes(pool: Pool, tmp_path: Path) -> None:
    """The command's weights for a convolutional module, whatever was drawn before; another seed gives others."""
    files = [tmp_path / name / "ocr_conv.safetensors" for name in ("first", "second", "other")]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        file.parent.mkdir()
        torch.rand(seed + len(list(tmp_path.iterdir())))
        modules(file.parent, file.parent, pool, ["ocr_conv"], seed=seed, steps=3)
    first, second, other = (file.read_bytes() for file in files)
    assert first == second
    assert first != other


def test_a_users_pictures_become_a_pool(tmp_path: Path) -> None:
    """``--images``: square crops of any pictures, encoded, with every question there is; the same for the same seed."""
    from PIL import Image

    rows = np.add.outer(np.arange(240), np.arange(320) * 2) % 256
    Image.fromarray(np.stack([rows, rows[::-1], 255 - rows], -1).astype(np.uint8)).save(tmp_path / "a.png")
    torch.manual_seed(0)
    teacher = Answerer().eval()
    first, second = (picture_pool(teacher, tmp_path, seed=1, count=2) for _ in range(2))
    assert first.tokens.shape == (2, 576, WIDTH)
    assert first.questions.shape == (2, 19, 3)
    assert torch.equal(first.tokens, second.tokens)
    assert not torch.equal(first.tokens[0], first.tokens[1])


def test_an_empty_folder_says_what_to_give(tmp_path: Path) -> None:
    """``--images`` with no pictures inside is an ``InvalidInput``."""
    with pytest.raises(InvalidInput, match="no png or jpg"):
        picture_pool(Answerer(), tmp_path, seed=0, count=1)


@needs_fonts
def test_a_scene_is_a_function_of_its_number_and_tells_the_truth() -> None:
    """The same number gives the same picture; every answer agrees with the marks of the patches."""
    first, second = (scenes.scene("test", 3, 4) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert not np.array_equal(first.image, scenes.scene("test", 3, 5).image)
    for (kind, subject, slot), answer, patches in zip(first.questions, first.answers, first.evidence, strict=True):
        if kind == 0:
            assert first.characters[patches[0]] == answer + 1
            assert (first.inks[patches[0]], first.places[patches[0]]) == (subject + 1, slot + 1)
        elif kind == 2:
            assert answer - scenes.CLASSES["count"][0] == (first.shapes == subject + 1).sum()
        else:
            rows, columns = np.array(patches) // scenes.GRID, np.array(patches) % scenes.GRID
            assert set((rows // 8 * 3 + columns // 8).tolist()) == {answer - scenes.CLASSES["place"][0]}


@needs_fonts
def test_no_test_font_or_picture_is_seen_in_training() -> None:
    """The splits share no font family and no picture."""
    assert not set(scenes.fonts("train")) & set(scenes.fonts("test"))
    assert not [file for file in scenes.fonts("train") if file.name.startswith(scenes.HELD_OUT_FONTS)]
    assert not set(scenes.pictures("train")) & set(scenes.pictures("test"))


@needs_fonts
@needs_weights
def test_the_trained_model_answers_and_the_trained_perceiver_keeps_most() -> None:
    """On 24 unseen scenes: the uncompressed model is above 80 %, random pruning at 16x loses over twice what the trained
    perceiver loses."""
    model = visual_task.teacher()
    data = visual_task.encode(model, 24)
    full, _ = visual_task.answer(model.head, data, None, per_question=False)
    random, _ = visual_task.answer(model.head, data, visual_task.RandomKeep(16.0), per_question=False)
    learned, tokens = visual_task.answer(model.head, data, load("perceiver", ratio=16.0), per_question=False)
    assert full.mean() > 0.8
    assert tokens == 36
    assert full.mean() - random.mean() > 2 * (full.mean() - learned.mean())


def test_the_table_marks_what_reaches_the_goal() -> None:
    """A drop under the goal gets a star and a yes; the task counts only where random pruning loses enough."""
    full = np.ones((10, 6))
    rows = [
        visual_task.Result("random", 9.0, 64, 95.0, 5.0, 4.0, 6.0, (95, 95, 95)),
        visual_task.Result("tome", 9.0, 64, 99.0, 1.0, 0.5, 1.4, (99, 99, 99)),
        visual_task.Result("perceiver", 9.0, 64, 98.0, 2.0, 1.5, 2.4, (98, 98, 98)),
    ]
    table = "\n".join(visual_task.table(rows, [9.0]))
    told = "\n".join(visual_task.verdicts(rows, full))
    assert "99.0, 1.00 [0.50, 1.40] *" in table
    assert "2.00 [1.50, 2.40] *" not in table
    assert "random at 9x loses 5.0; needed 10: NO" in told
    assert "best tome loses 1.00, goal 1.5: yes; misses: perceiver 2.0" in told


def test_ndcg_and_the_size_of_an_index() -> None:
    """nDCG by hand; an index is its bytes of codes, its codebook in half precision and 4 bytes a page."""
    assert ndcg(torch.tensor([0.1, 0.9, 0.5]), [1]) == 1.0
    assert ndcg(torch.tensor([0.9, 0.5, 0.1]), [1]) == pytest.approx(1 / np.log2(3))
    assert ndcg(torch.tensor([0.9, 0.5, 0.1]), [0, 2]) == pytest.approx((1 + 0.5) / (1 + 1 / np.log2(3)))
    generator = torch.Generator().manual_seed(0)
    pages = [torch.nn.functional.normalize(torch.randn(n, 384, generator=generator), dim=1).half() for n in (30, 50)]
    found = Vectors(pages, [torch.rand(len(page), generator=generator) for page in pages], [])
    coded = index(found, Variant("x", ((2, 16),), keep=0.5))
    assert coded.nbytes == 40 * 1 + 4 * 2 + 2 * 16 * 384
    assert full_size(found) == 80 * 768 + 8


def test_scores_of_all_pages_at_once_are_those_of_the_index() -> None:
    """The measure's batched MaxSim over decoded vectors gives what ``PageIndex.scores`` gives from its tables."""
    generator = torch.Generator().manual_seed(1)
    pages = [torch.nn.functional.normalize(torch.randn(n, 384, generator=generator), dim=1).half() for n in (9, 3, 40)]
    questions = [torch.randn(n, 384, generator=generator) for n in (4, 7)]
    coded = index(Vectors(pages, [], questions), Variant("x", ((4, 16),), rotate=True))
    found = scores(questions, decoded(coded), coded.lengths, chunk=16)
    assert found.shape == (2, 3)
    for row, question in zip(found, questions, strict=True):
        assert torch.allclose(row, coded.scores(question), rtol=2e-3, atol=2e-2)
