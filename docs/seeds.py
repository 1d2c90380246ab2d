#!/usr/bin/env python3
"""Runs scenarios with many seeds, one by one, and tells how far the worst seed is from the median.

    docs/seeds.py target/release/maser 60 docs/seeds.md config/scenarios/{a1,a2}.toml

A mean over seeds hides a run that went wrong, so this keeps each seed's figure apart. The table of the
page is written anew, its text is kept. Where a seed is beyond twice its row's median it is named and the
exit code is 1, unless the row is one that `--allow` names.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HEAD = ["scenario", "median RMS", "worst RMS", "worst / median", "its seed", "least coverage"]
# Where what an event does is the figure, rather than the RMS of a whole day.
BY_EVENT = {"e1": "recovery_s", "e1-step": "recovery_s", "e1-raw": "recovery_s",
            "e1-raw-step": "recovery_s", "g-1e-10": "event_max_s", "g-1e-11": "event_max_s",
            "route-change": "event_max_s", "route-change-both": "event_max_s"}
# Times the median of its row that a seed may be.
RATIO_MAX = 2


def run(maser, seed, files):
    """The figures of each scenario with one seed, by name."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [maser, "sim", *files, "--seeds", f"{seed}..{seed}", "--json", out.name]
        # An expectation is of several seeds' mean: the exit code of one says nothing here.
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        return {one["name"]: one for one in json.load(out)["scenarios"]}


def figures(name, runs):
    """Which figure a scenario is judged by, and its value with each seed."""
    key = BY_EVENT.get(name, "rms_s")
    return key, [run[name][key] for run in runs]


def beyond(name, runs):
    """The seeds of a scenario that went wrong, a line each."""
    key, values = figures(name, runs)
    median = statistics.median(values)
    return [f"{name}, seed {seed}: {key} {value:.3g}, of a median of {median:.3g}"
            for seed, value in enumerate(values, 1) if value > RATIO_MAX * median]


def row(name, runs):
    """The row of one scenario over all its seeds."""
    key, values = figures(name, runs)
    median, worst = statistics.median(values), max(values)
    unit = {"rms_s": "", "event_max_s": " (largest from the event on)", "recovery_s": " s back"}[key]
    write = "{:.0f}" if key == "recovery_s" else "{:.2e}"
    ratio = f"{worst / median:.2f}" if median else "–"
    covered = min(run[name]["coverage"] for run in runs)
    seed = values.index(worst) + 1
    return [f"`{name}`", write.format(median) + unit, write.format(worst), ratio, str(seed),
            f"{covered:.9g}"]


def main(maser, seeds, page, files, allow):
    runs = []
    for seed in range(1, seeds + 1):
        runs.append(run(maser, seed, files))
        print(f"seed {seed} of {seeds}", file=sys.stderr)
    table = [HEAD, ["---"] * len(HEAD), *(row(name, runs) for name in runs[0])]
    lines = ["| " + " | ".join(cells) + " |" for cells in table]
    path = Path(page)
    text = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    before = [line for line in text[: next_table(text)]]
    after = [line for line in text[next_table(text):] if not line.startswith("|")]
    path.write_text("\n".join([*before, *lines, *after]) + "\n", encoding="utf-8")
    wrong = [line for name in runs[0] if name not in allow for line in beyond(name, runs)]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def next_table(text):
    """The place of the first line of a table, or the end."""
    return next((place for place, line in enumerate(text) if line.startswith("|")), len(text))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maser", help="the program")
    parser.add_argument("seeds", type=int, help="how many, from 1")
    parser.add_argument("page", help="whose table is written anew")
    parser.add_argument("files", nargs="+", help="scenarios")
    parser.add_argument("--allow", action="append", default=[], metavar="NAME",
                        help="a scenario whose seeds may differ by more")
    sys.exit(main(**vars(parser.parse_args())))
