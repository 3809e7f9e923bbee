"""Front end of the older dialect: such a file becomes a canonical document, leniently.

The marks `$dialect` and `$shown_as` tell the engine about the older scope and about inner steps.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.engine.faults import Fault, Path, error, warning
from flows.engine.keys import FLOW_KEYS, ID_PATTERN, IGNORED_KEYS, OLDER_MARK, SHOWN_AS_MARK, STEP_KEYS
from flows.engine.older_steps import OlderStep

_ID = re.compile(ID_PATTERN)
_LONGEST_ID = 64
_NEWER_KEYS = frozenset(
    {"pre_processors", "post_processors", "on_unknown", "wait_for"}.union(*STEP_KEYS.values())
) - {"content", "name"}
_EVERY_STEP_HAS = ("action", "sequence_no")
_ONE_STEP_HAS = ("processor", "payload_template")


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A canonical document, what was noticed on the way, and canonical paths by the original ones they mean."""

    document: dict[str, Any]
    faults: tuple[Fault, ...]
    paths: Mapping[Path, Path]


def is_older(document: Any) -> bool:
    """Say whether a document is of the older dialect, or a mixture that only its front end can explain."""
    steps = [step for _, step in _steps(document)]
    if any(key in step for step in steps for key in _ONE_STEP_HAS) or any(map(_hides_processor, steps)):
        return True
    return bool(steps) and all(any(key in step for key in _EVERY_STEP_HAS) for step in steps)


def _hides_processor(step: Mapping[str, Any]) -> bool:
    content = step.get("content")
    if not isinstance(content, Mapping):
        return False
    body = content.get("body")
    return "processor" in content or (isinstance(body, Mapping) and "processor" in body)


def _steps(document: Any) -> list[tuple[int, Mapping[str, Any]]]:
    steps = document.get("steps") if isinstance(document, Mapping) else None
    entries = enumerate(steps) if isinstance(steps, list) else ()
    return [(number, step) for number, step in entries if isinstance(step, Mapping)]


def translate(document: Mapping[str, Any]) -> Translation:
    """Translate a document of the older dialect; total: what cannot be read stays for lint to name."""
    return _Translator(document).translation()


class _Translator:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.faults: list[Fault] = []
        self.paths: dict[Path, Path] = {}
        self.raw_steps = _steps(document)
        self.taken: set[str] = set()
        self.ids = [self._step_id(step, number) for number, step in self.raw_steps]
        self.names = self._names()
        self.last_ids: dict[str, str] = {}
        self.made_count = 0

    def translation(self) -> Translation:
        steps = [step for place, _ in enumerate(self.raw_steps) for step in self._translated(place)]
        document: dict[str, Any] = {OLDER_MARK: "older"}
        for key, value in self.document.items():
            if key in FLOW_KEYS:
                document[key] = value
            elif key not in IGNORED_KEYS:
                self._warn_unread((key,))
        if isinstance(self.document.get("steps"), list):
            document["steps"] = [*steps, *self._junk_steps()]
        self._translate_flow(document)
        return Translation(document=document, faults=tuple(self.faults), paths=self.paths)

    def _junk_steps(self) -> list[Any]:
        """Return entries that are no objects: lint says so."""
        return [step for step in self.document["steps"] if not isinstance(step, Mapping)]

    def _warn_unread(self, path: Path) -> None:
        self.faults.append(warning("WF101", path, f'the key "{path[-1]}" is not read', "leave it out"))

    # --- ids -----------------------------------------------------------------------------------------

    def _step_id(self, step: Mapping[str, Any], number: int) -> str:
        given = next((step[key] for key in ("id", "name", "sequence_no") if _is_name(step.get(key))), None)
        original = str(number + 1) if given is None else str(given)
        if _ID.fullmatch(original):
            # A repeated id is kept, so that lint can show both places.
            self.taken.add(original)
            return original
        return self._free(_slug(original, "step_"))

    def _free(self, wanted: str) -> str:
        """Return the wanted id, or one like it that no step has yet."""
        candidates = (f"{wanted[: _LONGEST_ID - 5]}__{count}" for count in itertools.count(2))
        found = (
            wanted if wanted not in self.taken else next(one for one in candidates if one not in self.taken)
        )
        self.taken.add(found)
        return found

    def _names(self) -> dict[str, str]:
        """Return the id by everything that a step may be called: id first, then name, then its number."""
        names: dict[str, str] = {}
        for key in ("id", "name", "sequence_no"):
            for (_, step), step_id in zip(self.raw_steps, self.ids, strict=True):
                if _is_name(step.get(key)):
                    names.setdefault(str(step[key]), step_id)
        return names

    def _target(self, value: Any) -> Any:
        """Return the step that a link means: None for none, the text itself where it names no step."""
        if value is None or value == "":
            return None
        return self.names.get(str(value), str(value)) if _is_name(value) else value

    # --- the flow ------------------------------------------------------------------------------------

    def _translate_flow(self, document: dict[str, Any]) -> None:
        self._translate_id(document)
        for key in ("start", "end", "on_error"):
            if key in document:
                target = self._target(document.pop(key))
                if target is not None:
                    document[key] = self._last_id(target) if key == "end" else target
        if "start" not in document and self.raw_steps:
            document["start"] = self._first_step()
        if document.get("trigger") in ("", None):
            document.pop("trigger", None)
        if document.get("next_flow") == "":
            del document["next_flow"]

    def _last_id(self, target: Any) -> Any:
        """Return the last of the steps that one step became."""
        return self.last_ids.get(target, target) if isinstance(target, str) else target

    def _translate_id(self, document: dict[str, Any]) -> None:
        given = next((document[key] for key in ("id", "name") if _is_name(document.get(key))), None)
        if given is None:
            return
        if "id" not in document:
            self.paths["id",] = ("name",)
        document["id"] = str(given) if _ID.fullmatch(str(given)) else _slug(str(given), "flow_")

    def _first_step(self) -> str:
        """Return the step with the lowest number, the first in the list where they have none."""
        numbers = [step.get("sequence_no") for _, step in self.raw_steps]
        whole = [number for number in numbers if isinstance(number, int)]
        return self.ids[numbers.index(min(whole))] if len(whole) == len(numbers) else self.ids[0]

    # --- steps ---------------------------------------------------------------------------------------

    def _translated(self, place: int) -> Iterator[dict[str, Any]]:
        number, raw = self.raw_steps[place]
        step_id = self.ids[place]
        older = OlderStep(raw, ("steps", number), step_id)
        self.faults += older.faults
        self._check_mixture(raw, older.path)
        self.faults += older.unread()
        steps, places = older.made(self._inner_ids(step_id))
        self._link(older, steps, places)
        self.last_ids[step_id] = steps[-1]["id"]
        for step, parts in zip(steps, places, strict=True):
            self._place(parts)
            yield step

    def _place(self, parts: Mapping[Path, Path]) -> None:
        self.paths |= {("steps", self.made_count, *part): original for part, original in parts.items()}
        self.made_count += 1

    def _inner_ids(self, step_id: str) -> Iterator[str]:
        yield step_id
        while True:
            yield self._free(f"{step_id[: _LONGEST_ID - 5]}__2")

    def _check_mixture(self, raw: Mapping[str, Any], path: Path) -> None:
        newer = [key for key in raw if key in _NEWER_KEYS]
        if isinstance(raw.get("next_step"), list):
            newer.append("next_step")
        if isinstance(raw.get("content"), list):
            newer.append("content")
        if str(raw.get("type", "message")) in STEP_KEYS.keys() - {"message"}:
            newer.append("type")
        for key in newer:
            message = f'"{key}" is of the newer dialect, other steps are of the older one'
            self.faults.append(error("WF132", (*path, key), message, "write the whole file in one dialect"))

    def _link(self, older: OlderStep, steps: list[dict[str, Any]], places: list[dict[Path, Path]]) -> None:
        """Chain the inner steps, and give the last one the way on of the original step."""
        raw = older.raw
        for step, following in itertools.pairwise(steps):
            step["next_step"] = following["id"]
        on_fail = self._used_target(older, "on_fail")
        for step in steps:
            if on_fail is not None:
                step["on_fail"] = on_fail
        target = self._target(raw.get("next_step"))
        on_success = self._used_target(older, "on_success")
        if raw.get("next_flow"):
            target = self._link_flow(older, steps, places, target)
        if on_success is not None:
            steps[-1]["on_success"] = on_success
        elif steps[-1].get("type") != "flow":
            steps[-1]["next_step"] = target

    def _used_target(self, older: OlderStep, key: str) -> str | None:
        value = older.raw.get(key)
        if value is None or value == "":
            return None
        if _is_name(value) and str(value) in self.names:
            return self.names[str(value)]
        message = f'"{key}" names no step and is not used'
        self.faults.append(warning("WF133", (*older.path, key), message, "leave it out, or name a step"))
        return None

    def _link_flow(
        self, older: OlderStep, steps: list[dict[str, Any]], places: list[dict[Path, Path]], target: Any
    ) -> Any:
        """Add the inner step that goes on to another flow, unless the step goes on to a step."""
        at = (*older.path, "next_flow")
        if target is not None:
            message = "next_step is taken, so next_flow is not used"
            self.faults.append(warning("WF107", at, message, "keep one of them"))
            return target
        inner = {
            "id": self._free(f"{older.id[: _LONGEST_ID - 6]}__flow"),
            "type": "flow",
            SHOWN_AS_MARK: older.id,
            "flow": _flow_name(older.raw["next_flow"]),
            "mode": "goto",
        }
        steps[-1]["next_step"] = inner["id"]
        steps.append(inner)
        places.append({(): older.path, ("flow",): at})
        return None


def _is_name(value: Any) -> bool:
    return (isinstance(value, str) and value != "") or (
        isinstance(value, int) and not isinstance(value, bool)
    )


def _flow_name(value: Any) -> Any:
    return _slug(value, "flow_") if isinstance(value, str) and not _ID.fullmatch(value) else value


def _slug(text: str, prefix: str) -> str:
    """Return an id of the flow language for a name of any form."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    named = plain if plain[:1].isalpha() else prefix + plain
    return named[:_LONGEST_ID].strip("_") or prefix.strip("_")
