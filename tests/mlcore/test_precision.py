"""What this machine encodes with reaches the bar on real pictures."""

from pathlib import Path

from mlcore.config import RuntimeOptions
from mlcore.encoders import load_encoder
from tools.precision import dev_pictures, fidelity, truth


def test_the_starter_keeps_its_vectors_on_photographs(flickr8k_dir: Path) -> None:
    with dev_pictures(32) as data:
        found = fidelity(
            load_encoder("starter", options=RuntimeOptions(library="openvino")),
            truth("starter"),
            data,
        )
    assert found.runtime.startswith("OpenVINO")
    assert found.reaches_the_bar, found
