"""Settings from the environment: what is accepted, and what a wrong value is told."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from whatsflow import env

FERNET = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
PRODUCTION = {
    "DATABASE_URL": "postgres://whatsflow:hidden@127.0.0.1:9/none",
    "SECRET_KEY": "k" * 64,
    "ALLOWED_HOSTS": "whatsflow.example",
    "WHATSAPP_APP_SECRET": "app-secret",
    "WHATSAPP_VERIFY_TOKEN": "verify-token",
    "WHATSFLOW_ENCRYPTION_KEYS": FERNET,
    "WHATSFLOW_HASH_KEY": "hash-key",
}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NAME", "NAME_FILE"):
        monkeypatch.delenv(name, raising=False)


def load_settings(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Import the settings in a process of their own, with this environment and nothing else."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    code = "from whatsflow import settings as s; print(s.SECRET_KEY, s.ALLOWED_HOSTS, s.WHATSAPP_APP_SECRETS)"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "WHATSFLOW_VAR": str(tmp_path / "var"), **environment},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def last_line(run: subprocess.CompletedProcess[str]) -> str:
    return run.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("true", True),
        ("1", True),
        ("ON", True),
        ("Yes", True),
        ("false", False),
        ("0", False),
        ("off", False),
    ],
)
def test_a_flag_reads_the_usual_words(monkeypatch, value, expected):
    monkeypatch.setenv("NAME", value)
    assert env.flag("NAME", default=not expected) is expected


@pytest.mark.parametrize(
    ("read", "value", "told"),
    [
        (lambda: env.flag("NAME", default=False), "maybe", "NAME=maybe: expected one of true, false"),
        (lambda: env.integer("NAME", 1, low=1, high=9), "ten", "NAME=ten: expected a whole number"),
        (lambda: env.integer("NAME", 1, low=1, high=9), "10", "NAME=10: expected 1 to 9"),
        (lambda: env.one_of("NAME", "a", ("a", "b")), "c", "NAME=c: expected one of a, b"),
        (lambda: env.url("NAME", "", ("https",)), "ftp://x", "NAME=ftp://x: expected https://…"),
        (lambda: env.matching("NAME", "", r"v\d+\.\d+", "v23.0"), "23", "NAME=23: expected the form v23.0"),
        (lambda: env.time_zone("NAME", "UTC"), "Mars/Base", "NAME=Mars/Base: expected a zone name"),
        (lambda: env.time_zone("NAME", "UTC"), "/etc/passwd", "NAME=/etc/passwd: expected a zone name"),
        (lambda: env.directory("NAME", Path()), "/no/such/place", "NAME=/no/such/place: no such directory"),
        (lambda: env.fernet_keys("NAME", None), f"{FERNET},short", "NAME: key 2 of 2 is not one"),
        (lambda: env.fernet_keys("NAME", None), ",", "NAME: expected at least one key"),
    ],
)
def test_a_wrong_value_is_told_its_name_its_fault_and_what_is_accepted(monkeypatch, read, value, told):
    monkeypatch.setenv("NAME", value)
    with pytest.raises(ImproperlyConfigured, match=f"^{re.escape(told)}"):
        read()


def test_a_wrong_address_never_shows_its_password(monkeypatch):
    monkeypatch.setenv("NAME", "http://user:hidden@host/")
    with pytest.raises(ImproperlyConfigured) as caught:
        env.url("NAME", "", ("redis",))
    assert "hidden" not in str(caught.value)


def test_a_wrong_encryption_key_is_never_shown(monkeypatch):
    monkeypatch.setenv("NAME", "a-key-with-a-typing-mistake")
    with pytest.raises(ImproperlyConfigured) as caught:
        env.fernet_keys("NAME", None)
    assert "typing" not in str(caught.value)


def test_a_value_may_come_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "secret").write_text(" from the file \n")
    monkeypatch.setenv("NAME_FILE", str(tmp_path / "secret"))
    assert env.has("NAME")
    assert env.text("NAME") == "from the file"
    monkeypatch.setenv("NAME", "from the environment")
    assert env.text("NAME") == "from the environment"


def test_a_file_that_cannot_be_read_is_named(monkeypatch):
    monkeypatch.setenv("NAME_FILE", "/no/such/file")
    with pytest.raises(ImproperlyConfigured, match=r"NAME_FILE=/no/such/file: cannot be read \(No such file"):
        env.text("NAME")


def test_words_are_split_at_commas_and_trimmed(monkeypatch):
    monkeypatch.setenv("NAME", " a, b ,,c")
    assert env.words("NAME") == ["a", "b", "c"]


def test_a_secret_is_made_once_and_kept_for_its_owner_alone(tmp_path):
    first = env.secret("NAME", tmp_path / "keys")
    assert len(first) >= 50
    assert env.secret("NAME", tmp_path / "keys") == first
    assert (tmp_path / "keys" / "name").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_nobody_may_make_is_asked_for():
    with pytest.raises(ImproperlyConfigured, match=r"NAME is not set: production needs it \(or NAME_FILE"):
        env.secret("NAME", None)


def test_production_starts_with_all_it_needs(tmp_path):
    run = load_settings(tmp_path, **PRODUCTION)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == f"{'k' * 64} ['whatsflow.example'] ['app-secret']"


@pytest.mark.parametrize("name", [n for n in PRODUCTION if n != "DATABASE_URL"])
def test_production_refuses_to_start_without(tmp_path, name):
    run = load_settings(tmp_path, **{k: v for k, v in PRODUCTION.items() if k != name})
    assert run.returncode != 0
    assert last_line(run).startswith(f"django.core.exceptions.ImproperlyConfigured: {name} not set")


def test_production_names_all_that_is_missing_at_once(tmp_path):
    run = load_settings(tmp_path, DATABASE_URL=PRODUCTION["DATABASE_URL"])
    assert all(name in last_line(run) for name in PRODUCTION if name != "DATABASE_URL")


def test_production_takes_secrets_from_files(tmp_path):
    (tmp_path / "key").write_text("f" * 64 + "\n")
    environment = {k: v for k, v in PRODUCTION.items() if k != "SECRET_KEY"}
    run = load_settings(tmp_path, SECRET_KEY_FILE=str(tmp_path / "key"), **environment)
    assert run.stdout.startswith("f" * 64), run.stderr


def test_the_demo_makes_its_own_keys_and_keeps_them(tmp_path):
    first, second = load_settings(tmp_path), load_settings(tmp_path)
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert {p.name for p in (tmp_path / "var" / "keys").iterdir()} >= {"secret_key", "whatsflow_hash_key"}


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"PORT": "eighty"}, "PORT=eighty: expected a whole number"),
        ({"WHATSFLOW_SIMULATOR": "perhaps"}, "WHATSFLOW_SIMULATOR=perhaps: expected one of"),
        (
            {"DATABASE_URL": "mysql://u:hidden@h/d", "DEBUG": "1"},
            "DATABASE_URL has scheme mysql: expected postgres",
        ),
        ({"DATABASE_URL": "nonsense", "DEBUG": "1"}, "DATABASE_URL"),
        ({"REDIS_URL": "http://h"}, "REDIS_URL=http://h: expected redis://…"),
        ({"WHATSAPP_GRAPH_VERSION": "23"}, "WHATSAPP_GRAPH_VERSION=23: expected the form v23.0"),
        (
            {"SIMULATOR_BASE_URL": "http://example.com"},
            "SIMULATOR_BASE_URL=http://example.com: the simulator",
        ),
    ],
)
def test_settings_refuse_a_wrong_value_by_its_name(tmp_path, setting, told):
    run = load_settings(tmp_path, **setting)
    assert run.returncode != 0
    assert told in last_line(run)
    assert "hidden" not in last_line(run)


def test_every_setting_stands_in_the_example_file(root):
    read = set()
    for match in re.finditer(r'env\.\w+\(\s*"([A-Z][A-Z_]+)"', (root / "whatsflow/settings.py").read_text()):
        read.add(match.group(1))
    example = (root / ".env.example").read_text()
    assert read
    assert {name for name in read if not re.search(rf"(?m)^#?{name}=", example)} == set()
