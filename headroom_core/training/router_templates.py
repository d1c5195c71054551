"""Questions of our own for the query classifier: what applications ask of screenshots, scans and photos.

The public sets hold almost no requests to summarise, to transcribe, to look into a corner, and no half sentences;
these patterns fill that gap. Slots are expanded in a fixed order, so the rows are the same in every run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

_SLOTS = {
    "doc": "document|page|receipt|invoice|form|letter|contract|slide|statement|report|bill|scan|screenshot|ticket",
    "photo": "picture|image|photo|scene|shot",
    "place": "top right corner|top left corner|bottom right|bottom left corner|upper right|lower left part|top|bottom"
    "|top left|lower right corner|upper half|bottom half|left edge|right side|middle of the {page}|center of the image",
    "page": "page|screen|picture|document",
    "part": "bottom line|top line|last row|header|footer|top section|right column|left column|bottom row|upper panel"
    "|left panel|right panel|sidebar on the left|toolbar at the top|status bar at the bottom|second panel",
    "field": "total amount|invoice number|date|due date|company name|address|phone number|tax|subtotal|customer name"
    "|order number|email address|account number|price|serial|error message|reference number|balance|vendor",
    "thing": "object|animal|person|man|woman|dog|cat|bird|car|building|food|plant|vehicle|room|place|flower|dish|toy",
    "things": "people|cars|birds|windows|spots|fingers|chairs|dogs|trees|bottles|cups|stripes|whiskers|leaves|coins"
    "|books|plates|buttons|wires|screws|boats|sheep|candles|tiles|eggs",
    "pack": "can|bottle|box|jar|packet|package|bag|carton|tube|container",
    "goods": "snack|soup|drink|tea|coffee|medicine|cereal|candy|supplement|sauce|frozen dinner|soda|shampoo|meat|spice"
    "|beans|corn|tuna|chicken noodle soup|tomatoes|chili|dog food|cat food|peas|pineapple|vegetables|fruit|juice|milk"
    "|yogurt|bread|cheese|pasta|rice|noodles|pizza|popcorn|crackers|cookies|cake mix|chips|nuts|peanut butter|jam|honey"
    "|salad dressing|ketchup|mustard|vitamins|eye drops|pain reliever|lotion|soap|conditioner|toothpaste|detergent"
    "|perfume|hot chocolate|oatmeal|gum|chocolate bar|protein bar|granola|water|beer|wine|lemonade|ice cream|muffin mix",
    "ask": "what is this|can you tell me what this is|what do i have here|do you know what this is|tell me what it is",
    "hue": "red|green|yellow|black|white|brown|grey|striped|spotted|orange|olive|buff|rufous|iridescent",
    "limb": "tail|back|bill|beak|wings|belly|crown|legs|head|throat|breast|forehead|ears|eyes|coat|stripes|nose",
    "land": "france|texas|brazil|ohio|kenya|spain|japan|nevada|india|egypt|maine|peru|italy|canada|iowa|utah|chile",
    "school": "mammal|solid|liquid|gas|reptile|bird|rock|mineral|vertebrate|invertebrate|producer|consumer|predator|fossil",
    "chart": "chart|graph|plot|figure|diagram|bar chart|line graph|pie chart|curve",
    "colour": "color|colour",
    "please": "|please |can you |could you please |i need you to ",
}
_TRANSCODE = """
{please}read the text in this {doc}
{please}read the {field}
{please}read the {field} in the {doc}
{please}read out the {field} of this {doc}
{please}read the sign
{please}read the note to me
{please}read it to me
{please}transcribe the text
{please}transcribe everything you see
{please}copy the text of this {doc}
{please}copy out the {field}
{please}type out what it says
{please}write down the {field}
{please}give me the {field}
{please}tell me the {field} on the {doc}
{please}find the {field} in this {doc}
{please}translate the sign
{please}translate this {doc}
{please}get the text out of the {photo}
{please}run ocr on this {doc}
ocr this
what text is on the {photo}
{please}transcribe this {doc}
{please}summarise this {doc}
{please}summarize the {doc} in three sentences
what does this {doc} say
what does it say
what does it say on the {pack}
what does the label on this {pack} say
can you read what is written on this {pack}
{please}read the label on this {pack}
{please}extract all text
{please}extract the {field}
{please}extract the table from this {doc} as csv
what is the {field} on this {doc}
what is the {field}
what's the {field}
who signed this {doc} and when was it issued
convert this {doc} to markdown
what is the error in this screenshot
what error message is shown
why does this command fail
what does the terminal output say
what does the sign say
what does the note say
what is written here
list the items and their prices
which items were bought and how much did they cost
translate the text in this {photo} into english
is there an email address in this {doc}
ocr this {photo}
what does the screen show
what is on the screen
what is the title of this book
what did the tool print
fill in the fields of this form as json
what are the opening hours
what are the ingredients listed
"""
_CROP = """
what is in the {place} of this {doc}
what is in the {place}
what is shown in the {place}
read the text in the {place}
what does the text in the {place} say
what is the number in the {place}
what does the {part} say
read the {part}
what is in the {part}
zoom into the {place}
look at the {place} and tell me what you see
what {colour} is the icon in the {place}
who is standing in the {place} of the {photo}
what is the {thing} in the {place} doing
is there a logo in the {place}
which value stands in the {part}
what is the label on the y-axis of the {part}
for the {part}, what is the highest value
in the {part}, which line is lowest
which button is in the {place}
in plot (b), what is the maximum
as shown in the left plot, which method is best
for the panel titled accuracy, what is the final value
what is at the {place}
"""
_FULL_LOW = """
what is this
what is this {thing}
what kind of {thing} is this
what {colour} is the {thing}
what {colour} is this
what {colour} is this shirt
describe the scene
describe this {photo}
{please}describe what is on the {photo}
what is happening in this {photo}
what's this {photo} about
is this indoors or outdoors
is it day or night
what animal is this
what is the {thing} doing
is there a {thing} in the {photo}
where was this {photo} taken
what is the weather like
what season is it
what sport is being played
what room is this
what is next to the {thing}
is the {thing} on the left or on the right
on which side is the {thing}
is the {thing} in front of the {thing}
what is behind the {thing}
what mood does this {photo} have
give me a short caption
write alt text for this {photo}
does the {thing} in the {photo} have a {hue} {limb} and {hue} {limb}
does this {thing} have {hue} {limb}
what is the capital of {land}
which country borders {land}
is a {thing} a {school} or a {school}
which of these organisms is a {school}
which property do these objects have in common
which of the following questions can be answered by the test
what could the engineers learn from this trial
which season is shown here
who invented the sport in the {photo}
what is this {thing} used for
what is {hue} {thing} made of
where would you find this {thing}
does this match
do these clothes go together
is this a photo or a drawing
what type of document is this
is my screen on or off
what is this picture of
what does this picture look like
what pattern does this have
which festival or parade is this
what kind of event is this
what would the experiment show
what question can this experiment answer
what are these
is the light on
what does this look like
"""
_PRESERVE = """
how many {things} are there
how many {things} are in the {photo}
count the {things}
what brand is this {pack}
what brand is shown
what brand of {goods} is this
what flavor is this {goods}
what flavor is this
what is in this {pack}
what is this {pack} of {goods}
is this a {pack} of {goods}
is this {goods} or {goods}
what is the name of this {goods}
what kind of {pack} is this {goods}
what is this product
this {goods} here
can you tell me what this {pack} is
can you tell me what is in this {pack}
{ask}, is it {goods} or {goods}
is this {goods}
is this my {goods}
is this {goods}, thank you
what {goods} is this
what's in this {pack}
please tell me what is in this {pack}
is there an expiration date on this
what vitamin is this
which medicine is this and how much of it do i take
which of these is the {goods}
what type of {goods} is this
what kind of {goods} is in the {pack}
is there {goods} in this {pack}
i need to know whether this is {goods}
do these {goods} contain nuts
is the {goods} still good
are these {goods} low fat
can i take these with food
how many servings are in this {pack}
how many are left in the {pack}
how many more do i need
how much is left on the dial
can you see a mode switch or a small button anywhere here
which of the four sockets is for the headphones
which one of these keys opens the door
which knob controls the left burner
what setting is the dial on
can you find where the stain is
where is the tiny hole
does it need dry cleaning or can it be machine washed
is it safe for the microwave
is this sugar free
is this {goods} gluten free
does this {goods} need to be refrigerated
when does this {goods} expire
what are the cooking directions for this {goods}
what temperature should this be washed at
what time does the clock show
what time is it on this watch
how much time is left on the timer
read the serial number
what is the license plate
what model is this phone
what trend does the {chart} show
what is the value in 2015 in the {chart}
which line of the {chart} is highest
compare the two curves in the {chart}
what is the peak of the {chart}
what is the slope of the curve between 2 and 4
where exactly should i click to submit
give me the coordinates of the {thing}
is the checkbox checked
which tab is selected
is the switch turned on
which option is highlighted
is there any defect on the surface
do you see a crack in the {thing}
find all differences between these two pictures
is the tumor visible in this scan
which of these buttons is the power button
can you find the small {thing}
what is the pattern on the fabric in detail
can you see a scratch
is this signature the same as that one
estimate the distance between the {things}
how far apart are the {things}
measure the angle
what is the thermostat set to
"""
_UNCLEAR = """
yes|no|ok|thanks|thank you|hello|hi there|please|once more|and this one|what about this one
never mind|i don't think so|green i guess|i took another picture|i will send one more|is that better|hmm
as i said before|go on|continue|next|the other one|not that one|same question|here you go|see attached|look|like before
can you help me|what about the rest|it was like this|this|that|these|over there
i found it|the first one|let us start over|is it working|can we do this again|tell me|i need to know|anything else
i'm not sure|maybe|this way|on the other hand what|good idea|give me a second|so what do you think|any idea|what now
"""


_BEFORE = ("", "", "", "hi, ", "hello, ", "please, ", "can you tell me ", "excuse me, ", "i would like to know ", "so ")
_AFTER = ("", "", "", "", " please", " thank you", " thanks", "?", "?", "? thank you.")


def templates(limit: int = 150, least: int = 30) -> Iterator[tuple[str, str]]:
    """(question, technique) rows; at least ``least`` and at most ``limit`` of each pattern, in other frames each time."""
    tables = (("transcode", _TRANSCODE), ("crop", _CROP), ("full_low", _FULL_LOW), ("preserve", _PRESERVE))
    for technique, table in tables:
        for line in table.strip().splitlines():
            made = list(itertools.islice(_spread(line), limit))
            for at in range(max(least, len(made))):
                yield _BEFORE[at % len(_BEFORE)] + made[at % len(made)] + _AFTER[at * 3 % len(_AFTER)], technique
    for question in re.split(r"[|\n]", _UNCLEAR.strip()):
        for frame in ("{}", "{}.", "hey {}", "{} thank you"):
            yield frame.format(question.strip()), "preserve"


def _spread(pattern: str) -> Iterator[str]:
    """Every filling of the pattern, in an order that varies all slots early."""
    names = re.findall(r"\{(\w+)\}", pattern)
    if not names:
        yield pattern
        return
    choices = [_SLOTS[name].split("|") for name in names]
    total = 1
    for options in choices:
        total *= len(options)
    seen = set()
    for step in range(min(total, 4000)):
        at, filled = step, pattern
        for name, options in zip(names, choices, strict=True):
            at, choice = divmod(at + 7 * step, len(options)) if len(names) > 1 else (0, at % len(options))
            filled = filled.replace("{" + name + "}", options[choice], 1)
        for inner in _spread(filled) if "{" in filled else (filled,):
            if inner not in seen:
                seen.add(inner)
                yield inner
