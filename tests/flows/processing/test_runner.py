import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.processing.children import Child, DiedError
from flows.processing.kernel import descendants
from flows.processing.runner import RECYCLE_AFTER_CALLS, Runner


def test_a_plain_function_takes_the_payload_and_gives_a_value(workshop):
    outcome = workshop.outcome_of("def work(payload): return {'got': payload}", {"user_id": "91", "n": 1})
    assert (outcome.state, outcome.value) == ("ok", {"got": {"user_id": "91", "n": 1}})
    assert outcome.reason is None
    assert 0 < outcome.seconds < 5


def test_a_declared_function_takes_typed_arguments_and_a_context(workshop):
    outcome = workshop.outcome_of(
        """
        from datetime import date
        from flows.processing import Context, Result, processor

        @processor(timeout_seconds=3, idempotent=True)
        def work(loan: str, day: date, context: Context, count: int = 2) -> Result:
            context.logger.info("asked for %s", loan)
            return Result(
                save=[loan, day.year, count, context.contact["name"], context.variables["a"], context.step,
                      context.flow["id"], context.now.isoformat(), context.idempotency_key, context.reply["text"],
                      context.language, context.user_id],
                go_to="done",
                send=[{"type": "text", "body": "Here it is"}],
            )
        """,
        {"loan": "L1", "day": "2026-02-01"},
        context={
            "contact": {"name": "Ravi"},
            "variables": {"a": 1},
            "reply": {"text": "hi"},
            "flow": {"id": "loan", "hash": "x"},
            "step": "ask",
            "now": "2026-01-01T10:00:00+00:00",
            "language": "hi",
            "user_id": "9198",
        },
        idem_key="wf-1-2",
    )
    assert outcome.state == "ok", outcome
    assert outcome.value == [
        "L1", 2026, 2, "Ravi", 1, "ask", "loan", "2026-01-01T10:00:00+00:00", "wf-1-2", "hi", "hi", "9198",
    ]  # fmt: skip
    assert outcome.go_to == "done"
    assert outcome.send == ({"type": "text", "body": "Here it is"},)
    assert outcome.stdout == "INFO processors.work: asked for L1\n"


def test_the_session_variables_are_read_only(workshop):
    outcome = workshop.outcome_of(
        "def work(context): context.variables['a'] = 2", context={"variables": {"a": 1}}
    )
    assert outcome.state == "failed"
    assert "does not support item assignment" in outcome.reason


def test_an_async_function_is_awaited_and_its_left_over_tasks_are_cancelled(workshop):
    workshop.write(
        """
        import asyncio
        cancelled = []

        async def left_over():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(1)

        async def work(n: int):
            asyncio.get_running_loop().create_task(left_over())
            await asyncio.sleep(0.01)
            return [n, len(cancelled)]
        """
    )
    with Runner(1) as workshop.runner:
        assert workshop.call("work", {"n": 1}).value == [1, 0]
        assert workshop.call("work", {"n": 2}).value == [2, 1]


@pytest.mark.parametrize("ending", ["sys.exit(3)", "raise KeyboardInterrupt", "raise ValueError", "1 / 0"])
def test_an_async_function_may_end_badly_and_the_next_one_runs(workshop, ending):
    workshop.write(
        f"import asyncio, sys\nasync def bad():\n    {ending}\nasync def work():\n    await asyncio.sleep(0)\n    return 1"
    )
    with Runner(1) as workshop.runner:
        assert workshop.call("bad").state == "failed"
        assert workshop.call("work").value == 1


FAILURES = {
    "raises": ("def work(): raise KeyError('gone')", "KeyError: 'gone'"),
    "raises without words": ("def work(): raise ValueError", "ValueError"),
    "raises what cannot be printed": (
        "class Bad(Exception):\n    def __str__(self): raise ValueError\ndef work(): raise Bad",
        "Bad",
    ),
    "says so itself": (
        "from flows.processing import Result\ndef work(): return Result(fail='no such loan')",
        "no such loan",
    ),
    "sys.exit": ("import sys\ndef work(): sys.exit(3)", "called sys.exit(3)"),
    "interrupt": ("def work(): raise KeyboardInterrupt", "KeyboardInterrupt"),
    "junk": ("def work(): return object()", "returned object, which is not JSON"),
    "a generator": ("def work(): yield 1", "returned generator, which is not JSON"),
    "NaN": ("def work(): return {'a': float('nan')}", "returned nan at a, which is not JSON"),
    "bytes": ("def work(): return b'x'", "returned bytes, which is not JSON"),
    "50 MB": ("def work(): return 'x' * (50 << 20)", "returned 50.0 MB of JSON; at most 256 KB is kept"),
    "recursion": (
        "def work(): return work()",
        "RecursionError: maximum recursion depth exceeded",
    ),
    "wrong argument": ("def work(n: int): return n", 'work: argument "n" is missing'),
    "too long a reason": ("def work(): raise ValueError('x' * 9999)", "ValueError: " + "x" * 488),
}


@pytest.mark.parametrize(("text", "reason"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_told_in_exact_words_and_the_child_goes_on(workshop, text, reason):
    outcome = workshop.outcome_of(text)
    assert (outcome.state, outcome.reason) == ("failed", reason)
    assert workshop.outcome_of("def work(): return 'next'").value == "next"


def test_a_traceback_begins_at_the_author_s_own_lines(workshop):
    path = workshop.write("def inner():\n    return 1 / 0\n\ndef work():\n    return inner()\n")
    trace = workshop.call("work").traceback
    assert trace.splitlines() == [
        "Traceback (most recent call last):",
        f'  File "{path}", line 5, in work',
        "    return inner()",
        "           ^^^^^^^",
        f'  File "{path}", line 2, in inner',
        "    return 1 / 0",
        "           ~~^~~",
        "ZeroDivisionError: division by zero",
    ]


DEATHS = {
    "os._exit": ("import os\ndef work(): os._exit(7)", "ended its own process with exit code 7"),
    "segfault": ("import ctypes\ndef work(): ctypes.string_at(0)", "was killed by SIGSEGV"),
    "abort": ("import os\ndef work(): os.abort()", "was killed by SIG"),
    "closed pipes": (
        "import os\ndef work():\n    os.closerange(3, 64)\n    import time; time.sleep(60)",
        "closed the pipe it answers through",
    ),
    "writes to the pipe": (
        (
            "import os\ndef work():\n    for fd in range(3, 32):\n"
            "        try: os.write(fd, b'junk\\n')\n        except OSError: pass"
        ),
        "wrote something of its own to the pipe it answers through",
    ),
}


@pytest.mark.parametrize(("text", "reason"), DEATHS.values(), ids=DEATHS)
def test_a_child_that_dies_leaves_an_unknown_outcome_and_is_replaced(workshop, text, reason):
    outcome = workshop.outcome_of(text)
    assert outcome.state == "unknown"
    assert outcome.reason.startswith(reason)
    assert workshop.outcome_of("def work(): return 'next'").value == "next"


def test_a_segfault_shows_where(workshop):
    outcome = workshop.outcome_of("import ctypes\ndef work():\n    ctypes.string_at(0)\n")
    assert "Segmentation fault" in outcome.traceback
    assert "things.py" in outcome.traceback


HANGS = {
    "sleeps": "import time\ndef work(): time.sleep(60)",
    "spins": "def work():\n    while True: pass",
    "swallows everything": (
        "def work():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass"
    ),
    "ignores signals": (
        "import signal, time\ndef work():\n"
        "    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)\n"
        "    time.sleep(60)"
    ),
    "waits for input": "import os\ndef work():\n    read, _ = os.pipe(); os.read(read, 1)",
}


@pytest.mark.parametrize("text", HANGS.values(), ids=HANGS)
def test_a_call_that_hangs_is_ended_at_its_limit_and_shows_where(workshop, text):
    began = time.monotonic()
    outcome = workshop.outcome_of(text, timeout=0.4)
    assert outcome.state == "unknown"
    assert outcome.reason == "took longer than its 0.4 s and was ended"
    assert "in work" in outcome.traceback
    assert 0.4 <= outcome.seconds < 4
    assert time.monotonic() - began < 8


def test_the_declared_time_limit_holds(workshop):
    outcome = workshop.outcome_of(
        """
        import time
        from flows.processing import processor

        @processor(timeout_seconds=0.3)
        def work(): time.sleep(60)
        """,
        timeout=None,
    )
    assert outcome.reason == "took longer than its 0.3 s and was ended"


def test_memory_beyond_the_limit_is_refused(workshop):
    outcome = workshop.outcome_of("def work(): return len(bytearray(300 << 20))")
    assert outcome.state == "failed"
    assert outcome.reason.startswith("MemoryError: asked for more memory than its limit allows")


def test_declared_memory_is_granted(workshop):
    outcome = workshop.outcome_of(
        """
        from flows.processing import processor

        @processor(memory_mb=512)
        def work(): return len(bytearray(300 << 20))
        """
    )
    assert outcome.value == 300 << 20


def test_a_memory_hog_in_small_pieces_ends_too(workshop):
    outcome = workshop.outcome_of("def work():\n    held = []\n    while True: held.append('x' * 4096)")
    assert (outcome.state, outcome.reason[:11]) == ("failed", "MemoryError")


def test_much_output_is_capped_and_does_not_block(workshop):
    outcome = workshop.outcome_of(
        "import sys\ndef work():\n    for n in range(40000):\n        print('line', n)\n        print('e', file=sys.stderr)\n    return 1"
    )
    assert outcome.value == 1
    assert outcome.stdout.startswith("line 0\n")
    assert "line 39999\n" in outcome.stdout[-100:]
    assert "bytes more" in outcome.stdout
    assert len(outcome.stdout) < 20_000


def test_output_of_one_call_is_not_shown_with_the_next(workshop):
    assert workshop.outcome_of("def work(): print('first')").stdout == "first\n"
    assert workshop.outcome_of("def work(): print('second')").stdout == "second\n"


def test_what_was_printed_before_a_death_is_kept(workshop):
    assert (
        workshop.outcome_of("import os\ndef work():\n    print('so far'); os._exit(1)").stdout == "so far\n"
    )


@pytest.mark.parametrize(
    "spoil",
    [
        "os.close(1); os.close(2)",
        "sys.stdout.close()",
        "sys.stderr = None",
        "os.close(1); print('buffered', end='')",
    ],
)
def test_spoiling_the_output_harms_nobody(workshop, spoil):
    workshop.write(
        f"import os, sys\ndef spoil():\n    {spoil}\n    return 1\ndef work():\n    print('x')\n    return 2"
    )
    with Runner(1) as workshop.runner:
        assert workshop.call("spoil").state in {"ok", "failed"}
        outcome = workshop.call("work")
    assert (outcome.value, outcome.stdout) == (2, "x\n")


def test_a_module_is_imported_once_per_version(own_workshop):
    text = "import itertools\ncounter = itertools.count()\ndef work(): return next(counter)\n"
    assert [own_workshop.outcome_of(text).value for _ in range(3)] == [0, 1, 2]
    assert own_workshop.outcome_of(text + "# edited\n").value == 0


def test_an_import_that_fails_only_in_the_child_is_a_failure_before_the_call(workshop, tmp_path):
    flag = tmp_path / "flag"
    workshop.write(
        f"import os\nif os.path.exists({str(flag)!r}): raise OSError('not now')\ndef work(): return 1\n"
    )
    flag.touch()
    outcome = workshop.call("work")
    assert outcome.state == "failed"
    assert outcome.reason == "its file does not import: OSError: not now"
    assert "line 2" in outcome.traceback


def test_arguments_that_are_no_json_never_reach_the_child(workshop):
    workshop.write("def work(payload): return 1")
    assert workshop.call("work", {"a": object()}).reason.startswith("work: the arguments are not JSON")
    assert workshop.call("work", {"a": float("nan")}).state == "failed"
    assert (
        workshop.call("work", {"a": "x" * 300_000}).reason
        == "work: the payload is 293 KB; at most 256 KB is handed over"
    )


def test_a_large_payload_and_a_large_answer_pass(workshop):
    big = "x" * 250_000
    assert workshop.outcome_of("def work(payload): return payload['a']", {"a": big}).value == big


def test_a_hanging_call_does_not_delay_another(tmp_path, workshop):
    workshop.write("import time\ndef hang(): time.sleep(60)\ndef work(): return 1\n")
    with Runner(2) as runner, ThreadPoolExecutor(1) as threads:
        workshop.runner = runner
        workshop.call("work")
        hanging = threads.submit(workshop.call, "hang", timeout=2.5)
        slowest = 0.0
        while not hanging.done():
            began = time.monotonic()
            assert workshop.call("work").value == 1
            slowest = max(slowest, time.monotonic() - began)
        assert hanging.result().state == "unknown"
        assert slowest < 2


def test_many_threads_share_few_children(workshop):
    workshop.write("import os\ndef work(n: int): return [n, os.getpid()]")
    with Runner(2, namespaces=False) as workshop.runner, ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda n: workshop.call("work", {"n": n}), range(200)))
    assert [outcome.value[0] for outcome in outcomes] == list(range(200))
    assert len({outcome.value[1] for outcome in outcomes}) <= 2


def test_a_child_is_retired_after_many_calls(workshop, monkeypatch):
    assert RECYCLE_AFTER_CALLS >= 1000
    monkeypatch.setattr("flows.processing.runner.RECYCLE_AFTER_CALLS", 3)
    workshop.write("import os\ndef work(): return os.getpid()")
    with Runner(1, namespaces=False) as workshop.runner:
        pids = [workshop.call("work").value for _ in range(7)]
    assert [pids.index(pid) for pid in pids] == [0, 0, 0, 3, 3, 3, 6]


def test_a_child_with_a_thread_left_running_takes_no_other_call(workshop):
    workshop.write(
        "import os, threading, time\ndef work():\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n    return os.getpid()"
    )
    with Runner(1, namespaces=False) as workshop.runner:
        assert workshop.call("work").value != workshop.call("work").value


def test_an_idle_child_that_was_killed_is_replaced_without_a_word(workshop):
    workshop.write("def work(): return 1")
    with Runner(1) as runner:
        workshop.runner = runner
        workshop.call("work")
        (child,) = runner._children
        os.kill(descendants(child.pid)[0], 9)
        child._process.wait(timeout=5)
        assert workshop.call("work").value == 1


def test_a_machine_that_cannot_start_children_gives_a_failure(workshop, monkeypatch):
    workshop.write("def work(): return 1")
    monkeypatch.setattr("flows.processing.children._BOOT", "import sys; sys.exit('no interpreter today')")
    with Runner(1) as workshop.runner:
        outcome = workshop.call("work")
    assert outcome.state == "failed"
    assert outcome.reason.startswith("no child could be started: ended its own process with exit code 1")
    assert outcome.reason.endswith("no interpreter today")


def test_closing_ends_every_child(workshop):
    runner = Runner(2)
    runner.warm()
    children = list(runner._children)
    assert len(children) == 2
    for child in children:
        child.wait_ready()
    runner.close()
    assert all(child._process.returncode is not None for child in children)


def test_replaced_children_leave_no_descriptor_open(workshop):
    workshop.write("import os\ndef work(): return 1\ndef die(): os._exit(1)")
    with Runner(1) as workshop.runner:
        workshop.call("work")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(5):
            assert workshop.call("die").state == "unknown"
        workshop.call("work")
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        assert len(workshop.runner._children) == 1


def test_a_forked_copy_of_the_process_lets_go_of_the_children(workshop):
    workshop.write("def work(): return 1")
    with Runner(1) as runner:
        workshop.runner = runner
        workshop.call("work")
        pid = os.fork()
        if pid == 0:  # the copy: it has to be able to call too, and its end must not end ours
            code = 1
            try:
                code = 0 if workshop.call("work").value == 1 and len(runner._children) == 1 else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert workshop.call("work").value == 1
        assert next(iter(runner._children)).calls == 2


def test_a_child_ends_when_its_parent_dies(tmp_path):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        child = Child()
        child.wait_ready()
        os.write(write, str(child.pid).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    warden = int(os.read(read, 32))
    os.close(read)
    deadline = time.monotonic() + 5
    while _is_running(warden):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_a_broken_pipe_at_the_start_is_a_death():
    child = Child()
    child.wait_ready()
    os.kill(child.pid, 9)
    child._process.wait(timeout=5)
    with pytest.raises(DiedError, match="was killed by SIGKILL"):
        child.exchange(b"{}", 5)
    child.end()
    child.end()


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
