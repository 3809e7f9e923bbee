"""Structured logs: JSON in production, plain in the demo; numbers masked and secrets cut in both."""

import logging
import re

import structlog

_phone = re.compile(r"(?<![\w.-])\+?(\d{3,4})\d{4,9}(\d{4})(?![\w-])")
_secret = re.compile(r"(?i)(bearer\s+|access_token=|token=|secret=|password=|sha256=)[^\s&\"']+")


def redact(text: str) -> str:
    """Mask phone numbers as ``+9198****2010`` and cut what follows the name of a secret."""
    return _phone.sub(r"+\1****\2", _secret.sub(r"\1[cut]", text))


class Redact(logging.Filter):
    """Rewrites every record before any handler formats it, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True


_shared = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def console_formatter() -> logging.Formatter:
    return logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")


def json_formatter() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared,  # type: ignore[arg-type]  # structlog types its own processors too narrowly
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
    )
