#!/usr/bin/env python3
"""Writes the figures of `maser sim --json` into the table of docs/accuracy.md.

    maser sim config/scenarios/*.toml --seeds 1..3 --json figures.json
    docs/accuracy.py figures.json docs/accuracy.md

Which scenarios have a row, and what the best of the others reaches, is taken from the table.
"""

import json
import sys

NONE = "–"


def scientific(value):
    return f"{value:.2e}"


def tenths(value):
    return f"{value:.1f}".removesuffix(".0")


# Head of a column, key of its figure (none: kept as it is), and how that is written.
COLUMNS = [
    ("scenario", None, None),
    ("RMS", "rms_s", scientific),
    ("best other", None, None),
    ("p99", "p99_s", scientific),
    ("max", "max_s", scientific),
    ("lock", "seconds_to_lock", tenths),
    ("/ Kalman", "rms_vs_kalman", "{:.2f}".format),
    ("coverage", "coverage", "{:.9g}".format),
    ("tightness", "tightness", "{:.1f}".format),
    ("without path", "tightness_without_path", "{:.1f}".format),
    ("requests a day", "requests_per_day", "{:.0f}".format),
    ("event", "event_max_s", scientific),
    ("back", "recovery_s", tenths),
]


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def row(old, figures):
    """The row of one scenario; `old` has its cells by the heads of their columns."""
    new = []
    for head, key, write in COLUMNS:
        if key is None:
            new.append(old[head])
        else:
            value = figures[key]
            new.append(NONE if value is None else write(value))
    return "| " + " | ".join(new) + " |"


def main(figures_path, page_path):
    with open(figures_path, encoding="utf-8") as file:
        scenarios = {one["name"]: one for one in json.load(file)["scenarios"]}
    with open(page_path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    begin = next(place for place, line in enumerate(lines) if line.startswith("| scenario |"))
    end = next(place for place in range(begin, len(lines)) if not lines[place].startswith("|"))
    heads = cells(lines[begin])
    table = ["| " + " | ".join(head for head, *_ in COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for line in lines[begin + 2 : end]:
        old = dict(zip(heads, cells(line), strict=True))
        name = old["scenario"].strip("`")
        if name not in scenarios:
            sys.exit(f"{figures_path} has no scenario {name}, which {page_path} has a row for")
        table.append(row(old, scenarios[name]))
    with open(page_path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines[:begin] + table + lines[end:]) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
