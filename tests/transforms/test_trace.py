"""Stack traces: own frames stay, library frames are counted, messages are never touched."""

from __future__ import annotations

import pytest

from headroom_core.transforms.trace import Trace
from headroom_core.types import Context, Part, Rewrite, Text

PYTHON = """Traceback (most recent call last):
  File "/app/srv/main.py", line 10, in run
    handle(req)
  File "/usr/lib/python3.11/site-packages/starlette/routing.py", line 66, in app
    response = await func(request)
               ^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/site-packages/starlette/routing.py", line 76, in app
    response = await func(request)
  File "/usr/lib/python3.11/site-packages/fastapi/routing.py", line 20, in app
    raw = await run(request)
  File "/app/srv/orders.py", line 88, in total
    return a / b
           ~~^~~
ZeroDivisionError: division by zero
"""
JAVA = """Exception in thread "main" java.lang.RuntimeException: boom
\tat com.acme.shop.Cart.add(Cart.java:10)
\tat org.springframework.web.A.b(A.java:1)
\tat org.springframework.web.A.c(A.java:2)
\tat java.base/java.lang.reflect.Method.invoke(Method.java:5)
\tat java.lang.Thread.run(Thread.java:7)
Caused by: java.sql.SQLException: no connection
\tat com.acme.shop.Db.open(Db.java:33)
\tat org.postgresql.Driver.connect(Driver.java:9)
\tat org.postgresql.Driver.connect(Driver.java:19)
\t... 12 more
"""
SCRIPT = """TypeError: Cannot read properties of undefined (reading 'id')
    at getUser (/srv/app/src/users.js:14:22)
    at Layer.handle [as handle_request] (/srv/app/node_modules/express/lib/router/layer.js:95:5)
    at next (/srv/app/node_modules/express/lib/router/route.js:144:13)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
    at async main (/srv/app/src/index.js:3:1)
"""
GO = """panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.pick(...)
\t/home/u/shop/main.go:14
main.main()
\t/home/u/shop/main.go:9 +0x1d
runtime.main()
\t/usr/local/go/src/runtime/proc.go:250 +0x212
runtime.goexit()
\t/usr/local/go/src/runtime/asm_amd64.s:1594 +0x1
"""
RUST = """thread 'main' panicked at src/main.rs:4:5:
index out of bounds
stack backtrace:
   0: rust_begin_unwind
             at /rustc/abc/library/std/src/panicking.rs:595:5
   1: core::panicking::panic_fmt
             at /rustc/abc/library/core/src/panicking.rs:67:14
   2: shop::cart::pick
             at ./src/cart.rs:4:5
"""
DOTNET = """Unhandled exception. System.InvalidOperationException: Sequence contains no elements
   at System.Linq.ThrowHelper.ThrowNoElementsException()
   at System.Linq.Enumerable.First[TSource](IEnumerable`1 source)
   at System.Linq.Enumerable.Single[TSource](IEnumerable`1 source)
   at Shop.Cart.Total() in /src/Cart.cs:line 12
   at Shop.Program.Main(String[] args) in /src/Program.cs:line 5
"""
RUBY = """app/models/cart.rb:12:in `total': undefined method `price' for nil:NilClass (NoMethodError)
\tfrom app/models/cart.rb:8:in `each'
\tfrom /usr/lib/ruby/gems/3.0.0/gems/activerecord-6.1/lib/active_record/relation.rb:9:in `block'
\tfrom /usr/lib/ruby/gems/3.0.0/gems/rack-2.2/lib/rack.rb:2:in `call'
\tfrom app/main.rb:3:in `<main>'
"""


def shorten(text: str, query: str | None = None, ratio: float | None = None) -> Rewrite | None:
    """The transform as the pipeline calls it, one token per four characters."""
    part = Part((0, 0), "trace", Text(text), max(1, len(text) // 4))
    return Trace()(part, Context(count=lambda t: len(t) // 4, query=query, target_ratio=ratio))


@pytest.mark.parametrize(
    ("text", "own", "gone"),
    [
        (
            PYTHON,
            ["main.py", "handle(req)", "orders.py", "return a / b", "ZeroDivisionError"],
            ["starlette/routing.py"],
        ),
        (JAVA, ["boom", "Cart.java:10", "no connection", "Db.java:33", "... 12 more"], ["A.java:1", "Thread.java:7"]),
        (SCRIPT, ["TypeError", "users.js:14:22", "index.js:3:1"], ["layer.js:95", "task_queues"]),
        (GO, ["panic:", "goroutine 1", "main.pick", "main.go:14", "main.go:9"], ["proc.go:250", "runtime.goexit"]),
        (RUST, ["panicked", "index out of bounds", "shop::cart::pick"], ["panicking.rs:67"]),
        (DOTNET, ["no elements", "Shop.Cart.Total()", "Shop.Program.Main"], ["Enumerable.Single"]),
        (RUBY, ["NoMethodError", "cart.rb:8", "main.rb:3"], ["relation.rb:9", "rack.rb:2"]),
    ],
    ids=["python", "java", "script", "go", "rust", "dotnet", "ruby"],
)
def test_own_frames_stay_and_library_frames_are_counted(text: str, own: list[str], gone: list[str]) -> None:
    """In seven languages: message and own frames verbatim, library frames as one line with their number."""
    made = shorten(text)
    assert made is not None
    assert made.left_out
    lines = text.split("\n")
    for needle in own:
        whole = next(line for line in lines if needle in line)
        assert whole in made.text.split("\n")
    for needle in gone:
        assert needle not in made.text
    assert "library frame" in made.text
    assert len(made.text) < len(text)


def test_a_question_brings_a_library_frame_back() -> None:
    """A frame with a word of the question is kept."""
    assert "layer.js:95" in shorten(SCRIPT, "What does handle_request do there?").text  # type: ignore[union-attr]
    assert "layer.js:95" not in shorten(SCRIPT).text  # type: ignore[union-attr]


def test_recursion_is_counted() -> None:
    """The same own frame a thousand times is shown a few times."""
    frames = '  File "/app/tree.py", line 5, in walk\n    walk(node.left)\n' * 1000
    made = shorten(
        "Traceback (most recent call last):\n" + frames + "RecursionError: maximum recursion depth exceeded\n"
    )
    assert made is not None
    assert made.text.count("tree.py") <= 4
    assert "RecursionError" in made.text
    assert "repeat" in made.text


def test_a_trace_without_own_frames_keeps_its_ends() -> None:
    """Where every frame is a library's, the first and last ones stay."""
    lines = [f"\tat org.apache.camel.Step{k}.run(Step{k}.java:{k})" for k in range(40)]
    made = shorten("java.lang.IllegalStateException: no route\n" + "\n".join(lines))
    assert made is not None
    assert all(line in made.text for line in (lines[0], lines[1], lines[-1]))
    assert lines[20] not in made.text
    assert "IllegalStateException" in made.text


def test_a_trace_printed_again_is_named() -> None:
    """The second print of the same frames becomes one line; both messages stay."""
    made = shorten(PYTHON + PYTHON.replace("division by zero", "division by zero again"))
    assert made is not None
    assert made.text.count("orders.py") == 1
    assert "division by zero again" in made.text
    assert "the same" in made.text


def test_lossless_strength_leaves_traces_alone() -> None:
    """There is no lossless form, so None."""
    assert Trace()(Part((0, 0), "trace", Text(PYTHON), 100), Context(count=len, strength="lossless")) is None


@pytest.mark.parametrize(
    "text", ["", "\n" * 50, "at " * 200_000, 'File "' * 100_000, "\ud800\x00 at x\n" * 50, "1:" * 300_000]
)
def test_bad_input_does_no_harm(text: str) -> None:
    """Hostile texts end in bounded time without an error."""
    made = shorten(text)
    assert made is None or made.text


def test_goroutines_that_wait_in_the_same_place_are_counted() -> None:
    """A dump of a server: the one that panics and the one that is asked for stay, of the rest one stack and the numbers."""
    waits = "".join(
        f"\ngoroutine {i} [{'IO wait' if i % 2 else 'select, 5 minutes'}]:\nnet/http.(*conn).serve(0xc00{i}, 0x1)\n"
        f"\t/usr/local/go/src/net/http/server.go:1995 +0x612\ncreated by net/http.(*Server).Serve in goroutine {i - 1}\n"
        "\t/usr/local/go/src/net/http/server.go:3102 +0x5\n"
        for i in range(2, 60)
    )
    asked = "\ngoroutine 77 [semacquire]:\nmain.(*Ledger).lock(0xc0001)\n\t/home/u/shop/ledger.go:31 +0x2\n"
    rewrite = shorten(GO + waits + asked, "Who holds the ledger?")
    assert rewrite is not None
    for stays in (
        "panic:",
        "main.go:14",
        "ledger.go:31",
        "goroutine 77 [semacquire]",
        "goroutine 2 [select",
        "goroutine 3 [IO",
    ):
        assert stays in rewrite.text
    assert "… 28 more goroutines wait in the same place: 4, 6, 8," in rewrite.text
    assert rewrite.text.count("server.go:1995") == 2
    assert str(rewrite.left_out).startswith("stacks of 56 goroutines that are shown once")
