"""Lint of translations: texts that a language lacks, and translations of texts that do not exist."""

from collections.abc import Iterator
from typing import Any

from flows.engine.subject import Subject, items, record
from flows.engine.translations import prefixes, text_places
from flows.engine.walk import suggestion


def check(subject: Subject) -> None:
    languages = subject.document.get("translations")
    if not isinstance(languages, dict) or not languages:
        return
    texts = list(translatable(subject))
    for language, given in languages.items():
        for key in record(given):
            if key not in texts:
                remedy = suggestion(key, texts, "name a text as <step>.<key>")
                subject.report("WF223", ("translations", language, key), f'no text "{key}"', remedy)
        missing = [key for key in texts if key not in record(given)]
        if missing:
            shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
            message = f"{len(missing)} of {len(texts)} texts are not translated: {shown}"
            subject.report("WF222", ("translations", language), message, "add them")


def translatable(subject: Subject) -> Iterator[str]:
    """The key of every text of the flow that a translation can replace."""
    for node in subject.nodes:
        yield from _texts(node.id, node.raw.get("content"))
        wait = record(node.raw.get("wait_for"))
        yield from _texts(f"{node.id}.retry", record(wait.get("retry")).get("content"))
        for index, reminder in items(wait.get("remind")):
            yield from _texts(f"{node.id}.remind.{index + 1}", record(reminder).get("content"))


def _texts(holder: str, content: Any) -> Iterator[str]:
    contents = content if isinstance(content, list) else [content]
    for prefix, entry in zip(prefixes(holder, contents), contents, strict=True):
        yield from (f"{prefix}.{key}" for key, _ in text_places(record(entry)))
