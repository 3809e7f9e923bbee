"""The processors of the flow `feedback`."""

from flows.processing import Result, processor

WORDS = {1: "very unhappy", 2: "unhappy", 3: "so-so", 4: "happy", 5: "very happy"}
NO_COMMENT = {"", "no", "nope", "-", "nothing"}
LONGEST = 120


@processor(effects="pure")
def summarize_feedback(rating: int, comment: str = "") -> str | Result:
    """One line for the team: the stars, the mood, the beginning of the comment."""
    if rating not in WORDS:
        return Result(fail=f"a rating is 1 to {len(WORDS)}, not {rating}")
    line = f"{'★' * rating}{'☆' * (len(WORDS) - rating)} {WORDS[rating]}"
    said = " ".join(comment.split())
    if said.casefold() in NO_COMMENT:
        return line
    return f"{line}: {said if len(said) <= LONGEST else said[: LONGEST - 1] + '…'}"
