"""Writes and checks the families' vectors: python make.py [FAMILY...]."""

import argparse
import importlib
import pathlib

import vectors

# Each has FAMILIES: {family: function that gives its vectors.Vector, or a list of them}.
GROUPS = ["diffusers_families", "transformers_families", "gated_families", "vision_families",
          "repository_families", "retro_families"]
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "families"


def main():
    makers = {}
    for group in GROUPS:
        makers |= importlib.import_module(group).FAMILIES
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(sorted(makers)))
    chosen = parser.parse_args().families or sorted(makers)
    unknown = sorted(set(chosen) - set(makers))
    if unknown:
        parser.error(f"no such family: {', '.join(unknown)}; there are {', '.join(sorted(makers))}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for family in chosen:
        vectors.seed(family)
        made = makers[family]()
        for vector in made if isinstance(made, list) else [made]:
            print(vectors.write(vector, FOLDER))


if __name__ == "__main__":
    main()
