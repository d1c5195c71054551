"""Marks of lines: patterns that public formats leave on their lines, and the share of sampled lines that carry each.

All patterns are linear: no repetition stands inside another over the same characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LINE = 240
"""Characters of a line that are looked at."""

ANSI = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
_PATH = r"(?:[A-Za-z]:[\\/])?(?:[\w.@+~()\[\]$%#,=-]+[\\/])*[\w.@+~()\[\]$%#,=-]*\.\w{1,12}"
_DEEP = r"(?:[A-Za-z]:)?[\w.@+~()\[\]$%#,=-]*(?:[\\/][\w.@+~()\[\]$%#,=-]+)+"
HIT = re.compile(rf"(?:\./)?(?:{_PATH}|{_DEEP}|Makefile|Dockerfile)(?::\d+(?::(?!\d\d[\s.,])|\s)|-\d+-(?!\d\d?[_ T-]))")
HIT_PLAIN = re.compile(rf"(?:\./)?({_PATH}|{_DEEP}):(?=\S|\s+\S)(?!//|:|\d+:)")
_HIT_NUMBER = re.compile(r"\s{0,6}\d+[:-](?:\d+:)?(?!\d\d)")
_HEADING = re.compile(r"(?:[A-Za-z]:[\\/])?[\w.@+~()\[\]$%#,=/\\-]+$")
_ENDING = re.compile(r"\.\w{1,12}$")
_NUMBER_MARK = re.compile(r"[:-]\d+[:\s-]")
_DIAGNOSTIC = re.compile(r"[^:]{1,160}(?::\d+){1,2}:\s{0,2}(?:fatal )?(?:error|warning|note|info|remark)\b", re.I)
DIFF = re.compile(
    r"diff --(?:git|cc|combined) |--- (?:a/|/dev/null|\S+\t)|\+\+\+ (?:b/|/dev/null|\S+\t)|@@+ [-+]\d|Index: \S|\d+(?:,\d+)?[acd]\d+(?:,\d+)?$"
)
RUN_END = re.compile(
    r"Ran \d+ tests? in [\d.]+s|(?:=+ )?(?:\d+ (?:passed|failed|errors?|skipped|warnings?|deselected)[, ]+)*\d+ (?:passed|failed|errors?)\b.{0,60} in [\d.]+s"
    r"|FAILED \((?:failures|errors)=|Tests?:? +(?:run: )?\d+|Test Suites: \d|\s{0,4}\d+ (?:passing|failing)\b|\d+ examples?, \d+ failures?"
    r"|test result: (?:ok|FAILED)|(?:ok|FAIL)\s+\S+\s+[\d.]+s$|FAIL$|(?:\[\w+\] )?BUILD (?:SUCCESS|FAILURE|FAILED|SUCCESSFUL)|npm ERR!|make(?:\[\d+\])?: \*\*\* "
    r"|error: could not compile|\d+% tests passed, |(?:Process )?[Ee]xit(?:ed with)? (?:code|status):? \d+|##\[error\]|Failed!? +- Failed: +\d+|OK \(\d+ tests?"
)
_FRAME = re.compile(
    r"\s*(?:Traceback \(most recent|File \"[^\"]+\", line \d+|at (?:async |new )?[\w$.<>/\[\]`]+(?: \[as \w+\])? ?\(|at (?:async )?\S+:\d+|\.{3} \d+ more|Caused by: "
    r"|goroutine \d+ \[|from \S+:\d+:in |\S+\.(?:go|rs):\d+(?: \+0x|:\d+$)|\d+: +(?:0x[0-9a-f]+ - )?[\w<]+(?:::|$)|#\d+ +(?:0x[0-9a-f]+ in )?\S+"
    r"|thread '[^']*' panicked|Exception in thread |panic: |stack backtrace:|created by \S+|During handling of the above)"
)
_STAMP = re.compile(
    r"[\W_]{0,4}(?:\w{1,12}[\s|:-]{1,3}){0,2}[\W_]{0,3}(?:(?:19|20)\d\d[-/.]?[01]\d[-/.]?[0-3]\d|\d{1,2}[-/.]\d{1,2}(?:[-/.]\d{2,4})?[ T]\d\d:\d\d|\d\d:\d\d:\d\d\b"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w* +\d{1,2}[ ,]|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? (?:\d|[A-Z][a-z]{2} )|1\d{9}\b|\d{6} \d{6} |[IWEF]\d{4} \d\d:)"
)
_LEVEL = re.compile(
    r"INFO|DEBUG|WARN|ERROR|ERR |TRACE|FATAL|CRITICAL|NOTICE|SEVERE|\[info\]|\[warn|\[error\]|\[debug\]|level="
)
_BUILD = re.compile(
    r"(?:\s*(?:\x1b|travis_|##\[|::\w+|\$ \S|\+{1,3} \S|> \S+@\d|make(?:\[\d+\])?: |npm (?:WARN|ERR|notice|info|http)|yarn |gyp |Collecting |Downloading |Downloaded |Installing |Installed "
    r"|Requirement already|Successfully |Building |Compiling |Checking |Running |Fetching |Resolving |Updating |Unpacking |Setting up |Preparing |Selecting |Get:\d|Hit:\d|Reading "
    r"|Receiving objects|remote: |Cloning |Step \d+/\d+|---> |The command \"|Done\. Your build|ok \d+|not ok \d+|ok\s+\S+\s+[\d.]+s|--- (?:PASS|FAIL|SKIP)|=== (?:RUN|PAUSE|CONT)|PASS\b|FAIL\b"
    r"|test \S.* \.\.\. |Tests? run:|\[ *\d+%\]|\[ *(?:OK|RUN|PASSED|FAILED|  )|={3,}|-{5,}|\d+ (?:passing|passed|failing|failed|examples?)|BUILD |:[\w:-]+(?: UP-TO-DATE)?$|g?cc |g\+\+ |clang|CC |CXX |LD |AR "
    r"|Using |Fetched |Linking |Scanning |Processing |Creating |Get |\* \[new |[✓✔✗✘×●] |\d+\) )|\S+::\S+ (?:PASSED|FAILED|SKIPPED|ERROR)|[\w./-]+\.\w+ [.FEsx]{2,}\s)"
)
TAG = re.compile(r"\s*</?[A-Za-z!?][^<>]{0,200}(?:>|$)")
_SECTION = re.compile(r"\[{1,2}[\w .:\"'/@*-]+\]{1,2}\s*(?:#.*)?$")
_ASSIGN = re.compile(r"(?:export )?[\w.\"'@/-]+(?: ?[\w.-]+)?\s{0,30}=(?!=)")
_YAML = re.compile(
    r"\s*(?:- )*(?:[\w.$/@*-]+|\"[^\"]{1,60}\"|'[^']{1,60}'|\{\{[^}]{1,60}\}\})\s?:(?: .*)?$|\s*- \S|---$|\.\.\.$"
)
_BRANCH = re.compile(r"[\s│|]*(?:├|└|`--|\|--|\+---|\\---)")
_LS_LONG = re.compile(r"[dlbcps-][rwxsStT-]{9}[.+@]?\s+\d+\s|total \d+")
_LS_DIR = re.compile(r"(?:\.{0,2}/)?[^\s:][^:]{0,160}:$")
_BARE = re.compile(r"(?:\./|/|~/)?(?:[\w.@+~()\[\]$%#,=-]+[\\/])+[\w.@+~()\[\]$%#,=-]*$|\.$")
_NAME = re.compile(r"[\w.@+~()\[\]$%#,=-]{1,160}[/*@|=]?$")
_CODE = re.compile(
    r"\s*(?:(?:async )?def \w+\s*[(\[]|class \w+|import [\w.{*\"'(]|from [\w.]+ import|@\w[\w.]*(?:\(|$)|(?:export |default |async )*function\b|(?:export )?(?:const|let|var) [\w{\[]|#\s*(?:include|define|ifdef|ifndef|endif|if|pragma|undef)\b"
    r"|(?:public|private|protected|internal|static|final|abstract|virtual|override|inline|extern|typedef|template|namespace|using|package|struct|enum|union|interface|trait|impl|mod|pub|use|fn|func|type|module|require|include|extends|val|unsafe) [\w<(:{\"'*]"
    r"|(?:fi|done|esac|;;|exit \d|shift)\b\s*;?$|(?:echo|export|local|set|call|unset|source) \S|let \w|(?:if|for|while|switch|catch|elif|else if|match|foreach|unless|until)\b.*(?:[{:(]|then)\s*$|(?:else|try|finally|do|begin|end)\b\s*[{:]?\s*$|return\b|raise |throw |yield |await |break;|continue;|assert |case .*:|self\.|this\.|super[.(]|/\*|\*/|\* |\*$|//|\"\"\"|'''|\}|\)[;,)]?$"
    r"|[\w.\[\]>*&()-]+ (?:[-+*/|&]?=|:=|<-) \S.*|[\w.:>-]+\(.*\)?[;,{]?$)"
)
_CODE_END = (";", "{", "}", "):", ") {", "=>", ",", "(", ")", "\\")
_STRONG_CODE = re.compile(
    r"\s*(?:(?:async )?def \w+\s*[(\[]|class \w+.*[:{]$|from [\w.]+ import |import [\w.]+(?: as \w+|;)?$|import .* from |(?:export |default |async )*function\b|(?:const|let|var) \w+ ?=|#\s*(?:include|define) |package [\w.]+;?$"
    r"|(?:public|private|protected|static|final|abstract|inline|pub|impl|fn|func|struct|namespace|template|typedef|using|use) .*[{;(,>]\s*$|(?:if|for|while|switch) ?\(.*\{\s*$|return\b.*;|@Override|(?:if|while|for|elif) .*; ?(?:then|do)$|(?:fi|done|esac|endif|endfunction|end)$|(?:echo|local|export) [\"$\w].*|(?:if|for|while|elif|with|try|except)\b.*:$|\} else|self\.\w+ = |func .*\{$)"
)
_SENTENCE = re.compile(r"\s*(?:[-*>#\d.]+ )?[\"'(\[*_]?[A-Z]?[\w'’,\"()`*-]+(?: [\w'’,\";:()%$/.`*_\[\]–—-]+){5}")


DIFF_EXTENDED = re.compile(
    r"(?:old|new|deleted) (?:file )?mode |index [0-9a-f]|(?:similarity|dissimilarity) index|(?:rename|copy) (?:from|to) |Binary files |GIT binary|={20,}|commit [0-9a-f]{7}"
)
_CI = re.compile(
    r"(?:\S{20,30}Z )?(?:travis_(?:fold|time):|##\[(?:group|section|command|error)|::group::|section_(?:start|end):\d|Running with gitlab-runner|Started by (?:user|an SCM|timer)"
    r"|\[Pipeline\]|Finished: (?:SUCCESS|FAILURE|UNSTABLE|ABORTED)|Build started$|Using worker: |Job succeeded|ERROR: Job failed|\[Container\] \d)"
)
WEB_HEAD = re.compile(
    r"\s{0,4}(?:\[?\d{1,3}[\].):]{1,2}\s+\S|(?:#{1,4} |[-*] )?(?:\*\*)?(?:Title|Result \d+|Source \d+)(?:\*\*)?\s*:|#{1,4} \[)",
    re.IGNORECASE,
)
WEB_ADDRESS = re.compile(
    r"\s*(?:[-*] |\*\*)?(?:(?:URL|Link|Source|Href|Address)(?:\*\*)?\s*:\s*)?(?:\*\*)?\s?<?https?://\S+$|.{0,200}\]\(https?://\S+\)\s*$",
    re.IGNORECASE,
)
_VIM = re.compile(
    r"\s*(?:(?:syn|syntax) (?:keyword|match|region|cluster|case|sync|include|clear)\b|hi(?:ghlight)?!? (?:def |default |clear|link )|let [bsgwlvt&]:?\w|if (?:!?exists|has)\("
    r"|endif\b|endfunction\b|endfunc\b|finish$|set(?:local)? cpo|(?:nore|n|i|v|x|o)+map\b|au(?:tocmd)?!? \w|aug(?:roup)? |command! |runtime!? \S|source \S|vim9script$|loadkeymap$|unlet )"
)
_DIGIT = re.compile(r"\d")
_FAILED = re.compile("rror|ailed|ailure|arning|exit|status|seconds|ms")
_MARKS: dict[str, Callable[[str], object]] = {  # the marks that the logistic model weighs
    "hit": lambda line: _NUMBER_MARK.search(line) and HIT.match(line), "plain": lambda line: ":" in line and HIT_PLAIN.match(line), "number": _HIT_NUMBER.match, "heading": lambda line: _HEADING.match(line) and ("/" in line or "\\" in line or _ENDING.search(line)),
    "diagnostic": lambda line: ": " in line and _DIAGNOSTIC.match(line), "diff": DIFF.match, "frame": _FRAME.match, "stamp": lambda line: _DIGIT.search(line, 0, 48) and _STAMP.match(line),
    "build": _BUILD.match, "tag": TAG.match, "section": _SECTION.match, "assign": _ASSIGN.match, "yaml": _YAML.match,
    "branch": _BRANCH.match, "ls": _LS_LONG.match, "dir": _LS_DIR.match, "bare": _BARE.match, "name": _NAME.match,
    "code": _CODE.match, "code_end": lambda line: line.rstrip().endswith(_CODE_END), "strong": _STRONG_CODE.match, "sentence": lambda line: line.count(" ") >= 5 and _SENTENCE.match(line),
    "level": lambda line: _LEVEL.search(line, 0, 100),
    "words": lambda line: line.count(" ") >= 5,
    "indented": lambda line: line[0] in " \t",
    "long": lambda line: len(line) >= LINE,
    "short": lambda line: len(line) < 20,
    "stopped": lambda line: line[-1] in ".?!",
    "colon": lambda line: line[-1] == ":",
    "digits": lambda line: _DIGIT.search(line, 0, 12),
    "escape": lambda line: "\x1b[" in line,
    "failed": lambda line: _FAILED.search(line, 0, 160),
    "comment": lambda line: line.lstrip()[:1] in ("#", ";"),
}  # fmt: skip
FEATURES = (*_MARKS, "few")
_FOLDED = re.compile(r"\S+[/\\:]\{[^{}]*\}?$|\S+/:(?: \d+ \S.*)?$")
_RARE: dict[str, Callable[[str], object]] = {
    "folded": _FOLDED.match,
    "grouped": lambda line: line[0] in ":-" and line != "--",  # our own grouped form of hits without numbers
    "ci": _CI.match,
    "vim": _VIM.match,
}


class Votes:
    """The share of lines that carry a mark, counted when a rule first asks for it: most texts need few of the marks."""

    __slots__ = ("_lines", "_shares")

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._shares: dict[str, float] = {"few": 1 / len(lines)}

    def __getitem__(self, name: str) -> float:
        share = self._shares.get(name)
        if share is None:
            carries = _MARKS.get(name) or _RARE[name]
            share = sum(map(bool, map(carries, self._lines))) / len(self._lines)
            self._shares[name] = share
        return share
