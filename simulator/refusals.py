"""How Meta words a refusal: the error body of the Graph API and the same error inside a failed status."""

import secrets
from dataclasses import dataclass
from typing import Any

# Source: Meta's error code page (Mar 2026) and error bodies seen in public clients' issue threads.
WORDING: dict[int, tuple[int, str]] = {
    0: (401, "AuthException"),
    1: (400, "API Unknown"),
    2: (503, "API Service"),
    3: (500, "API Method"),
    4: (400, "API Too Many Calls"),
    10: (403, "Permission Denied"),
    33: (400, "Parameter value is not valid"),
    100: (400, "Invalid parameter"),
    190: (401, "Access token has expired"),
    368: (403, "Temporarily blocked for policies violations"),
    80007: (400, "Rate limit issues"),
    130429: (400, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    130497: (403, "Business account is restricted from messaging users in this country"),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131030: (400, "Recipient phone number not in allowed list"),
    131031: (403, "Business Account locked"),
    131036: (400, "Message time to live over"),
    131037: (400, "WhatsApp provided number needs display name approval before message can be sent"),
    131042: (400, "Business eligibility payment issue"),
    131044: (400, "Business eligibility payment issue"),
    131045: (500, "Incorrect certificate"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement"),
    131050: (400, "User has stopped marketing messages from your business"),
    131051: (400, "Unsupported message type"),
    131052: (400, "Media download error"),
    131053: (400, "Media upload error"),
    131055: (400, "Method not allowed"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    131062: (400, "Business-scoped user ID is not supported for this message"),
    131063: (400, "Marketing templates are not allowed on this API"),
    131064: (400, "Messaging limit reached because of template misclassification"),
    132000: (400, "Number of parameters does not match the expected number of params"),
    132001: (404, "Template name does not exist in the translation"),
    132005: (400, "Translated text too long"),
    132007: (400, "Template format character policy violated"),
    132008: (400, "Parameter value is not valid"),
    132012: (400, "Parameter format does not match format in the created template"),
    132015: (400, "Template is paused"),
    132016: (400, "Template is disabled"),
    132018: (400, "There is an issue with the parameters in your template"),
    132068: (400, "Flow is in blocked state"),
    132069: (400, "Flow is in throttled state"),
    133004: (503, "Server temporarily unavailable"),
    133010: (400, "Phone number not registered"),
    134011: (400, "Terms of service not accepted"),
    135000: (400, "Generic user error"),
    137000: (400, "User's identity key hash does not match"),
}
HELP = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"
TRANSIENT = {1, 2, 4, 80007, 130429, 131000, 131016, 131056, 131057, 133004}


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """A POST that Meta would refuse. `message` replaces the code's own wording where Meta says more.

    Not frozen: the interpreter writes tracebacks into exceptions.
    """

    code: int
    details: str = ""
    message: str = ""
    subcode: int | None = None
    http: int | None = None
    type: str = "OAuthException"

    @property
    def status(self) -> int:
        return self.http or WORDING.get(self.code, (400, ""))[0]

    @property
    def words(self) -> str:
        return self.message or f"(#{self.code}) {title(self.code)}"

    def body(self) -> dict[str, Any]:
        """The JSON of the answer, with a new trace id each time, as Meta's has."""
        error: dict[str, Any] = {"message": self.words, "type": self.type, "code": self.code}
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode:
            error["error_subcode"] = self.subcode
        if self.code in TRANSIENT:
            error["is_transient"] = True
        error["fbtrace_id"] = "A" + secrets.token_urlsafe(16)
        return {"error": error}


def title(code: int) -> str:
    return WORDING.get(code, (400, f"Error {code}"))[1]


def in_status(code: int, details: str = "") -> dict[str, Any]:
    """The error as `statuses[].errors[]` carries it."""
    words = title(code)
    return {
        "code": code,
        "title": words,
        "message": words,
        "error_data": {"details": details or words},
        "href": HELP,
    }


def bad_token() -> Refusal:
    return Refusal(
        code=190, message="Invalid OAuth access token - Cannot parse access token", details="", http=401
    )


def unknown_object(object_id: str, method: str = "post") -> Refusal:
    return Refusal(
        code=100,
        subcode=33,
        type="GraphMethodException",
        message=(
            f"Unsupported {method} request. Object with ID '{object_id}' does not exist, cannot be loaded due to "
            "missing permissions, or does not support this operation. Please read the Graph API documentation at "
            "https://developers.facebook.com/docs/graph-api"
        ),
    )


def bad_parameter(message: str) -> Refusal:
    """Code 100: the shape is wrong before anything of WhatsApp is looked at."""
    return Refusal(code=100, message=f"(#100) {message}")


def missing(details: str) -> Refusal:
    return Refusal(code=131008, details=details)


def bad_value(details: str) -> Refusal:
    return Refusal(code=131009, details=details)
