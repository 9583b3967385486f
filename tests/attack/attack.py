"""Attacks the program on a folder of its own: kills, signals, damage, full disks, many runs at once. No test: `make attack`.

    python3 tests/attack/attack.py [PROGRAM] [--only NAME …] [--share 0.3] [--seed 1]

Nothing wrong, nothing lost, no litter: after every attack the next run must end well, every output must be the same to the byte
as an undisturbed run's, no file may be left over, and the run after must find nothing to do. Ends with 1 where something is wrong.
`--share` makes fewer tries. At full share it takes less than 20 minutes on two idle cores.
"""

import argparse
import pathlib
import sys
import tempfile
import time

import attacks
from ground import HERE, Ground, Judge

# Name, what is done, how many tries at full share.
ATTACKS = {
    "kills": (attacks.kills, 200),
    "interrupts": (attacks.interrupts, 24),
    "corruptions": (attacks.corruptions, 200),
    "checkpoints": (attacks.checkpoints, 40),
    "orphans": (attacks.orphans, 20),
    "gc": (attacks.gc_during_runs, 12),
    "crowds": (attacks.crowds, 6),
}
# Full disks at every call; the other two at some.
CALLS = {"full": 1.0, "broken": 0.3, "kill": 0.3}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", default=HERE.parent.parent / "target" / "debug" / "actionfinder")
    parser.add_argument("--only", nargs="*", choices=[*ATTACKS, "calls"])
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chosen = options.only or [*ATTACKS, "calls"]
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        ground = Ground(options.program, pathlib.Path(folder) / "ground")
        judge = Judge(ground)
        begin, lines = time.monotonic(), []
        for name in chosen:
            print(name, flush=True)
            start, before = time.monotonic(), len(judge.faults)
            if name == "calls":
                tries = attacks.calls(ground, judge, {act: much * options.share for act, much in CALLS.items()}, options.seed)
            else:
                attack, tries = ATTACKS[name]
                tries = attack(ground, judge, max(1, round(tries * options.share)), options.seed)
            wrong = len({attack for attack, _ in judge.faults[before:]})
            lines.append(f"{name:<12} {tries:>5} tries {wrong:>5} wrong {time.monotonic() - start:>7.0f} s")
            print(f"  {lines[-1]}", flush=True)
        print("\n" + "\n".join(lines))
        print(f"{len(judge.faults)} faults, {time.monotonic() - begin:.0f} s")
        sys.exit(1 if judge.faults else 0)


if __name__ == "__main__":
    main()
