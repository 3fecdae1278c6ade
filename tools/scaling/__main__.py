"""``python -m tools.scaling``: the tables of docs/scaling.md, and its plots."""

from tools.scaling.simulate import main

main()
