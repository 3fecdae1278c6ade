"""Of the files of a data set: what is there, what is listed, and what an archive holds."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "layout.flickr8k": _("Flickr8k"),
    "layout.kaggle": _("Flickr8k (Kaggle)"),
    "layout.coco": _("COCO captions"),
    "layout.imagefolder": _("Hugging Face imagefolder"),
    "layout.table": _("table of captions"),
    "layout.karpathy": _("Karpathy's splits"),
    "layout.tokens": _("token file"),
    "layout.jsonl": _("JSON lines"),
    "layout.parquet": _("Parquet or Arrow"),
    "layout.sidecars": _("pictures with captions beside them"),
    "layout.classes": _("folders of classes"),
    "layout.unknown": _("There is no layout %(layout)s; there are: %(layouts)s."),
    "layout.not_there": _("The layout %(layout)s was asked for, and nothing of it is there."),
    "why.nothing_else": _("it was named"),
    "why.table": _("by the columns of %(listing)s"),
    "why.tokens": _("by the lines of %(listing)s"),
    "why.listings": _("by %(listings)s"),
    "why.sidecars": _("by files that are named after pictures"),
    "why.classes": _("by folders named after splits, with folders of classes in them"),
    "why.plain": _("there is no listing, and nothing beside the pictures"),
    "kind.pictures": _("pictures"),
    "kind.texts": _("texts"),
    "kind.documents": _("documents"),
    "kind.archives": _("archives"),
    "kind.films": _("films"),
    "kind.sounds": _("sounds"),
    "kind.data": _("data"),
    "kind.others": _("others"),
    "listing.line": _("%(listing)s, line %(line)s"),
    "listing.place": _("%(listing)s, %(place)s"),
    "listing.two_splits": _(
        "%(picture)s is listed for %(kept)s and for %(other)s; %(kept)s counts."
    ),
    "listing.mostly_odd": _(
        "%(where)s: %(problem)s Most rows are like this, so nothing of it was read."
    ),
    "listing.cut": _("%(listing)s: %(captions)s captions were cut after %(most)s characters."),
    "listing.encoding": _("%(listing)s is not UTF-8; it was read as %(encoding)s."),
    "listing.open_quote": _(
        "%(listing)s, line %(line)s: a quote is opened and not closed; it was read as a character."
    ),
    "listing.no_such_columns": _(
        "no column is known to hold the caption, or the file; the columns are: %(columns)s. Name "
        "the ones you mean as the caption column and the file column."
    ),
    "listing.no_caption_key": _(
        "%(listing)s gives no caption; it has: %(keys)s. Name the one you mean as the caption "
        "column."
    ),
    "parquet.needs_pyarrow": _(
        "Parquet and Arrow files are read by the package pyarrow, which is not installed: pip "
        "install 'contextvision[parquet]'."
    ),
    "parquet.unreadable": _("%(table)s cannot be read: %(cause)s"),
    "parquet.no_pictures": _("%(table)s holds no pictures; its columns are: %(columns)s."),
    "coco.other_annotations": _(
        "%(listing)s: %(annotations)s annotations are no captions and were passed over."
    ),
    "archive.compressed_tar": _(
        "%(archive)s: the archive is compressed; unpack it, or make a plain tar."
    ),
    "archive.cut_off": _("the archive is cut off; what came before is read."),
    "file.method_in_archive": _("it is packed in a way that is not supported."),
    "file.ratio_in_archive": _("it would unpack to more than %(times)s times its packed size."),
    "layout.plain": _("plain folder"),
    "layout.one_picture": _("one picture"),
    "layout.recognised": _(
        "Recognised are: Flickr8k (Flicker8k_Dataset/ with Flickr8k_text/Flickr8k.token.txt), "
        "Kaggle's Flickr8k (Images/ with captions.txt), COCO captions (annotations/"
        "captions_*.json) and Karpathy's splits, a folder with metadata.jsonl, .csv or .parquet, "
        "Parquet and Arrow, a table with columns for file and caption, captions beside pictures "
        "(1.txt for 1.jpg), a plain folder of pictures, and a zip or tar of any of these."
    ),
    "source.missing": _("%(path)s: there is no such file or folder. %(recognised)s"),
    "source.folder_unreadable": _("%(path)s: the folder cannot be read (%(cause)s)."),
    "source.no_pictures": _("%(path)s: no pictures were found. %(recognised)s"),
    "source.listed_not_there": _(
        "%(path)s: none of the %(pictures)s pictures that are listed is there; the first is "
        "%(first)s. %(recognised)s"
    ),
    "source.neither_listing_nor_picture": _(
        "%(name)s: this is neither a listing nor a picture. %(recognised)s"
    ),
    "source.several_tables": _(
        "several tables of captions are there: %(tables)s. Name the one you mean."
    ),
    "source.flickr8k_without_pictures": _(
        "%(listing)s is there, but the folder %(folder)s with the pictures is not, or it is empty."
    ),
    "file.missing": _("the file is missing."),
    "file.outside": _("the listing names a place outside its own folder."),
    "file.not_regular": _("this is not a regular file."),
    "file.link": _("this is a link, and links are not followed."),
    "file.link_to_folder": _("this is a link to a folder, and links are not followed."),
    "file.unreadable": _("the file cannot be read: %(cause)s."),
    "file.folder_unreadable": _("the folder cannot be read: %(cause)s."),
    "file.too_large": _("the file holds more than %(megabytes)s MB."),
    "file.damaged_in_archive": _("its bytes in the archive are damaged."),
    "archive.unreadable": _("%(archive)s: the archive cannot be read: %(cause)s."),
    "archive.too_many_entries": _(
        "%(archive)s: the archive holds %(entries)s entries; the limit is %(limit)s. Unpack it and "
        "import the folder."
    ),
    "archive.too_large": _(
        "%(archive)s: the archive unpacks to %(size)s GB; the limit is %(limit)s GB. Unpack it and "
        "import the folder."
    ),
    "archive.overlapping": _(
        "%(archive)s: the archive is damaged: %(entry)s lies over another entry."
    ),
    "archive.over_contents": _(
        "%(archive)s: the archive is damaged: its last entry lies over the table of contents."
    ),
    "archive.outside": _("%(archive)s: the archive names a place outside itself: %(entry)s."),
    "archive.encrypted": _(
        "%(archive)s: the archive is protected by a password; make it again without one."
    ),
    "archive.link": _("%(archive)s: the archive holds %(entry)s, which is a link or a device."),
    "archive.twice": _("%(archive)s: the archive holds %(entry)s twice."),
    "listing.malformed": _("%(listing)s, line %(line)s: %(problem)s"),
    "listing.not_json": _("this is not JSON."),
    "listing.not_json_because": _("this is not JSON: %(cause)s."),
    "listing.json_unreadable": _("%(listing)s: this is not JSON that can be read."),
    "listing.not_an_object": _('expected an object such as {"file_name": "1.jpg", "text": ""}.'),
    "listing.no_file_name": _('"file_name" is missing; it says which picture is meant.'),
    "listing.not_text": _('"%(key)s" must be text or a list of texts.'),
    "listing.not_a_token": _(
        "expected a file name, #, a number, a tab and a caption, such as "
        '"1000268201.jpg#0<tab>A child on the stairs .".'
    ),
    "listing.no_columns": _(
        "the first line must name the columns, one of them for the file (file_name) and one for "
        "the caption (caption)."
    ),
    "listing.other_columns": _(
        "%(columns)s columns, but the first line names %(named)s; a caption with a comma in it "
        "must stand in double quotes."
    ),
    "listing.no_picture_name": _("the name of the picture is missing."),
    "coco.not_an_object": _('%(listing)s: expected an object with "images" and "annotations".'),
    "coco.no_list": _('%(listing)s: the list "%(key)s" is missing; COCO captions have one.'),
    "coco.image": _('it must have an "id" and a "file_name".'),
    "coco.caption": _('it must have a "caption".'),
    "coco.image_id": _('it has an "image_id" that no entry of "images" has.'),
}
