"""The product's web server with a STUB for a model that takes so long to load: how it behaves
meanwhile is what is looked at. Given to gunicorn as ``--config python:tests.flows.slow_web``."""

import os
import time
from typing import Any

import contextvision_site.gunicorn as real

LOADING, PATIENCE = "TEST_SECONDS_OF_LOADING", "TEST_SECONDS_OF_PATIENCE"


# All of its settings, as if they stood here.
globals().update({name: value for name, value in vars(real).items() if not name.startswith("_")})


def post_worker_init(worker: Any) -> None:
    import mlcore.encoders.cache
    from tests.encoders import ColourEncoder

    def load_encoder(reference: str, **options: Any) -> ColourEncoder:
        time.sleep(float(os.environ[LOADING]))
        return ColourEncoder()

    setattr(mlcore.encoders.cache, "load_encoder", load_encoder)  # noqa: B010
    real.WARM_UP_PATIENCE = float(os.environ.get(PATIENCE, real.WARM_UP_PATIENCE))
    real.post_worker_init(worker)
