"""Which keys a flow, a step of each type and a wait of each type may have: one table for parser and lint."""

ID_PATTERN = r"^[a-z][a-z0-9_]{0,63}$"
RESERVED_ROOTS = frozenset({"contact", "reply", "flow", "data", "global", "now", "campaign", "parent"})
IGNORED_KEYS = frozenset({"$schema", "$comment"})
# Marks that the front end of the older dialect leaves in the canonical document for the engine.
OLDER_MARK = "$dialect"
SHOWN_AS_MARK = "$shown_as"
MARKS = frozenset({OLDER_MARK, SHOWN_AS_MARK})

FLOW_KEYS = frozenset(
    {
        "id",
        "name",
        "description",
        "trigger",
        "start",
        "end",
        "is_active",
        "steps",
        "next_flow",
        "variables",
        "dataset",
        "language",
        "translations",
        "settings",
        "on_error",
    }
)
SETTINGS_KEYS = frozenset({"expire_after", "on_expire", "interrupt", "reentry"})

COMMON_STEP_KEYS = frozenset(
    {
        "id",
        "name",
        "type",
        "is_active",
        "pre_processors",
        "post_processors",
        "next_step",
        "on_success",
        "on_fail",
        "on_unknown",
    }
)
STEP_KEYS: dict[str, frozenset[str]] = {
    "message": frozenset({"content", "wait_for"}),
    "branch": frozenset(),
    "set": frozenset({"set", "contact", "groups", "consent"}),
    "api": frozenset({"api", "args", "save_as"}),
    "processor": frozenset({"name", "args", "save_as"}),
    "flow": frozenset({"flow", "args", "save_as", "mode"}),
    "pause": frozenset({"for", "until", "on_reply"}),
    "split": frozenset({"arms"}),
    "handoff": frozenset({"team", "note", "content", "step", "timeout"}),
    "publish": frozenset({"event", "data"}),
    "end": frozenset({"outcome", "reason", "result"}),
}
REQUIRED_STEP_KEYS: dict[str, frozenset[str]] = {
    "branch": frozenset({"next_step"}),
    "api": frozenset({"api"}),
    "processor": frozenset({"name"}),
    "flow": frozenset({"flow"}),
    "split": frozenset({"arms"}),
    "publish": frozenset({"event"}),
}
PROCESSOR_CALL_KEYS = frozenset({"name", "args", "save_as", "on_fail"})

MEDIA_WAITS = frozenset({"image", "audio", "video", "document", "media"})
COMMON_WAIT_KEYS = frozenset({"type", "save_as", "sensitive", "retry", "timeout", "remind"})
_MEDIA_KEYS = frozenset({"max_size", "mime"})
WAIT_KEYS: dict[str, frozenset[str]] = {
    "any": frozenset(),
    "text": frozenset({"min", "max", "min_length", "max_length", "pattern"}),
    "number": frozenset({"min", "max", "integer"}),
    "yes_no": frozenset(),
    "choice": frozenset({"choices", "synonyms"}),
    "date": frozenset({"min", "max"}),
    "time": frozenset({"min", "max"}),
    "email": frozenset(),
    "phone": frozenset({"region"}),
    "location": frozenset(),
    "contact": frozenset(),
    "form": frozenset(),
    "order": frozenset(),
    **dict.fromkeys(sorted(MEDIA_WAITS), _MEDIA_KEYS),
}
RETRY_KEYS = frozenset({"content", "max", "step"})
TIMEOUT_KEYS = frozenset({"after", "step"})
REMIND_KEYS = frozenset({"after", "content"})
CHOICE_KEYS = frozenset({"id", "title", "synonyms"})
ARM_KEYS = frozenset({"name", "weight", "step"})
RULE_KEYS = frozenset({"when", "step"})

TRIGGER_FILTERS = frozenset({"number", "groups", "not_groups", "hours"})
TRIGGER_KEYS: dict[str, frozenset[str]] = {
    "keyword": frozenset({"text", "match", "accents"}),
    "button": frozenset({"id"}),
    "referral": frozenset({"source_id"}),
    "new_contact": frozenset(),
    "media": frozenset({"kind"}),
    "order": frozenset(),
    "location": frozenset(),
    "catch_all": frozenset(),
}
KEYWORD_MATCHES = ("exact", "first_word", "contains", "regex")
OUTCOMES = ("completed", "failed", "abandoned")
