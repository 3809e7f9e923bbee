"""Runs `async def` processors in a child; loaded by the first of them, as asyncio is slow to import."""

import asyncio
from collections.abc import Coroutine
from typing import Any

_RUNNER = asyncio.Runner()


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return _RUNNER.run(_then_cancel_rest(coroutine))


async def _then_cancel_rest(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coroutine
    finally:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
