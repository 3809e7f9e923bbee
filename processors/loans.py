"""Loans: what a customer still has to pay, from the table `datasets/data/loans.json`."""

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from flows.processing import Context, processor

DATASETS = Path(os.environ.get("WHATSFLOW_DATASETS") or Path(__file__).parents[1] / "datasets")


@processor(timeout_seconds=5, idempotent=True)
def emi_status(loan_number: str, context: Context) -> dict[str, Any]:
    """Give `found`, and for a known loan its figures and a `summary` to be shown."""
    loans = json.loads((DATASETS / "data" / "loans.json").read_text(encoding="utf-8"))
    number = loan_number.strip().upper()
    loan = loans.get(number)
    if loan is None:
        return {"found": False, "number": number}
    due = _next_due(loan, context.now.date())
    return {
        "found": True,
        "number": number,
        "paid": loan["paid"],
        "of": loan["of"],
        "next_due": due.isoformat() if due else None,
        "summary": _summary(number, loan, due),
    }


def _next_due(loan: dict[str, Any], today: date) -> date | None:
    """The first due day from today on; None for a loan that is paid."""
    if loan["paid"] >= loan["of"]:
        return None
    due = today.replace(day=loan["due_day"])
    if due >= today:
        return due
    year, month = (today.year + 1, 1) if today.month == 12 else (today.year, today.month + 1)
    return due.replace(year=year, month=month)


def _summary(number: str, loan: dict[str, Any], due: date | None) -> str:
    """Two or three lines for the customer."""
    lines = [f"*{number}* · {loan['product']}", f"{loan['paid']} of {loan['of']} EMIs are paid."]
    if due is None:
        lines.append("Nothing is left to pay. Congratulations! 🎉")
    else:
        lines.append(f"Next: ₹{loan['emi']:,} on {due.day} {due:%B %Y}.")
    if overdue := loan.get("overdue"):
        lines.append(f"⚠️ Overdue: {overdue} EMI, ₹{overdue * loan['emi']:,}.")
    return "\n".join(lines)
