"""The commands `run`, `soak` and `mutations`: `python -m tests.faults run --only F7 --seed 3`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from tests.faults.matrix import chosen
from tests.faults.results import keep, keep_matrix
from tests.faults.runner import KEPT, Result, play


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    arguments = _parser().parse_args(words)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the final check embeds everything, beside all other processes
    code: int = arguments.command(arguments)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="play the scenarios, judge each, and write docs/reliability.md")
    run.add_argument("--only", default="", help="some of them: F7,F10")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--no-results", action="store_true", help="leave results and document as they are")
    run.set_defaults(command=_run)
    soak = commands.add_parser("soak", help="let faults strike at random on one stage, and check everything")
    soak.add_argument("--minutes", type=float, default=60)
    soak.add_argument("--seed", type=int, default=1)
    soak.add_argument("--no-results", action="store_true")
    soak.set_defaults(command=_soak)
    mutations = commands.add_parser("mutations", help="switch each guard off, and see which check turns red")
    mutations.add_argument("--seed", type=int, default=1)
    mutations.add_argument("--no-results", action="store_true")
    mutations.set_defaults(command=_mutations)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    try:
        scenarios = chosen(arguments.only)
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    results = []
    for scenario in scenarios:
        print(f"{scenario.name:5} {scenario.title} ...", end=" ", flush=True)
        results.append(play(scenario, seed=arguments.seed))
        print(_line(results[-1]), flush=True)
    if not arguments.no_results:
        keep_matrix(results, seed=arguments.seed, whole=not arguments.only)
    bad = [result for result in results if result.violations]
    print(f"{len(results) - len(bad)} of {len(results)} scenarios without a violation")
    return 1 if bad else 0


def _soak(arguments: argparse.Namespace) -> int:
    from tests.faults.soak import soak

    found = soak(minutes=arguments.minutes, seed=arguments.seed, say=lambda line: print(line, flush=True))
    for violation in found.violations:
        print(f"{violation.invariant}: {violation.message}")
    if not arguments.no_results:
        command = f"make soak MINUTES={arguments.minutes:g} SEED={arguments.seed}"
        keep("soak", {"command": command, **asdict(found)})
    return 1 if found.violations else 0


def _mutations(arguments: argparse.Namespace) -> int:
    from tests.faults.mutations import mutations

    guards = []
    for mutation in mutations(seed=arguments.seed):
        guards.append(mutation)
        print(f"{mutation.guard}\n      {mutation.check}: {mutation.red or 'NOTHING TURNED RED'}", flush=True)
    if not arguments.no_results:
        keep("mutations", {"command": "make mutations", "guards": [each.to_dict() for each in guards]})
    return 0 if all(each.red for each in guards) else 1


def _line(result: Result) -> str:
    if result.skipped:
        return f"skipped: {result.skipped}"
    recovered = "" if result.recovered_s is None else f", recovered in {result.recovered_s:.1f} s"
    if result.passed:
        return f"ok ({result.seconds:.0f} s{recovered})"
    found = "\n".join(f"      {each.invariant}: {each.message}" for each in result.violations)
    return f"FAILED ({result.seconds:.0f} s), kept in {KEPT.name}/{result.name}\n{found}"


if __name__ == "__main__":
    sys.exit(main())
