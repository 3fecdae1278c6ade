"""The photographs of the demo: those that scikit-image brings along, described in words.

scikit-image's documentation of its ``data`` module says where each comes from and on which terms.
"""

import importlib.util
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from mlcore.errors import DatasetError

COLLECTION = "Demo photographs"
SAMPLE_QUERY = "a cup of coffee on a table"


@dataclass(frozen=True, slots=True)
class DemoPhoto:
    file: str
    """Name in scikit-image's folder ``data``."""
    title: str
    captions: tuple[str, ...]


PHOTOS = (
    DemoPhoto(
        "astronaut.png",
        "Astronaut",
        (
            "A smiling woman in an orange space suit sits with a helmet in front of her.",
            "An astronaut poses before a flag and a model of a space shuttle.",
        ),
    ),
    DemoPhoto(
        "brick.png",
        "Bricks",
        (
            "Long grey bricks with light mortar between them.",
            "Rows of bricks run away from the viewer.",
        ),
    ),
    DemoPhoto(
        "camera.png",
        "Man with a camera",
        (
            "A man in a black coat looks through a camera on a tripod.",
            "A man is filming on a lawn with tall buildings far behind him.",
        ),
    ),
    DemoPhoto(
        "cell.png",
        "Cell",
        (
            "A bright round cell on a dark grey ground, seen through a microscope.",
            "A single glowing disc in a microscope picture.",
        ),
    ),
    DemoPhoto(
        "chelsea.png",
        "Tabby cat",
        (
            "A tabby cat with green eyes and long white whiskers.",
            "The face of a brown striped cat that looks to the side.",
        ),
    ),
    DemoPhoto(
        "clock_motion.png",
        "Clock in motion",
        (
            "A round clock blurred by motion until it cannot be read.",
            "A bright blurred oval on a grey wall.",
        ),
    ),
    DemoPhoto(
        "coffee.png",
        "Espresso",
        (
            "A red cup of coffee on a saucer with a spoon, on a wooden table.",
            "An espresso in a red and white cup.",
        ),
    ),
    DemoPhoto(
        "coins.png",
        "Coins",
        (
            "Four rows of old silver coins on a dark ground.",
            "Many ancient coins with heads on them, laid out side by side.",
        ),
    ),
    DemoPhoto(
        "grass.png",
        "Grass",
        (
            "Blades of grass and clover leaves seen from above, in black and white.",
            "A lawn from close by.",
        ),
    ),
    DemoPhoto(
        "gravel.png",
        "Gravel",
        (
            "A ground covered with small broken stones, in black and white.",
            "Grey gravel from close by.",
        ),
    ),
    DemoPhoto(
        "horse.png",
        "Horse",
        (
            "The black outline of a horse that stands and looks to the right.",
            "A black horse on a white ground.",
        ),
    ),
    DemoPhoto(
        "hubble_deep_field.jpg",
        "Galaxies",
        (
            "Hundreds of distant galaxies in a black sky.",
            "Stars and galaxies seen through a space telescope.",
        ),
    ),
    DemoPhoto(
        "ihc.png",
        "Stained tissue",
        (
            "A slice of tissue stained brown and blue, seen through a microscope.",
            "Brown glands and blue cells in a medical picture.",
        ),
    ),
    DemoPhoto(
        "moon.png",
        "Moon",
        (
            "The grey surface of the moon with craters and dark spots.",
            "Craters on the moon from above.",
        ),
    ),
    DemoPhoto(
        "motorcycle_left.png",
        "Motorcycle, seen by the left camera",
        (
            "A red motorcycle stands in a garage in front of shelves full of boxes.",
            "A parked motorbike with a wooden bench behind it.",
        ),
    ),
    DemoPhoto(
        "motorcycle_right.png",
        "Motorcycle, seen by the right camera",
        (
            "A red motorbike on its stand in a workshop.",
            "A motorcycle parked on a concrete floor beside a metal shelf.",
        ),
    ),
    DemoPhoto(
        "page.png",
        "Printed page",
        (
            "A printed page with a headline, a paragraph of text and a line of code.",
            "A photograph of a page of a book about pictures.",
        ),
    ),
    DemoPhoto(
        "retina.jpg",
        "Retina",
        (
            "The back of an eye with red blood vessels that branch out.",
            "A round orange medical picture of a retina.",
        ),
    ),
    DemoPhoto(
        "rocket.jpg",
        "Rocket",
        (
            "A white rocket stands on its launch pad at dusk between steel towers.",
            "Bright lights shine around a rocket under a dark blue sky.",
        ),
    ),
    DemoPhoto(
        "text.png",
        "Handwritten formula",
        (
            "A mathematical formula written by hand on ruled paper.",
            "Handwriting seen at a slant, in black and white.",
        ),
    ),
)


def lay_out(folder: Path) -> Path:
    """Put the photographs with a listing of their captions into a folder that can be imported.

    Raises:
        DatasetError: scikit-image is not installed.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise DatasetError("demo.no_photographs")
    source = Path(package.origin).parent / "data"
    names = {photo: photo.title + Path(photo.file).suffix for photo in PHOTOS}
    rows = [
        json.dumps({"file_name": name, "captions": photo.captions}) for photo, name in names.items()
    ]
    listing = "\n".join(rows) + "\n"
    listing_file = folder / "metadata.jsonl"
    # Written last, so where it is whole the photographs are there too.
    if not listing_file.exists() or listing_file.read_text(encoding="utf-8") != listing:
        folder.mkdir(parents=True, exist_ok=True)
        for photo, name in names.items():
            shutil.copy2(source / photo.file, folder / name)
        listing_file.write_text(listing, encoding="utf-8")
    return folder
