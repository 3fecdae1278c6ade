"""What the fields of a picture may hold."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Visibility(models.TextChoices):
    """Who sees a picture, besides its owner and those who see every picture."""

    PUBLIC = "public", _("Public")
    SIGNED_IN = "signed-in", _("Signed in")
    GROUPS = "groups", _("Groups")
    PRIVATE = "private", _("Private")


class Split(models.TextChoices):
    """Which part of a data set a picture belongs to; a picture is in one part only."""

    NONE = "", _("None")
    TRAIN = "train", _("Train")
    VALIDATION = "validation", _("Validation")
    TEST = "test", _("Test")


class Colour(models.TextChoices):
    """The colour that stands out of a picture; named as in ``mlcore.imaging.colours``."""

    RED = "red", _("Red")
    ORANGE = "orange", _("Orange")
    YELLOW = "yellow", _("Yellow")
    GREEN = "green", _("Green")
    TEAL = "teal", _("Teal")
    BLUE = "blue", _("Blue")
    PURPLE = "purple", _("Purple")
    PINK = "pink", _("Pink")
    BROWN = "brown", _("Brown")
    WHITE = "white", _("White")
    GREY = "grey", _("Grey")
    BLACK = "black", _("Black")


class TakenFrom(models.TextChoices):
    """Who says when a picture was taken; named as in ``mlcore.metadata.photo``."""

    NOBODY = "", _("Not said")
    CAMERA = "camera", _("The camera")
    DIGITIZED = "digitized", _("When it was digitized")
    XMP = "xmp", _("XMP in its file")
    IPTC = "iptc", _("IPTC in its file")
    TEXT = "text", _("Text in its file")
    NAME = "name", _("The file's name")
    LISTING = "listing", _("The data set")


class Orientation(models.TextChoices):
    """Which way a picture lies; within a twentieth of a square it is one."""

    LANDSCAPE = "landscape", _("Landscape")
    PORTRAIT = "portrait", _("Portrait")
    SQUARE = "square", _("Square")
