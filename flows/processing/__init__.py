"""What a processor file imports: `from flows.processing import processor, Context, Result`.

The parent's side is in `flows.processing.discovery` and `flows.processing.runner`; a child never loads it.
"""

from flows.processing.contract import ApiError, Context, Result, processor

__all__ = ["ApiError", "Context", "Result", "processor"]
