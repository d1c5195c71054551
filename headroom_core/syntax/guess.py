"""Which languages a text may be written in, most likely first: counts of shapes that one language has and others lack."""

from __future__ import annotations

import re
from itertools import repeat
from typing import Final

_WINDOW_CHARS: Final = 2_000
_WINDOWS: Final = 4
_LINE_CHARS: Final = 300
_SURE_SHAPES: Final = 8
_SPACES: Final = re.compile(r"\s{2,}")

_SHAPES: Final[dict[str, re.Pattern[str]]] = {
    language: re.compile(shapes, re.M)
    for language, shapes in {
        "python": r"^\s*(?:async )?def \w+\((?:.*:\s*(?:#.*)?|[^)]*)$|^\s*class \w+(?:\([^)]*\))?:|^from [\w.]+ import |^import [\w.]+(?: as \w+)?$"
        r"|^\s*@\w[\w.]*(?:\(.*\))?$|^\s*(?:if|elif|for|while|with|try|except|else)\b.*:\s*(?:#.*)?$|^\s*\"\"\"",
        "javascript": r"\bfunction\b\s*\*?\s*\w*\s*\(|=>\s*[{(\w\[`'\"]|^\s*(?:const|let|var) [\w{\[]|\brequire\(['\"]|^module\.exports"
        r"|^\s*(?:export (?:default|const|function|class|async|\{|\*)|import .* from ['\"])|(?<![=!])===(?!=)|!==(?!=)|^\s*describe\(['\"]",
        "typescript": r"^\s*(?:export )?(?:declare )?(?:interface|type|enum|namespace|abstract class) \w+|\bimport type\b"
        r"|[\w)\]?]\s*:\s*(?:string|number|boolean|void|unknown|any|never|Promise<|Record<|Array<|readonly )|\bas const\b"
        r"|^\s*(?:public|private|protected|readonly) (?:static |async |readonly )*\w+[(:?=<]|\)\s*:\s*[\w<>\[\]|. ]+\s*(?:=>|\{)",
        "go": r"^package \w+$|^func (?:\([^)]*\) )?\w+[(\[]|:=|^type \w+ (?:struct|interface|func)\b|^import (?:\(|\")|\bchan \w",
        "java": r"^package [\w.]+;|^import (?:static )?[\w.*]+;|^\s*(?:@\w+\s+)*(?:public|private|protected)\s[^=;(]*[({]"
        r"|\bthrows \w+|^\s*@Override|\bfinal \w+[<\w>\[\]]* \w+ ?[=;)]|\bextends \w+|\bnew \w+(?:<.*>)?\(",
        "rust": r"^\s*(?:pub(?:\(\w+\))? )?(?:async |unsafe |const )*fn \w+|^\s*(?:pub )?(?:impl|trait|mod|struct|enum)\b[^;=(]*\{"
        r"|^\s*use [\w:]+(?:::\{|::\w|;)|\blet (?:mut )?\w+|^\s*#!?\[\w+|->\s*(?:Result|Option|Self|&)|\b\w+!\(|&(?:mut |self)",
        "c": r"^\s*#\s*(?:include|define|ifdef|ifndef|endif|pragma|if defined)\b|^\s*(?:static |const |unsigned |extern |inline )*"
        r"(?:void|int|char|size_t|float|double|bool|long|struct \w+|\w+_t)\s*\**\s*\w+\s*[([;=]|\w->\w|^typedef |\bsizeof\(|NULL",
        "cpp": r"\bstd::|^\s*template\s*<|^\s*(?:public|private|protected):|^\s*namespace \w*|\bclass \w+[^;]*\{|\bnullptr\b"
        r"|^\s*using (?:namespace )?\w|^[\w:<>*& ]+\w::~?\w+\(|#include <(?:string|vector|iostream|memory|map|algorithm)>|\bconst \w+&|\bauto \w",
        "other": r"<\?php|^\s*\$\w+ = |^\s*end$|^\s*local \w+|^\s*(?:fun|val|func|init|guard) \w|^using [\w.]+;|\bnamespace [\w.]+;?$"
        r"|^\s*require ['\"]|\bputs |^\s*(?:echo|fi|done|esac|elif)\b|^\s*def \w+[^:]*$|^\s*(?:object|case class) \w+|\becho\b"
        r"|\bget; set;|\bstring \w+|\?\?=|^defmodule |\blet \w+: \w+ =|^\s*import \w+$",
    }.items()
}
_ELSEWHERE: Final = re.compile(
    r"\A\s*<\?php|\A#!.*\b(?:ba|z|k|da)?sh\b|\A#!.*\b(?:ruby|perl|lua)\b|^using [\w.]+;|\bget; (?:private )?set;|^defmodule \w",
    re.M,
)
"""What only languages without a row have: PHP, shells, C#, Elixir."""
_LIKELY_ELSEWHERE: Final = re.compile(
    r"^ *(?:(?:override|private|public|internal|suspend|inline|open|protected) )*fun (?:<[^>\n]+> )?[\w.]+\("
    r"|^ *(?:private |public |static |override |@\w+ )*func \w+(?:<[^>\n]*>)?\(.*\) (?:throws |async )*(?:-> [^{\n]+)?\{|\bguard let\b"
    r"|^ *(?:case class|object|sealed trait) \w+(?: extends| \{|\()|^ *local function |^ *def [\w?!.]+(?:\([^()\n]*\))?$|^ *end$",
    re.M,
)
"""What is usual in Kotlin, Swift, Scala, Lua and Ruby."""
_FALLBACKS: Final = {"c": ("cpp",), "cpp": ("c",), "javascript": ("tsx",), "typescript": ("tsx", "javascript")}


def languages(text: str) -> tuple[str, ...]:
    """Candidates, best first; empty where no shape of a known language stands out."""
    sample = _sample(text)
    if is_python(sample):
        return ("python",)
    if _ELSEWHERE.search(sample):
        return ()
    scores = {language: float(sum(1 for _ in shape.finditer(sample))) for language, shape in _SHAPES.items()}
    if text.startswith("#!"):
        first = text[:80].split("\n", 1)[0]
        scores["python" if "python" in first else "javascript" if "node" in first else "other"] += 20
    if scores["typescript"] >= 2 and scores["javascript"] + scores["typescript"] > 0:
        scores["typescript"] += scores["javascript"]
    if scores["cpp"] >= 2:
        scores["cpp"] += scores["c"]
    if scores["rust"] > scores["cpp"] / 2:
        scores["cpp"] = 0
    elsewhere = 2 * sum(1 for _ in _LIKELY_ELSEWHERE.finditer(sample))
    if scores["go"] < elsewhere > max(scores.values()):
        return ()
    ranked = sorted((name for name in scores if scores[name] > 0), key=lambda name: -scores[name])
    if not ranked or (ranked[0] == "other" and scores["other"] > 2 * max((scores[r] for r in ranked[1:]), default=0)):
        return ()
    best = [name for name in ranked if name != "other" and scores[name] >= 0.4 * scores[ranked[0]]][:2]
    found = [x for name in best for x in (name, *_FALLBACKS.get(name, ()))]
    return tuple(dict.fromkeys(found))


def is_python(sample: str) -> bool:
    """Many lines of shapes that Python has, and none to speak of that end as lines do elsewhere: nothing else is asked."""
    lines = [line.strip() for line in sample.split("\n")]
    shapes = sum(1 for _ in _SHAPES["python"].finditer(sample))
    if shapes < _SURE_SHAPES or shapes * 10 < len(lines):
        return False
    ends = sum(map(str.endswith, lines, repeat(("{", ";", "}"))))
    return ends * 50 <= len(lines) and "end" not in lines


def _sample(text: str) -> str:
    """A few windows, spread over the text: enough to tell, at a cost that does not grow with it.

    Without blank lines: a shape that begins with white space would be tried at each of them, over all that follow.
    """
    if len(text) > _WINDOW_CHARS * _WINDOWS:
        step = (len(text) - _WINDOW_CHARS) // (_WINDOWS - 1)
        windows = [text[k * step : k * step + _WINDOW_CHARS] for k in range(_WINDOWS)]
        text = "\n".join(w[w.find("\n") + 1 if k else 0 : w.rfind("\n")] for k, w in enumerate(windows))
    lines = (_SPACES.sub(" ", line[:_LINE_CHARS].lstrip()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
