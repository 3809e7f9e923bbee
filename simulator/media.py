"""Media of the Graph API: upload, look up, download with the token, delete."""

import base64
import hashlib
import secrets
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.signing import BadSignature, TimestampSigner
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import reverse

from flows.engine.content import LIMITS
from simulator import numbers
from simulator.graph import bearer, graph_view, number_for
from simulator.models import SimulatedMedia, SimulatedNumber
from simulator.refusals import bad_parameter, bad_token, bad_value, unknown_object

URL_SECONDS = 300
AUDIO_TYPES = ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus")
_signer = TimestampSigner(salt="simulator.media")
# Source: supported media types of the Cloud API (Mar 2026); any other type may be sent as a document.
LARGEST: dict[str, int] = {
    **dict.fromkeys(("image/jpeg", "image/png"), LIMITS["image.bytes"]),
    **dict.fromkeys(("video/mp4", "video/3gpp"), LIMITS["video.bytes"]),
    **dict.fromkeys(AUDIO_TYPES, LIMITS["audio.bytes"]),
    "image/webp": LIMITS["sticker.bytes"],
}
DOCUMENT_TYPES = (
    "text/plain",
    "text/csv",
    "application/pdf",
    "application/json",
    "application/zip",
    "application/msword",
    "application/octet-stream",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)
LARGEST.update(dict.fromkeys(DOCUMENT_TYPES, LIMITS["document.bytes"]))


def store(number: SimulatedNumber, *, content: bytes, mime_type: str, filename: str = "") -> SimulatedMedia:
    return SimulatedMedia.objects.create(
        number=number,
        media_id=str(secrets.randbelow(9 * 10**15) + 10**15),
        mime_type=mime_type,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        filename=filename[:255],
        content=content,
    )


def check_upload(mime_type: str, size: int) -> None:
    """Raises: Refusal, for a type that Meta does not take or a file that is too large for its type."""
    most = LARGEST.get(mime_type.partition(";")[0].strip())
    if most is None:
        names = ", ".join(LARGEST)
        raise bad_parameter(
            f"Param file must be a file with one of the following types: {names}. Received file of type '{mime_type}'."
        )
    if size > most:
        raise bad_value(f"File size {size} exceeds the maximum of {most} bytes for {mime_type}")


@graph_view("POST")
def upload(request: HttpRequest, phone_number_id: str) -> HttpResponseBase:
    number = number_for(request, phone_number_id)
    if request.POST.get("messaging_product") != "whatsapp":
        raise bad_parameter("The parameter messaging_product is required.")
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        raise bad_parameter("The parameter file is required.")
    mime_type = file.content_type or str(request.POST.get("type") or "")
    check_upload(mime_type, file.size or 0)
    media = store(number, content=file.read(), mime_type=mime_type, filename=file.name or "")
    return JsonResponse({"id": media.media_id})


def media_of(request: HttpRequest, media_id: str) -> SimulatedMedia | None:
    """Return the media of this id, if any; the token must be that of its number."""
    media = SimulatedMedia.objects.select_related("number__app").filter(media_id=media_id).first()
    if media is None:
        return None
    if bearer(request) != numbers.access_token(media.number):
        raise bad_token()
    wanted = request.GET.get("phone_number_id", media.number.phone_number_id)
    if wanted != media.number.phone_number_id:
        raise unknown_object(media_id, (request.method or "get").lower())
    return media


def lookup_json(request: HttpRequest, media: SimulatedMedia) -> dict[str, Any]:
    ticket = _signer.sign(media.media_id)
    return {
        "messaging_product": "whatsapp",
        "url": request.build_absolute_uri(reverse("simulator:download")) + "?mid=" + ticket,
        "mime_type": media.mime_type,
        "sha256": media.sha256,
        "file_size": media.size,
        "id": media.media_id,
    }


@graph_view("GET")
def download(request: HttpRequest) -> HttpResponseBase:
    """Give the bytes for a URL not older than 5 minutes; a stale one is 404, as at Meta."""
    try:
        media_id = _signer.unsign(request.GET.get("mid", ""), max_age=URL_SECONDS)
    except BadSignature:
        raise Http404 from None
    media = media_of(request, media_id)
    if media is None:
        raise Http404
    return HttpResponse(bytes(media.content), content_type=media.mime_type)


def webhook_part(media: SimulatedMedia) -> dict[str, Any]:
    """The part of a customer's message that names the file; webhooks print the hash in base64."""
    digest = base64.b64encode(bytes.fromhex(media.sha256)).decode()
    return {"id": media.media_id, "mime_type": media.mime_type, "sha256": digest}
