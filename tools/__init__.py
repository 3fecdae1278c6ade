"""What the developers of the project run by hand, each as ``python -m tools.NAME``.

* ``fanout``: what a second embedding worker adds, with real workers (docs/scaling.md).
* ``lighthouse``: Lighthouse's marks for the pages of a running site (docs/benchmarks.md).
* ``precision``: what a runtime or a precision costs in the vectors (docs/models.md).
* ``same_pictures``: how often a changed copy of a picture is known again (docs/evaluation.md).
* ``scaling``: embedding by hundreds of workers, simulated (docs/scaling.md).
* ``screenshots``: the pictures of the documentation, from a running site.
* ``vit_memory``: what fine-tuning a CLIP ViT-B/32 takes (docs/training.md).
"""
