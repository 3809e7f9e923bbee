"""The supervisor with small programs: restarts, order, and nothing left behind."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.running import started

ROOT = Path(__file__).resolve().parents[2]


def supervise(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script around a Supervisor in a process of its own: it takes over signals and orphans."""
    head = """
        import os, sys, time
        from whatsflow.supervisor import Program, Supervisor

        s = Supervisor(lambda line: print(line, flush=True))

        def program(name, code, **more):
            return Program(name=name, argv=(sys.executable, "-c", code), **more)

        def turns(seconds):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                s.turn(0.05)
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_lines_are_shown_with_the_name_of_their_program():
    run = supervise(r"""
        s.start(program("talker", "print('one'); print('two', flush=True); import time; time.sleep(60)"))
        turns(2)
        s.stop()
    """)
    assert run.stdout.splitlines()[:2] == ["talker  | one", "talker  | two"]


def test_a_program_that_ends_is_started_again_ever_more_slowly():
    run = supervise(r"""
        s.start(program("short", "raise SystemExit(3)"))
        turns(4)
        s.stop()
    """)
    assert "short   | ended with code 3; starting it again in 0.5 s" in run.stdout
    assert "starting it again in 1 s" in run.stdout


def test_programs_that_others_lean_on_stop_last():
    code = "import signal, time; signal.signal(15, lambda *_: (print('bye', flush=True), exit())); time.sleep(60)"
    run = supervise(f"""
        s.start(program("base", {code!r}, rank=1))
        s.start(program("leaning", {code!r}))
        turns(1.5)
        s.stop()
    """)
    assert run.stdout.splitlines() == ["leaning | bye", "base    | bye"]


def test_a_program_that_does_not_listen_is_killed_in_time():
    run = supervise(r"""
        s.start(program("deaf", "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"))
        turns(1.5)
        began = time.monotonic()
        s.stop()
        print(time.monotonic() - began < 8)
    """)
    assert run.stdout.splitlines()[-1] == "True"


def test_what_a_program_left_behind_is_ended_too():
    code = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        print(os.getpid(), flush=True); time.sleep(60)\n"
        "    os._exit(0)\n"
        "time.sleep(60)"
    )
    run = supervise(f"""
        s.start(program("parent", {code!r}))
        turns(1.5)
        s.stop()
    """)
    orphan = int(run.stdout.split("|")[1])
    assert orphan != os.getpid()
    assert started(orphan) is None
