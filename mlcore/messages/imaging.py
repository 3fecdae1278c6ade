"""Of files that are not accepted as pictures, and of the processes that decode them."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "image.rejected": _("%(name)s: %(reason)s"),
    "image.too_many_bytes": _("the file holds %(size)s MB; the limit is %(limit)s MB."),
    "image.empty": _("the file is empty."),
    "image.too_small": _(
        "the picture measures %(width)s x %(height)s pixels; each side must have at least "
        "%(least)s pixels."
    ),
    "image.too_many_pixels": _(
        "the picture measures %(width)s x %(height)s pixels: more than the limit of %(limit)s "
        "million pixels."
    ),
    "image.too_long": _(
        "the picture measures %(width)s x %(height)s pixels; one side may be at most %(times)s "
        "times the other."
    ),
    "image.bomb": _("the picture has more than the limit of %(limit)s million pixels."),
    "image.too_much_memory": _("decoding it takes more memory than is allowed."),
    "image.damaged": _("the file is damaged or incomplete and cannot be decoded."),
    "image.unknown_format": _(
        "this is not a picture in a format that is accepted; send %(accepted)s."
    ),
    "image.is_tiff": _("this is a TIFF or raw camera file; send %(accepted)s."),
    "image.is_raw": _("this is a raw camera file; develop it, and send %(accepted)s."),
    "image.odd_tiff": _(
        "this is a raw camera file, or a kind of TIFF that is not read; save it with 8 or 16 bits "
        "a channel."
    ),
    "image.is_deep": _(
        "its pixels are measurements of 32 bits or more; save it with 8 or 16 bits a channel."
    ),
    "image.is_bmp": _("this is a BMP picture; send %(accepted)s."),
    "image.is_photoshop": _("this is a Photoshop document; send %(accepted)s."),
    "image.is_pdf": _("this is a PDF document; send %(accepted)s."),
    "image.is_postscript": _("this is a PostScript document; send %(accepted)s."),
    "image.is_svg": _("this is an SVG drawing; send %(accepted)s."),
    "image.is_xml": _("this is an XML or SVG file; send %(accepted)s."),
    "image.is_zip": _("this is a zip archive; send %(accepted)s."),
    "image.is_icon": _("this is an icon file; send %(accepted)s."),
    "image.is_jpeg_2000": _("this is a JPEG 2000 picture; send %(accepted)s."),
    "image.is_jpeg_xl": _("this is a JPEG XL picture; send %(accepted)s."),
    "note.extras_damaged": _("Something beside the pixels is damaged and was passed over."),
    "note.end_missing": _("The end of the file is missing, and perhaps some of the last pixels."),
    "image.failed": _("it cannot be processed; the log says why."),
    "image.too_slow": _("decoding it takes longer than %(seconds)s seconds."),
    "image.confusing": _("it confused the process that decodes it."),
    "image.killed": _(
        "the process decoding it was killed; the machine may have run out of memory."
    ),
    "image.crashed": _("it brings the process that decodes it down (%(cause)s)."),
    "sandbox.interrupted": _(
        "No picture can be decoded: the processes for it are ended from outside."
    ),
    "sandbox.not_started": _("No picture can be decoded: no process can be started (%(cause)s)."),
    "sandbox.does_not_start": _(
        "No picture can be decoded: the process for it does not start (exit status %(status)s)."
    ),
}
