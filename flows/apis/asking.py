"""What a processor's context asks of us while it runs: APIs by name, secrets by name."""

from collections.abc import Mapping
from typing import Any

from flows import registry, secrets
from flows.apis import call as calling
from flows.encryption import TokenUnreadable


class Asked:
    """Answers the questions of one processor call; the n-th question of a call has a key of its own.

    So a processor that runs again gets the recorded answer to what it asked before.
    """

    def __init__(self, key: str, *, contact_id: int | None, flow_id: str) -> None:
        self._key, self._contact_id, self._flow_id = key, contact_id, flow_id
        self._count = 0

    def __call__(self, what: str, name: str, args: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        if what == "secret":
            return _secret(name)
        if what != "api":
            return {"error": f"no {what} can be asked for", "outcome": "failed"}
        self._count += 1
        return self._api(name, args, seconds)

    def _api(self, name: str, args: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        record = registry.current().apis.get(name)
        if record is None:
            return {"error": f"there is no API {name!r}", "outcome": "failed"}
        called = calling.call(
            record,
            args,
            key=f"{self._key}.{self._count}",
            contact_id=self._contact_id,
            flow_id=self._flow_id,
            seconds=min(max(seconds, 0.1), calling.longest_seconds(record)),
        )
        if called.state == "ok":
            return {"value": called.value}
        return {"error": called.reason or called.code, "outcome": called.state}


def _secret(name: str) -> dict[str, Any]:
    try:
        return {"value": str(secrets.get(name))}
    except (secrets.SecretUnknown, TokenUnreadable) as problem:
        return {"error": str(problem), "outcome": "failed"}
