"""The processors of the flow `quiz`: a file of a flow's name is that flow's own."""

from flows.processing import processor

RIGHT = {"q1": "q1_lock", "q2": "q2_weeks", "q3": "q3_more"}
REMARKS = {
    0: "Every rider starts somewhere. Have a look at the tips and try again!",
    1: "A start! Have a look at the tips and try again.",
    2: "Very good, just one got away.",
    3: "You are a pro! 🏆",
}


@processor(effects="pure")
def score_quiz(answers: dict[str, str | None]) -> dict[str, int | str]:
    """Count the right answers (question → id of the answer) and find a remark."""
    score = sum(answers.get(question) == right for question, right in RIGHT.items())
    return {"score": score, "of": len(RIGHT), "remark": REMARKS[score]}
