"""The attacks. Each gives the number of tries; what is wrong goes to the judge."""

import concurrent.futures
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from ground import HERE, Ground, chance


def kills(ground, judge, tries, seed):
    """kill -9 of the parent, a worker, or all, at random moments, one to three times; then a run that must recover."""
    random = chance(seed)
    for number in range(tries):
        ground.clear()
        for _ in range(random.choice([1, 1, 2, 3])):
            who = random.choice(["parent", "worker", "both", "group"])
            process = ground.start()
            time.sleep(random.uniform(0.0, 1.4))
            _kill(process, who)
            process.communicate()
            # At once, while what is left of it may still be about.
        judge.recovered(ground, f"kill {number} of {who}")
    return tries


def _workers(parent):
    # One thread of the parent starts them all, and the system lists children by thread.
    found = []
    for children in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            found += [int(number) for number in children.read_text().split()]
        except OSError:
            pass
    return found


def _kill(process, who):
    targets = []
    if who in ("worker", "both"):
        targets += _workers(process.pid)
    if who in ("parent", "both"):
        targets.append(process.pid)
    try:
        if who == "group":
            os.killpg(process.pid, signal.SIGKILL)
        for target in targets:
            os.kill(target, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if who == "worker":
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def interrupts(ground, judge, tries, seed):
    """SIGINT, SIGTERM or SIGHUP, to the parent or to all, once or twice: then the same run, which must go on and recover."""
    random = chance(seed)
    long = ("-p", "epochs=40")
    ground.clear()
    code, said = ground.run(*long)
    if code != 0:
        judge.fault("interrupts", f"an undisturbed run ended with {code}: {said[-200:]}")
        return 0
    right = ground.content()
    for number in range(tries):
        ground.clear()
        process = ground.start(*long)
        time.sleep(random.uniform(0.0, 2.5))
        which = random.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
        for _ in range(random.choice([1, 2])):
            try:
                (os.killpg if random.random() < 0.5 else os.kill)(process.pid, which)
            except ProcessLookupError:
                break
            time.sleep(0.05)
        attack = f"{signal.Signals(which).name} {number}"
        try:
            said, _ = process.communicate(timeout=60)
            judge.words(attack, said)
        except subprocess.TimeoutExpired:
            judge.fault(attack, "did not end within a minute")
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        judge.recovered(ground, attack, long, right)
    return tries


def corruptions(ground, judge, tries, seed):
    """Damage to any file of the results folder: found, said, and made again; nothing wrong is served."""
    random = chance(seed)
    with tempfile.TemporaryDirectory() as folder:
        ground.clear()
        ground.run()
        kept = pathlib.Path(folder) / "results"
        shutil.copytree(ground.results, kept)
        for number in range(tries):
            ground.copy_of(kept)
            files = sorted(path for path in ground.results.rglob("*") if path.is_file())
            path = random.choice(files)
            what = _damage(path, random)
            attack = f"{what} of {path.relative_to(ground.results).parts[-3:]}"
            code, said = ground.run()
            judge.words(attack, said)
            if code not in (0,):
                judge.fault(attack, f"ended with {code}: {said.strip()[-200:]}")
                continue
            judge.recovered(ground, attack)
    return tries


def _damage(path, random):
    data = bytearray(path.read_bytes())
    what = random.choice(["a bit", "a digit", "a cut", "an end", "zeros", "nothing left", "a removal"])
    digits = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
    if what == "a removal" or not data:
        path.unlink()
        return "a removal"
    if what == "a digit" and digits:
        place = random.choice(digits)
        data[place] = 48 + (data[place] - 48 + random.randint(1, 9)) % 10
    elif what == "a cut":
        del data[random.randrange(len(data)):]
    elif what == "an end":
        data += b"\0garbage"
    elif what == "zeros":
        data[:] = bytes(len(data))
    elif what == "nothing left":
        data.clear()
    else:
        what = "a bit"
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(bytes(data))
    return what


def _until_trained(ground, process):
    """Waits until the training has begun."""
    while process.poll() is None:
        for journal in ground.results.glob("*/runs.jsonl"):
            try:
                lines = journal.read_text().splitlines()
            except OSError:
                continue
            if any('"stage_started"' in line and '"train_actions"' in line for line in lines):
                return
        time.sleep(0.01)


def checkpoints(ground, judge, tries, seed):
    """Damage to the checkpoint of an interrupted training: never believed, never in the way."""
    random = chance(seed)
    with tempfile.TemporaryDirectory() as folder:
        kept = pathlib.Path(folder) / "results"
        long = ("-p", "epochs=600")
        ground.clear()
        code, said = ground.run(*long)
        if code != 0:
            judge.fault("checkpoints", f"an undisturbed run ended with {code}: {said[-200:]}")
            return 0
        right = ground.content()
        for wait in (0.8, 1.2, 0.5, 1.6, 2.4, 0.3):
            ground.clear()
            process = ground.start(*long)
            _until_trained(ground, process)
            time.sleep(wait)
            process.send_signal(signal.SIGINT)
            process.communicate()
            if any(path.is_file() for path in (ground.results / "checkpoints").rglob("*")):
                break
        else:
            judge.fault("checkpoints", "no interruption left a checkpoint")
            return 0
        shutil.copytree(ground.results, kept)
        for number in range(tries):
            ground.copy_of(kept)
            files = sorted(path for path in (ground.results / "checkpoints").rglob("*") if path.is_file())
            attack = f"{_damage(random.choice(files), random)} of a checkpoint ({number})"
            code, said = ground.run(*long)
            judge.words(attack, said)
            if code != 0:
                judge.fault(attack, f"ended with {code}: {said.strip()[-200:]}")
            elif ground.content() != right:
                judge.fault(attack, "the network is another one, in silence")
    return tries


def crowds(ground, judge, batches, seed):
    """Eight runs at once, of the same pipeline or with parameters of their own; every result of every run is in the history, once."""
    alone = {}
    for seed in range(1, 9):
        ground.clear()
        ground.run("-p", f"seed={seed}")
        alone[seed] = ground.history_rows() or 0
    for number in range(batches):
        ground.clear()
        seeds = [1] * 8 if number % 2 else range(1, 9)
        runs = [ground.start("-p", f"seed={seed}") for seed in seeds]
        for process in runs:
            try:
                said, _ = process.communicate(timeout=240)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                said, _ = process.communicate()
            if process.returncode != 0:
                judge.fault(f"crowd {number}", f"a run ended with {process.returncode}: {said.strip()[-300:]}")
            judge.words(f"crowd {number}", said)
        # Runs of one seed report the same rows.
        expected = sum(alone[seed] for seed in set(seeds))
        for when in ("", "after one more run "):
            if when:
                judge.recovered(ground, f"crowd {number}")
            if (rows := ground.history_rows()) != expected:
                judge.fault(f"crowd {number}", f"{when}the history has {rows} rows, not {expected}")
        made = len(list((ground.results / "cache").rglob("errors.parquet")))
        if made != len(set(seeds)):
            judge.fault(f"crowd {number}", f"{made} comparisons for {len(set(seeds))} seeds")
    return batches * 8


def gc_during_runs(ground, judge, tries, _seed):
    """`gc --remove` over and over while a run is going on: it never takes what the run has made or needs."""
    for number in range(tries):
        ground.clear()
        process = ground.start()
        while process.poll() is None:
            command = [str(ground.program), "gc", "--remove", "--checkpoints"]
            subprocess.run(command, cwd=ground.folder, capture_output=True, timeout=120)
        said, _ = process.communicate()
        if process.returncode != 0:
            judge.fault(f"gc {number}", f"the run ended with {process.returncode}: {said.strip()[-300:]}")
        judge.recovered(ground, f"gc {number}")
    return tries


def orphans(ground, judge, tries, _seed):
    """A worker is stopped, its parent killed, the next run begun, and only then the worker goes on."""
    for number in range(tries):
        ground.clear()
        process = ground.start()
        workers = []
        while process.poll() is None and not workers:
            workers = _workers(process.pid)
        time.sleep(0.02 * (number % 10))
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        process.kill()
        process.wait()
        again = ground.start()
        time.sleep(0.2 * (number % 5))
        for worker in workers:
            try:
                os.kill(worker, signal.SIGCONT)
            except ProcessLookupError:
                pass
        said, _ = again.communicate(timeout=120)
        process.communicate()
        if again.returncode != 0:
            judge.fault(f"orphan {number}", f"the next run ended with {again.returncode}: {said.strip()[-300:]}")
        judge.recovered(ground, f"orphan {number}")
    return tries


def calls(ground, judge, share, seed):
    """Every call that changes a file fails (disk full, input/output error) or kills: one run each, for `share` of them. Those of the
    parent and those of its workers side by side, each on a ground of its own: one run leaves a processor idle."""
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor() as pool:
        shim = pathlib.Path(folder) / "shim.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", "-o", shim, HERE / "shim.c", "-ldl"], check=True)
        grounds = {"parent": ground, "worker": Ground(ground.program, ground.folder.with_name("beside"))}
        jobs = [pool.submit(_calls_of, who, own, judge, share, shim, chance(f"{seed} {who}")) for who, own in grounds.items()]
        return sum(job.result() for job in jobs)


def _calls_of(who, ground, judge, share, shim, random):
    tries = 0
    count = shim.with_name(f"count of {who}")
    base = {"LD_PRELOAD": str(shim), "ATTACK_BELOW": str(ground.results.resolve()), "ATTACK_WHO": who}
    ground.clear()
    ground.run(environment={**base, "ATTACK_COUNT": str(count)})
    total = int(count.read_text())
    print(f"  {total} calls of the {who}", flush=True)
    for at in range(1, total + 1):
        for act in ("full", "broken", "kill"):
            if random.random() > share[act]:
                continue
            tries += 1
            ground.clear()
            later = {"ATTACK_ON": "1"} if act == "full" and random.random() < 0.5 else {}
            attack = f"{act} at call {at} of the {who}"
            code, said = ground.run(environment={**base, **later, "ATTACK_AT": str(at), "ATTACK_DO": act})
            judge.words(attack, said)
            if code is None or code not in (0, 4, -signal.SIGKILL):
                judge.fault(attack, f"ended with {code}: {said.strip()[-200:]}")
            if code == 4 and act == "full" and who == "parent" and "space" not in said and "full" not in said:
                judge.fault(attack, f"does not say that the disk is full: {said.strip()[-200:]}")
            judge.recovered(ground, attack)
    return tries
