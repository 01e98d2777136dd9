"""Kinds of files: their media types, and the short names and endings that stand for them."""

from __future__ import annotations

from types import MappingProxyType

IMAGE_FORMATS = MappingProxyType(
    {
        "image/png": "png",
        "image/jpeg": "jpeg",
        "image/jpg": "jpeg",
        "image/gif": "gif",
        "image/webp": "webp",
    }
)
DOCUMENT_FORMATS = MappingProxyType(
    {
        "application/pdf": "pdf",
        "text/csv": "csv",
        "application/msword": "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "text/html": "html",
        "text/plain": "txt",
        "text/markdown": "md",
    }
)
IMAGE_TYPES = MappingProxyType(
    {
        "jpg": "image/jpeg",
        **{short: media for media, short in IMAGE_FORMATS.items() if media != "image/jpg"},
    }
)
DOCUMENT_TYPES = MappingProxyType({short: media for media, short in DOCUMENT_FORMATS.items()})
_AUDIO_FORMATS = MappingProxyType({"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "x-aac": "aac"})


def guessed_type(url: str) -> str:
    """The media type that the ending of an address stands for; empty where it stands for none."""
    ending = url.partition("?")[0].partition("#")[0].rpartition(".")[2].lower()
    return IMAGE_TYPES.get(ending) or DOCUMENT_TYPES.get(ending, "")


def audio_format(media_type: str) -> str:
    """`wav` of `audio/x-wav`: the short name of a kind of sound."""
    written = media_type.removeprefix("audio/").partition(";")[0].lower()
    return _AUDIO_FORMATS.get(written, written)
