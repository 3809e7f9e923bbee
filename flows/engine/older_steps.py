"""One step of the older dialect as steps of the flow language: its content, its processors, its waits."""

from collections.abc import Iterator, Mapping
from typing import Any

from flows.engine.faults import Fault, Path, warning
from flows.engine.keys import SHOWN_AS_MARK

MEDIA = frozenset({"image", "video", "audio", "document", "sticker"})
READ_KEYS = frozenset(
    {
        "id",
        "name",
        "type",
        "action",
        "sequence_no",
        "is_active",
        "content",
        "processor",
        "payload_template",
        "wait",
        "next_step",
        "next_flow",
        "on_success",
        "on_fail",
    }
)
_TRUE_WORDS = frozenset({"true", "yes", "1"})


class OlderStep:
    """A step of the original file on its way into canonical steps, with the place of every part of it."""

    def __init__(self, raw: Mapping[str, Any], path: Path, step_id: str) -> None:
        self.raw = raw
        self.path = path
        self.id = step_id
        self.faults: list[Fault] = []
        self.content, self.content_paths = self._content()
        self.entries = list(self._entries())

    # --- content -------------------------------------------------------------------------------------

    def _content(self) -> tuple[Any, dict[str, Path]]:
        """Return the canonical content, None for none, and where each of its keys came from."""
        content = self.raw.get("content")
        at = (*self.path, "content")
        if isinstance(content, str):
            return ({"type": "text", "body": content} if content.strip() else None), {"body": at}
        if not isinstance(content, Mapping) or not content:
            return (content or None), {}
        fields = {key: value for key, value in content.items() if key != "processor"}
        kind, body = fields.get("type", "text"), fields.get("body")
        if not isinstance(kind, str):
            return fields, {}
        if isinstance(body, Mapping):
            body = {key: value for key, value in body.items() if key != "processor"}
        if kind == "text":
            return self._text(fields, body), {}
        if kind in MEDIA:
            return self._medium(kind, fields, body), {"link": (*at, "body"), "media": (*at, "body")}
        if kind == "interactive" and "interactive" not in fields:
            return {"type": kind, "interactive": body}, {"interactive": (*at, "body")}
        return {**fields, **({"body": body} if "body" in fields else {})}, {}

    def _text(self, fields: Mapping[str, Any], body: Any) -> dict[str, Any] | None:
        if isinstance(body, Mapping):
            body = body.get("body", body.get("text"))
        if body is None or body == "":
            return None
        body = body if isinstance(body, str) else str(body)
        return {**fields, "type": "text", "body": body}

    def _medium(self, kind: str, fields: Mapping[str, Any], body: Any) -> dict[str, Any]:
        given = {key: fields[key] for key in ("link", "media", "asset", "filename") if key in fields}
        if isinstance(body, str) and not {"link", "media", "asset"} & set(given):
            given["media" if body.isdigit() else "link"] = body
        if kind in ("image", "video", "document") and fields.get("caption"):
            given["caption"] = fields["caption"]
        return {"type": kind, **given}

    # --- processors ----------------------------------------------------------------------------------

    def _entries(self) -> Iterator[tuple[dict[str, Any], bool, Path]]:
        """Yield each processor as a canonical entry, whether it first takes a reply, and its place."""
        for holder, at, is_inside in self._holders():
            if "processor" not in holder:
                continue
            if is_inside:
                message = "a processor inside the content is read as the step's"
                self.faults.append(warning("WF131", (*at, "processor"), message, "move it into the step"))
            yield from self._listed(holder["processor"], (*at, "processor"))

    def _holders(self) -> Iterator[tuple[Mapping[str, Any], Path, bool]]:
        yield self.raw, self.path, False
        content = self.raw.get("content")
        if isinstance(content, Mapping):
            yield content, (*self.path, "content"), True
            if isinstance(content.get("body"), Mapping):
                yield content["body"], (*self.path, "content", "body"), True

    def _listed(self, value: Any, at: Path) -> Iterator[tuple[dict[str, Any], bool, Path]]:
        entries = value if isinstance(value, list) else [value]
        for number, entry in enumerate(entries):
            place = (*at, number) if isinstance(value, list) else at
            if isinstance(entry, str) and entry:
                yield self._entry({"name": entry}, place)
            elif isinstance(entry, Mapping) and entry:
                yield self._entry(entry, place)

    def _entry(self, entry: Mapping[str, Any], at: Path) -> tuple[dict[str, Any], bool, Path]:
        template = entry.get("payload_template", self.raw.get("payload_template"))
        made = {"name": entry["name"]} if "name" in entry else {}
        if isinstance(template, str):
            made["args"] = {"user_response": template}
        elif template is not None:
            made["args"] = template
        made["on_fail"] = "stop" if self.raw.get("on_fail") else "continue"
        return made, _is_true(entry.get("wait", self.raw.get("wait", False))), at

    # --- steps ---------------------------------------------------------------------------------------

    def segments(self) -> list[list[tuple[dict[str, Any], Path]]]:
        """Return the processors by the reply that each run of them follows; the first follows the content."""
        runs: list[list[tuple[dict[str, Any], Path]]] = [[]]
        for entry, waits, at in self.entries:
            if waits:
                runs.append([])
            runs[-1].append((entry, at))
        return runs

    def made(self, inner_ids: Iterator[str]) -> tuple[list[dict[str, Any]], list[dict[Path, Path]]]:
        """Return the canonical steps without their links, and for each where its parts came from."""
        runs = self.segments()
        first_waits = len(runs) > 1 and not runs[0]
        if first_waits:
            runs = runs[1:]
        steps, paths = [], []
        for number, run in enumerate(runs):
            waits = first_waits or number > 0
            step, places = self._step(next(inner_ids), run, waits=waits, is_first=number == 0)
            steps.append(step)
            paths.append(places)
        return steps, paths

    def _step(
        self, step_id: str, run: list[tuple[dict[str, Any], Path]], *, waits: bool, is_first: bool
    ) -> tuple[dict[str, Any], dict[Path, Path]]:
        name = self.raw.get("name")
        step: dict[str, Any] = {"id": step_id, "name": name if isinstance(name, str) and name else self.id}
        places: dict[Path, Path] = {(): self.path, ("id",): (*self.path, self._id_key())}
        if not is_first:
            step[SHOWN_AS_MARK] = self.id
        if "is_active" in self.raw:
            step["is_active"] = self.raw["is_active"]
        if is_first and self.content is not None:
            step["content"] = self.content
            places |= {("content", key): at for key, at in self.content_paths.items()}
        if waits:
            step["wait_for"] = {"type": "any"}
            places[("wait_for",)] = self.path
        if run:
            step["post_processors"] = [entry for entry, _ in run]
            places |= _entry_places(run)
        return step, places

    def _id_key(self) -> str:
        return next((key for key in ("id", "name", "sequence_no") if key in self.raw), "name")

    def unread(self) -> Iterator[Fault]:
        """Yield a warning for each key that nobody reads."""
        for key in self.raw:
            if key not in READ_KEYS and not str(key).startswith("$"):
                yield warning("WF101", (*self.path, key), f'the key "{key}" is not read', "leave it out")


def _entry_places(run: list[tuple[dict[str, Any], Path]]) -> dict[Path, Path]:
    places: dict[Path, Path] = {}
    for number, (_, at) in enumerate(run):
        places["post_processors", number] = at
        places["post_processors", number, "args"] = (*at, "payload_template")
    return places


def _is_true(value: Any) -> bool:
    return value.strip().lower() in _TRUE_WORDS if isinstance(value, str) else bool(value)
