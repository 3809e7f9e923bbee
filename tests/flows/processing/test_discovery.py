import os
import time
from pathlib import Path

import pytest
from django.test import override_settings

from flows.processing import discovery
from flows.processing.discovery import Discovery
from flows.processing.sources import stamps


def test_functions_of_every_file_are_found_with_their_declarations(workshop):
    workshop.write(
        """
        from flows.processing import Context, processor

        LIMIT = 5

        def plain(payload): ...

        def typed(loan: str, count: int = 1, *, day: str | None = None) -> dict: ...

        @processor(timeout_seconds=2.5, idempotent=True, effects="calls", memory_mb=128)
        async def declared(loan: str, context: Context): ...

        @processor
        def bare(): ...

        @processor(effects="pure")
        def pure(): ...
        """,
        "money.py",
    )
    workshop.write("def other(): ...", "others.py")
    found = {one.name: one for one in workshop.discovery.catalog.processors}
    assert list(found) == ["plain", "typed", "declared", "bare", "pure", "other"]
    assert [one.line for one in found.values()] == [6, 8, 11, 14, 17, 1]
    declared = found["declared"]
    assert (declared.timeout_seconds, declared.idempotent, declared.effects, declared.memory_mb) == (
        2.5,
        True,
        "calls",
        128,
    )
    assert (declared.is_async, declared.takes_context, declared.is_declared, declared.kind) == (
        True,
        True,
        True,
        "function",
    )
    assert declared.flow_id == "money"
    assert declared.path == str(workshop.folder / "money.py")
    assert found["typed"].signature == "typed(loan: str, count: int = 1, *, day: str | None = None) -> dict"
    assert declared.signature == "declared(loan: str, context: Context)"
    assert [(one.name, one.kind, one.required) for one in found["typed"].parameters] == [
        ("loan", "text", True),
        ("count", "a whole number", False),
        ("day", "text or null", False),
    ]
    assert (found["plain"].timeout_seconds, found["plain"].idempotent, found["plain"].effects) == (
        10.0,
        False,
        None,
    )
    assert found["pure"].idempotent
    assert workshop.discovery.catalog.problems == ()


def test_private_imported_and_unnamed_things_are_skipped(workshop):
    workshop.write("def hidden(): ...", "_private.py")
    workshop.write("def hidden(): ...", ".dotted.py")
    workshop.write("def hidden(): ...", "notes.txt")
    workshop.write(
        """
        from json import dumps
        from functools import lru_cache, wraps

        def _hidden(): ...
        def main(): ...
        class Hidden: ...
        unnamed = lambda: 1
        partner = dumps

        def shown(): ...
        alias = shown
        """
    )
    assert workshop.discovery.catalog.names == {"shown"}


def test_a_file_is_never_imported_by_the_process_that_discovers(workshop, tmp_path):
    told = tmp_path / "pids"
    workshop.write(
        f"import os\nwith open({str(told)!r}, 'a') as f: f.write(os.readlink('/proc/self') + ' ')\ndef work(): ...\n"
    )
    assert workshop.discovery.catalog.names == {"work"}
    assert str(os.getpid()) not in told.read_text().split()


BROKEN = {
    "syntax": ("def work(:\n", 1, "SyntaxError: invalid syntax"),
    "import": (
        "x = 1\nimport no_such_module\ndef work(): ...\n",
        2,
        "ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "raise": ("def work(): ...\nraise RuntimeError('not today')\n", 2, "RuntimeError: not today"),
    "exit": ("import sys\ndef work(): ...\nif True:\n    sys.exit(2)\n", 4, "called sys.exit(2)"),
    "death": (
        "import os\ndef work(): ...\nx = os._exit(3)\n",
        None,
        "its import ended its own process with exit code 3",
    ),
    "encoding": ("# coding: no-such\ndef work(): ...\n", None, "SyntaxError: unknown encoding: no-such"),
    "declaration": (
        "from flows.processing import processor\n@processor(effects='magic')\ndef work(): ...\n",
        2,
        "ValueError: effects: expected one of pure, calls, sends, got 'magic'",
    ),
    "unknown declaration": (
        "from flows.processing import processor\n@processor(timeout=1)\ndef work(): ...\n",
        2,
        "TypeError: Declaration.__init__() got an unexpected keyword argument 'timeout'",
    ),
    "annotation": (
        "from flows.processing import processor\n@processor\ndef work(raw: bytes): ...\n",
        None,
        (
            "UnknownAnnotationError: work: parameter 'raw': bytes is no kind that can be checked; known are "
            "str, int, float, bool, list, dict, date, time, datetime, Literal, Any, None and unions of them"
        ),
    ),
}


@pytest.mark.parametrize(("text", "line", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_a_problem_with_its_place_and_harms_no_other(workshop, text, line, message):
    workshop.write("def fine(): return 1", "fine.py")
    path = workshop.write(text, "broken.py")
    (problem,) = workshop.discovery.catalog.problems
    assert (problem.path, problem.line, problem.message, problem.is_serving) == (
        str(path),
        line,
        message,
        False,
    )
    assert str(problem) == f"{path}{'' if line is None else f':{line}'}: {message}"
    assert workshop.call("fine").value == 1
    assert workshop.discovery.catalog.find("work") is None


def test_an_import_that_hangs_is_ended_and_named(workshop, monkeypatch):
    monkeypatch.setattr("flows.processing.children.IMPORT_SECONDS", 0.5)
    workshop.write("def work(): ...\nwhile True: pass\n", "broken.py")
    (problem,) = workshop.discovery.catalog.problems
    assert problem.message == "its import took too long and was ended"
    assert 'broken.py", line 2' in problem.traceback


def test_the_traceback_of_a_failed_import_is_kept(workshop):
    path = workshop.write("def inner():\n    raise OSError('no')\ninner()\n", "broken.py")
    (problem,) = workshop.discovery.catalog.problems
    assert problem.line == 2
    assert problem.traceback.startswith(
        f'Traceback (most recent call last):\n  File "{path}", line 3, in <module>'
    )


def test_a_changed_file_is_used_at_once_and_a_broken_one_leaves_the_last_good(workshop):
    workshop.write("def work(): return 'first'")
    assert workshop.call("work").value == "first"
    workshop.write("def work(): return 'second'")
    assert workshop.call("work").value == "second"
    workshop.write("def work(: return 'third'")
    (problem,) = workshop.discovery.catalog.problems
    assert problem.is_serving
    assert problem.line == 1
    assert workshop.call("work").value == "second"
    workshop.write("import no_such_module\ndef work(): return 'fourth'")
    assert workshop.discovery.catalog.problems[0].is_serving
    assert workshop.call("work").value == "second"
    workshop.write("def work(): return 'fifth'")
    assert workshop.discovery.catalog.problems == ()
    assert workshop.call("work").value == "fifth"


def test_the_last_good_version_runs_in_a_child_that_never_saw_it(own_workshop):
    own_workshop.write("def work(): return 'good'\ndef fail(): raise ValueError\n")
    own_workshop.write("def work(")
    assert own_workshop.call("work").value == "good"
    assert "def fail(): raise ValueError" in own_workshop.call("fail").traceback


def test_a_deleted_file_s_processors_are_gone(workshop):
    path = workshop.write("def work(): ...")
    assert workshop.discovery.catalog.names == {"work"}
    path.unlink()
    assert workshop.discovery.refresh()
    assert workshop.discovery.catalog.names == frozenset()


def test_nothing_changed_is_told_as_nothing(workshop):
    path = workshop.write("def work(): ...")
    catalog = workshop.discovery.catalog
    assert not workshop.discovery.refresh()
    path.touch()
    assert not workshop.discovery.refresh()
    assert workshop.discovery.catalog is catalog


def test_each_change_raises_the_generation(workshop):
    generations = []
    for number in range(3):
        workshop.write(f"def work(): return {number}")
        generations.append(workshop.discovery.catalog.generation)
    assert generations == [1, 2, 3]


def test_two_edits_within_one_tick_of_the_clock_are_both_seen(workshop):
    path = workshop.write("def work(): return 1")
    stat = path.stat()
    path.write_text("def work(): return 2")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    workshop.discovery._stamps = {path: _stamp_of(path)}
    assert workshop.discovery.refresh()
    assert workshop.call("work").value == 2


def test_looking_again_is_cheap_enough_for_every_second(workshop):
    for number in range(50):
        (workshop.folder / f"file{number}.py").write_text(f"def work{number}(): ...")
    workshop.discovery.refresh()
    workshop.discovery._is_unsettled = False
    began = time.process_time()
    for _ in range(20):
        assert not workshop.discovery.refresh()
    assert (time.process_time() - began) / 20 < 0.02


def test_a_flow_s_own_processors_win(workshop):
    workshop.write("def greet(): return 'global'\ndef only(): return 'only global'", "a_shared.py")
    workshop.write("def greet(): return 'of test_ride'", "test_ride.py")
    workshop.write("def greet(): return 'of z'", "z.py")
    assert workshop.call("greet", flow_id="test_ride").value == "of test_ride"
    assert workshop.call("greet", flow_id="z").value == "of z"
    assert workshop.call("greet", flow_id="other").value == "global"
    assert workshop.call("greet").value == "global"
    assert workshop.call("only", flow_id="test_ride").value == "only global"
    assert workshop.discovery.catalog.find("absent", "test_ride") is None


def test_a_name_of_two_files_that_are_no_flow_s_is_a_clash(workshop):
    first = workshop.write("def greet(): ...", "a.py")
    second = workshop.write("def greet(): ...", "b.py")
    catalog = workshop.discovery.catalog
    assert catalog.clashes(frozenset()) == {"greet": (str(first), str(second))}
    assert catalog.clashes({"b"}) == {}


SCRIPT = """
import json, sys
payload = json.load(sys.stdin)
print(json.dumps({"twice": payload["n"] * 2, "name": __name__, "argv": sys.argv}))
"""


def test_a_file_that_reads_its_input_is_a_script(workshop):
    workshop.write(SCRIPT, "double.py")
    (info,) = workshop.discovery.catalog.processors
    assert (info.name, info.kind, info.flow_id) == ("double.py", "script", "double")
    assert workshop.discovery.catalog.problems == ()
    for n in (2, 3):
        outcome = workshop.call("double.py", {"n": n, "user_id": "1"})
        assert outcome.value == {"twice": 2 * n, "name": "__main__", "argv": ["double.py"]}, outcome


def test_a_script_may_be_a_module_too(workshop):
    workshop.write(
        """
        import json, sys

        def double(payload): return payload["n"] * 2

        def main(): print(double(json.load(sys.stdin)))

        if __name__ == "__main__":
            main()
        """,
        "double.py",
    )
    assert workshop.discovery.catalog.names == {"double.py", "double"}
    assert workshop.call("double.py", {"n": 2}).value == 4
    assert workshop.call("double", {"n": 3}).value == 6


def test_a_script_without_a_guard_is_not_imported(workshop):
    workshop.write("import json, sys\ndef main():\n    print(json.load(sys.stdin)['n'])\nmain()\n", "one.py")
    assert workshop.discovery.catalog.names == {"one.py"}
    assert workshop.discovery.catalog.problems == ()
    assert workshop.call("one.py", {"n": 7}).value == 7


SCRIPT_ENDS = {
    "nothing": ("import sys; sys.stdin.read()", "ok", None),
    "notes first": ("print('looking…'); print(5)", "ok", 5),
    "exit 0": ("import sys; print(1); sys.exit()", "ok", 1),
    "exit 1": ("import sys; sys.exit(1)", "failed", "the script ended with 1"),
    "raises": ("1 / 0", "failed", "ZeroDivisionError: division by zero"),
    "junk": (
        "print('hello')",
        "failed",
        "the script's last printed line is not JSON: Expecting value: line 1 column 1 (char 0)",
    ),
    "NaN": ("print('NaN')", "failed", "the script's last printed line is not JSON: NaN is not JSON"),
    "50 MB": (
        "print('\"' + 'x' * (50 << 20) + '\"')",
        "failed",
        "the script printed 50.0 MB; at most 1 MB is read",
    ),
    "300 KB": (
        "print('\"' + 'x' * 300_000 + '\"')",
        "failed",
        "returned 293 KB of JSON; at most 256 KB is kept",
    ),
    "hangs": ("import time; time.sleep(60)", "unknown", "took longer than its 0.5 s and was ended"),
}


@pytest.mark.parametrize(("text", "state", "expected"), SCRIPT_ENDS.values(), ids=SCRIPT_ENDS)
def test_how_a_script_ends(workshop, text, state, expected):
    workshop.write(text, "work.py")
    outcome = workshop.call("work.py", timeout=0.5 if state == "unknown" else 60)
    assert outcome.state == state, outcome
    assert (outcome.value if state == "ok" else outcome.reason) == expected


def test_a_script_declares_by_a_constant(workshop):
    workshop.write(
        '__processor__ = {"effects": "calls", "timeout_seconds": 3, "memory_mb": 64}\nprint(1)', "work.py"
    )
    (info,) = workshop.discovery.catalog.processors
    assert (info.effects, info.timeout_seconds, info.memory_mb) == ("calls", 3, 64)
    workshop.write('__processor__ = {"effect": "calls"}\nprint(1)', "work.py")
    assert "unexpected keyword argument 'effect'" in workshop.discovery.catalog.problems[0].message


def test_a_script_s_traceback_shows_its_line(workshop):
    path = workshop.write("x = 1\nx / 0\n", "work.py")
    assert f'File "{path}", line 2, in <module>\n    x / 0' in workshop.call("work.py").traceback


def test_a_missing_folder_is_a_problem(tmp_path):
    found = Discovery(tmp_path / "nowhere")
    assert found.ensure().processors == ()
    assert (
        str(found.catalog.problems[0]) == f"{tmp_path / 'nowhere'}: cannot be read: No such file or directory"
    )
    assert not found.refresh()
    (tmp_path / "nowhere").mkdir()
    (tmp_path / "nowhere" / "a.py").write_text("def work(): ...")
    assert found.refresh()
    assert found.catalog.names == {"work"}
    assert found.catalog.problems == ()


def test_names_are_checked_before_any_call(workshop):
    workshop.write(
        """
        from flows.processing import processor
        def typed(loan: str, count: int = 1): ...
        def whole(payload): ...
        def others(**rest): ...
        @processor
        def declared(answers: dict): ...
        """
    )
    find = workshop.discovery.catalog.find
    assert find("typed").name_faults({"loan"}) == []
    assert find("typed").name_faults({"lona"}) == [
        'typed: there is no argument "lona"',
        'typed: argument "loan" is missing',
    ]
    assert find("whole").name_faults({"a", "b"}) == []
    assert find("others").name_faults({"a"}) == []
    assert find("declared").name_faults({"a"}) == [
        'declared: there is no argument "a"',
        'declared: argument "answers" is missing',
    ]


def test_the_settings_name_the_folder(workshop):
    workshop.write("def work(): return 1")
    with override_settings(WHATSFLOW_PROCESSORS=workshop.folder):
        assert discovery.catalog().names == {"work"}
        assert discovery.find("work", "any_flow").flow_id == "things"
        assert discovery.refresh()
        workshop.write("def work(): return 2\ndef more(): ...")
        assert discovery.refresh()
        assert not discovery.refresh()
        assert discovery.catalog().names == {"work", "more"}


def test_a_change_is_found_without_being_asked_for_and_still_told(workshop, monkeypatch):
    monkeypatch.setattr(discovery, "LOOK_EVERY_SECONDS", 0.0)
    workshop.write("def work(): return 1")
    with override_settings(WHATSFLOW_PROCESSORS=workshop.folder):
        discovery.refresh()
        workshop.write("def more(): ...", "more.py")
        deadline = time.monotonic() + 10
        while discovery.find("more") is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert discovery.refresh()
        assert not discovery.refresh()


def test_a_hanging_import_delays_nobody_who_asks(workshop, monkeypatch):
    monkeypatch.setattr(discovery, "LOOK_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("flows.processing.children.IMPORT_SECONDS", 2.0)
    workshop.write("def work(): return 1")
    with override_settings(WHATSFLOW_PROCESSORS=workshop.folder):
        discovery.refresh()
        (workshop.folder / "broken.py").write_text("import time\ntime.sleep(60)\ndef more(): ...\n")
        began = time.monotonic()
        slowest = 0.0
        while not discovery.catalog().problems:
            asked = time.monotonic()
            assert discovery.find("work") is not None
            slowest = max(slowest, time.monotonic() - asked)
            assert time.monotonic() - began < 20
            time.sleep(0.001)
    assert slowest < 1


def test_a_machine_that_cannot_start_a_child_is_asked_again(workshop, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("flows.processing.children._BOOT", "import sys; sys.exit(9)")
        workshop.write("def work(): return 1")
    (problem,) = workshop.discovery.catalog.problems
    assert problem.message == (
        "could not be imported yet: no child could be started: ended its own process with exit code 9"
    )
    assert workshop.discovery.refresh()
    assert workshop.discovery.catalog.problems == ()
    assert workshop.call("work").value == 1


def test_the_folder_is_not_looked_at_for_every_call(workshop, monkeypatch):
    monkeypatch.setattr(discovery, "LOOK_EVERY_SECONDS", 3600.0)
    workshop.write("def work(): return 1")
    with override_settings(WHATSFLOW_PROCESSORS=workshop.folder):
        assert discovery.find("work") is not None
        (workshop.folder / "more.py").write_text("def more(): ...")
        assert discovery.find("more") is None


def _stamp_of(path: Path):
    return stamps(path.parent)[path]
