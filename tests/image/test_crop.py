"""Regions: named places, rows that answer, numbers, the only part with edges."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw

from headroom_core.ccr.slices_image import region
from headroom_core.errors import InvalidInput
from headroom_core.image.crop import Region, box_of, cut, find, named_place, salient, sized
from headroom_core.image.layout import rows
from headroom_core.image.ocr import Line
from headroom_core.tokens.profiles import profile_for
from tests.image.pictures import RECEIPT, picture_bytes

SIZE = (1000, 800)


@pytest.mark.parametrize(
    ("words", "inside", "outside"),
    [
        ("What is in the top right corner?", (900, 50), (100, 700)),
        ("Read the bottom line", (500, 780), (500, 100)),
        ("What does it say at the bottom?", (500, 780), (500, 100)),
        ("the upper left corner", (50, 50), (900, 700)),
        ("What is in the middle of the screen?", (500, 400), (20, 20)),
        ("what does the header say", (500, 20), (500, 700)),
        ("the right panel", (900, 400), (100, 400)),
        ("bottom right", (950, 780), (50, 50)),
    ],
)
def test_named_places(words: str, inside: tuple[int, int], outside: tuple[int, int]) -> None:
    """The region of a named place holds what stands there and not what stands opposite."""
    made = find(words, (), SIZE)
    assert made is not None
    left, top, right, bottom = made.boxes[0]
    assert left <= inside[0] <= right
    assert top <= inside[1] <= bottom
    assert not (left <= outside[0] <= right and top <= outside[1] <= bottom)


@pytest.mark.parametrize(
    "words",
    [
        "On which side is the car?",
        "the man to the left of the bus",
        "Is it left or right?",
        "what is this",
        "on top of the hill",
    ],
)
def test_what_names_no_place(words: str) -> None:
    """Relations between things and questions for a side name no place."""
    assert named_place(words) is None


def test_rows_are_anchors() -> None:
    """A total is found by its row; the strips hold it and are a small part of the picture."""
    found = rows(RECEIPT)
    made = find("What is the total amount?", found, (400, 840))
    assert made is not None
    total = next(row.box for row in found if row.text.startswith("TOTAL"))
    assert any(box[1] <= total[1] and total[3] <= box[3] and box[0] <= total[0] for box in made.boxes)
    assert made.share((400, 840)) < 0.5


def test_everything_has_no_region() -> None:
    """A request for everything is not cropped."""
    assert find("Summarise this", rows(RECEIPT), (400, 840)) is None


@pytest.mark.parametrize(
    ("words", "box"),
    [
        ("10,20,110,220", (10, 20, 110, 220)),
        ("0.1,0.5,0.2,1", (100, 400, 200, 800)),
        ("-5,0,5000,90", (0, 0, 1000, 90)),
    ],
)
def test_numbers_are_boxes(words: str, box: tuple[float, ...]) -> None:
    """Pixels, or fractions where all are at most 1; clipped to the picture."""
    assert box_of(words, SIZE) == box


@pytest.mark.parametrize("words", ["somewhere", "5,5,5,5", "1,2,3"])
def test_nonsense_is_no_region(words: str) -> None:
    """What is not understood is None, and an error with the remedy in the retrieve door."""
    assert box_of(words, SIZE) is None
    with pytest.raises(InvalidInput, match="bottom right"):
        region(picture_bytes(200, 100), words)


def test_a_region_comes_back_as_a_picture() -> None:
    """The bottom right of a kept PNG has exactly those pixels."""
    data = picture_bytes(400, 200)
    got, mime = region(data, "200,100,400,200")
    assert mime == "image/png"
    whole = Image.open(io.BytesIO(data)).convert("RGB")
    assert Image.open(io.BytesIO(got)).tobytes() == whole.crop((200, 100, 400, 200)).tobytes()
    assert Image.open(io.BytesIO(region(data, "bottom right")[0])).size[0] == 200


def test_strips_are_stacked() -> None:
    """Several boxes become one picture, top to bottom, nothing lost."""
    image = Image.new("RGB", (100, 300), "white")
    ImageDraw.Draw(image).rectangle((0, 200, 99, 219), fill="red")
    made = cut(image, Region(((0, 0, 100, 20), (0, 200, 100, 220)), "two"))
    assert made.size == (100, 44)
    assert made.getpixel((50, 30)) == (255, 0, 0)


def test_the_only_part_with_edges() -> None:
    """A small drawing on a plain ground is found; a picture full of edges has no such part."""
    image = Image.new("L", (800, 600), 255)
    draw = ImageDraw.Draw(image)
    for at in range(500, 600, 8):
        draw.line((at, 400, at, 480), fill=0, width=3)
    box = salient(image)
    assert box is not None
    assert box[0] <= 505
    assert box[2] >= 590
    assert (box[2] - box[0]) * (box[3] - box[1]) < 0.2 * 800 * 600
    assert salient(Image.effect_noise((400, 400), 120)) is None


def test_a_crop_keeps_letters_legible() -> None:
    """Small print is sent at no less than nine tenths of what the whole picture would have shown."""
    small = rows(RECEIPT)
    plan = sized(Region(((0.0, 0.0, 400.0, 300.0),), "x"), small, (400, 840), profile_for("openai"))
    assert plan.size[0] >= 0.5 * 400


def test_an_unsure_reading_is_cropped_with_more_around() -> None:
    """Letters next to those that were read may have been missed: the crop shows more."""
    found = rows(
        [Line("Concert Hall", (300.0, 50.0, 410.0, 80.0), 0.55), Line("Theatre", (450.0, 85.0, 520.0, 105.0), 0.5)]
    )
    wider = find("What does the sign say?", found, (1280, 720), unsure=True)
    assert wider is not None
    (box,) = wider.boxes
    assert box[0] < 300 - 70
    assert box[2] > 520 + 70
    assert box[1] == 0
    assert box[3] > 105 + 70
    assert wider.share((1280, 720)) < 0.15
