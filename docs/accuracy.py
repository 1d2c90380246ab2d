#!/usr/bin/env python3
"""Writes the figures of `maser sim --json` into the tables of docs/accuracy.md.

    maser sim config/scenarios/*.toml --seeds 1..5 --json figures.json
    docs/accuracy.py figures.json docs/accuracy.md

Which scenarios have a row, which figures a column each, and what the best of the others reaches, is
taken from the tables.
"""

import json
import sys

NONE = "–"


def scientific(value):
    return f"{value:.2e}"


def tenths(value):
    return f"{value:.1f}".removesuffix(".0")


# Heads of columns that are figures: the key of each, and how it is written. Others are kept as they are.
FIGURES = {
    "RMS": ("rms_s", scientific),
    "p99": ("p99_s", scientific),
    "max": ("max_s", scientific),
    "lock": ("seconds_to_lock", tenths),
    "/ Kalman": ("rms_vs_kalman", "{:.2f}".format),
    "/ plain": ("rms_vs_plain", "{:.2f}".format),
    "coverage": ("coverage", "{:.9g}".format),
    "tightness": ("tightness", "{:.1f}".format),
    "without path": ("tightness_without_path", "{:.1f}".format),
    "RFC 5905": ("tightness_rfc5905", "{:.0f}".format),
    "requests a day": ("requests_per_day", "{:.0f}".format),
    "event": ("event_max_s", scientific),
    "back": ("recovery_s", tenths),
}
# What the first column of a table with figures is called.
NAMED = ("scenario", "world")


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def cell(head, old, figures):
    if head not in FIGURES:
        return old
    key, write = FIGURES[head]
    value = figures[key]
    return NONE if value is None else write(value)


def main(figures_path, page_path):
    with open(figures_path, encoding="utf-8") as file:
        scenarios = {one["name"]: one for one in json.load(file)["scenarios"]}
    with open(page_path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    heads = None
    for place, line in enumerate(lines):
        if not line.startswith("|"):
            heads = None
        elif heads is None and cells(line)[0] in NAMED:
            heads = cells(line)
        elif heads is not None and not line.startswith("|---"):
            row = cells(line)
            name = row[0].strip("`")
            if name not in scenarios:
                sys.exit(f"{figures_path} has no scenario {name}, which {page_path} has a row for")
            row = (cell(head, old, scenarios[name]) for head, old in zip(heads, row, strict=True))
            lines[place] = "| " + " | ".join(row) + " |"
    with open(page_path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
