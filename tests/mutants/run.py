"""Mutation tests: which changes of the code does no test see?

    python tests/mutants/run.py                    all, or what an earlier run has left
    python tests/mutants/run.py --seconds 600      a piece of any length; the next one continues
    python tests/mutants/run.py --each 8           at most so many seconds for each mutant, not 30
    python tests/mutants/run.py --only src/format  mutants of these files
    python tests/mutants/run.py --again            those that were missed once more, after tests were added
    python tests/mutants/run.py --alone            those that need a build of their own
    python tests/mutants/run.py --report           the table of tests/mutants.md, from what is known
    python tests/mutants/run.py --keep             writes done.tsv and missed.tsv from what is known

The mutants are those of `cargo mutants --list` (.cargo/mutants.toml names the files), all woven into one
build (weave.py). Each test runs once to record which mutants it reaches. A mutant is tried against
the tests that reach it, the likeliest first, until one fails, for at most 30 s in all (--each). A mutant is
  caught      if a test fails or the process dies,
  timeout     if a test takes much longer than without it,
  unviable    if it does not compile,
  missed      if all its tests pass, or none reaches it,
  equivalent  if it is missed, and equivalent.tsv says why no test can tell it from the code,
  alone       if it stands in a constant, so that it needs a build of its own (--alone).
What is known is kept in target/mutants and holds as long as the code of its file is the same. Of files
whose mutants were all tried, done.tsv keeps the digest and how many had each outcome, and missed.tsv what was
missed, so that a run on another machine goes on from there.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import hashlib
import itertools
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

import alone
import copying
import weave

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "mutants"
WORK = ROOT / "target" / "mutants"
TREE = WORK / "tree"
FEATURES = ["--features", "fsst sets zstd"]
CARGO = os.environ.get("GRAVEN_MUTANTS_CARGO", "").split()
# Tests whose failures say nothing of a mutant (they compare sources, or need other programs), or
# that take too long.
LIBRARY = """alloc api bad batches borders budget collisions corrupt crafted determinism displays enemies
    error_names errors fork golden live longest_prefix merge model packed packed_merge pieces
    processes publish publish_guards real_data salvage sets sigbus space warm""".split()
PROGRAM = "cli stores".split()
# These run with other instruction sets, too.
FORMS, BY_FORM = ["portable", "sse2"], ["graven:test:model", "graven:test:api"]
# This one sees much and takes long: the others have what it leaves of a mutant's time, then it comes.
THOROUGH = {"graven:test:crafted": {"GRAVEN_TEST_SCALE": "0.1"}}
# The most valuable first.
ORDER = """src/read/pages.rs src/format src/sigbus/registry.rs src/publish src/file src/read/open.rs
    src/read/get src/read/search.rs src/read/among.rs src/read/guess.rs src/read/locate.rs
    src/read/ordered.rs src/read/index src/read/map/proven.rs src/read/view.rs src/manifest
    cli/src/formats src/codec src/read""".split()
# What done.tsv counts, and why a mutant is not tried that an earlier run has decided.
KEPT = "caught timeout unviable alone".split()
EARLIER = "an earlier run"
MUTANT_SECONDS = 30
TEST_SECONDS = 15
WALL_SECONDS = 90

ENVIRONMENT = {
    "CARGO_TARGET_DIR": str(WORK / "build"),
    "CARGO_INCREMENTAL": "1",
    "CARGO_PROFILE_TEST_DEBUG": "false",
    "CARGO_PROFILE_TEST_OPT_LEVEL": "1",
    "CARGO_PROFILE_DEV_DEBUG": "false",
    # Of the library alone: the switch asks whether a constant is evaluated.
    "RUSTC_BOOTSTRAP": "graven",
    "RUSTFLAGS": "--cap-lints=allow",
    "GRAVEN_TEST_SCALE": os.environ.get("GRAVEN_TEST_SCALE", "0.02"),
    "PROPTEST_CASES": os.environ.get("PROPTEST_CASES", "16"),
    "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "1",
}


def output(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


class Known:
    """What earlier runs found, one line each; the last one holds."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.rows = {}
        if path.exists():
            for line in path.read_text().splitlines():
                name, *row = line.split("\t")
                self.rows[name] = row

    def add(self, name, *row):
        with self.lock:
            self.rows[name] = [str(field) for field in row]
            with self.path.open("a") as file:
                file.write("\t".join([name, *self.rows[name]]) + "\n")


def code_of(path):
    """What mutants are made of: a file without its tests, since another test makes no other mutant."""
    return re.split(rb"(?m)^#\[cfg\(test\)\]\nmod tests(?: \{|;\s*\Z)", path.read_bytes())[0].rstrip()


def listed():
    """What cargo-mutants lists, which takes it a while."""
    sources = sorted(file for place in ("src", "cli/src") for file in (ROOT / place).rglob("*.rs"))
    config = ROOT / ".cargo" / "mutants.toml"
    same = digest(b"".join(file.read_bytes() for file in [config, *sources]))
    kept = WORK / f"list-{same}.json"
    if not kept.exists():
        kept.write_text(output("cargo", "mutants", "--list", "--json", "--workspace", cwd=ROOT))
    return json.loads(kept.read_text())


class Ledger:
    """What the repository keeps of earlier runs: done.tsv and missed.tsv."""

    def __init__(self):
        self.done = self.rows(HERE / "done.tsv")
        self.missed = self.rows(HERE / "missed.tsv")

    @staticmethod
    def rows(path):
        lines = path.read_text().splitlines() if path.exists() else []
        return dict(line.split("\t", 1) for line in lines if not line.startswith("#"))

    def teach(self, sources, known):
        """Adds to `known` what is kept of files that are the same."""
        for file, mutants in sources.by_file.items():
            digest = sources.digests[file]
            if self.done.get(file, "").split("\t")[0] != digest:
                continue
            for mutant in mutants:
                why = self.missed.get(mutant.name)
                row = ["missed", why] if why else ["caught", EARLIER]
                known.rows.setdefault(mutant.name, [digest, *row])

    def learn(self, sources, known):
        """Keeps the files whose mutants are all decided."""
        for file, mutants in sources.by_file.items():
            tried = [mutant for mutant in mutants if sources.is_tried(mutant)]
            rows = [known.rows.get(mutant.name) for mutant in tried]
            if any(not row or row[0] != sources.digests[file] for row in rows):
                continue
            counts = self.counts(sources, known, file)
            self.done[file] = "\t".join([sources.digests[file], *(str(counts[of]) for of in KEPT)])
            for mutant in mutants:
                self.missed.pop(mutant.name, None)
                outcome, why = sources.outcome(mutant, known)
                if outcome == "missed":
                    self.missed[mutant.name] = why
        head = "file<TAB>digest of its code when all its mutants had been tried<TAB>"
        self.put("done.tsv", head + "<TAB>".join(KEPT), self.done)
        self.put("missed.tsv", "mutant that no test sees, or is in equivalent.tsv<TAB>tests that ran", self.missed)

    def counts(self, sources, known, file):
        """How many mutants of a file had each outcome. Those of an earlier run have no names but for what was
        missed, and what has been caught since."""
        mutants = sources.by_file[file]
        outcomes = {mutant: sources.outcome(mutant, known) for mutant in mutants}
        counts = collections.Counter(outcome for outcome, _ in outcomes.values())
        if not any(why == EARLIER for _, why in outcomes.values()):
            return counts
        kept = collections.Counter(dict(zip(KEPT, map(int, self.done[file].split("\t")[1:]))))
        alone = [outcomes[mutant] for mutant in mutants if sources.is_alone(mutant)]
        if kept["alone"] and all(why != EARLIER for _, why in alone):
            # They have been tried since, one and all.
            decided = collections.Counter(outcome for outcome, _ in alone)
            kept["timeout"] += decided["timeout"]
            kept["unviable"] += kept["alone"] - sum(decided[of] for of in ("caught", "timeout", "missed"))
            kept["alone"] = 0
        kept["missed"] = counts["missed"]
        kept["caught"] = len(mutants) - sum(kept[of] for of in kept if of != "caught")
        return kept

    @staticmethod
    def put(name, head, rows):
        lines = ["# " + head, *("\t".join(row) for row in sorted(rows.items()))]
        (HERE / name).write_text("\n".join(lines) + "\n")


class Sources:
    """The tree with all mutants."""

    def __init__(self, only=None):
        """`only`: beginnings of the files whose mutants are woven; a part compiles sooner."""
        self.only = tuple(only or [""])
        self.mutants = weave.name_all(listed())
        self.by_number = {mutant.number: mutant for mutant in self.mutants}
        self.by_file = collections.defaultdict(list)
        for mutant in self.mutants:
            self.by_file[mutant.file].append(mutant)
        self.digests = {file: digest(code_of(ROOT / file)) for file in self.by_file}
        # Mutants that do not compile where they are woven: name -> digest of the code, why.
        self.left_out = Known(WORK / "left_out.tsv")
        self.alone = []
        self.places = {}

    def why_left_out(self, mutant):
        row = self.left_out.rows.get(mutant.name)
        return row[1] if row and row[0] == self.digests[mutant.file] else None

    def is_tried(self, mutant):
        """Whether it is tried in this build."""
        return not self.why_left_out(mutant) and mutant not in self.alone

    def is_alone(self, mutant):
        """Whether it needs a build of its own."""
        return mutant in self.alone or self.why_left_out(mutant) == "alone"

    def outcome(self, mutant, known):
        """What is known of a mutant, and why."""
        row = known.rows.get(mutant.name)
        if row and row[0] == self.digests[mutant.file]:
            return row[1], row[2]
        if why := self.why_left_out(mutant):
            return why, ""
        return ("alone" if mutant in self.alone else "not run"), ""

    def woven(self, file):
        mutants = [mutant for mutant in self.by_file[file] if not self.why_left_out(mutant)]
        switch = "crate::mutant::on" if file.startswith("src/") else "::graven::mutant::on"
        weaver = weave.Weaver((ROOT / file).read_bytes(), mutants, switch)
        self.alone += weaver.alone
        for mutant, why in weaver.unviable:
            self.left_out.add(mutant.name, self.digests[mutant.file], "unviable", why)
        return weaver.woven()

    def write(self):
        """Brings the copy up to date; a file that is the same is not touched, so cargo keeps it."""
        self.alone, self.places = [], {}
        for file, path, data in copying.tracked(ROOT):
            if file in self.by_file and file.startswith(self.only):
                data = self.woven(file)
                self.places[file] = weave.places(data)
            if file == "src/lib.rs":
                head = b"#![feature(core_intrinsics, const_eval_select)]\n"
                data = head + data + b"\n#[doc(hidden)]\n#[allow(unsafe_code)]\npub mod mutant;\n"
                self.places[file] = []
            copying.put(TREE / file, data, path)
        switch = HERE / "switch.rs"
        copying.put(TREE / "src/mutant.rs", switch.read_bytes(), switch)

    def blame(self, message):
        """Leaves out the mutants that an error of the compiler is about; False if it is about none."""
        spans = sorted(message["spans"], key=lambda span: not span["is_primary"])
        for child in message["children"]:
            spans += child["spans"]
        for span in spans:
            while span.get("expansion"):
                span = span["expansion"]["span"]
            found = [
                place
                for place in self.places.get(span["file_name"], [])
                if place[0] <= span["byte_start"] and span["byte_end"] <= place[1]
            ]
            if found:
                _, _, numbers, single = min(found, key=lambda place: place[1] - place[0])
                for number in numbers:
                    mutant = self.by_number[number]
                    why = "unviable" if single else "alone"
                    code = (message.get("code") or {}).get("code", "")
                    self.left_out.add(mutant.name, self.digests[mutant.file], why, code)
                return True
        return False

    def compile(self, *command):
        """Compiles, leaving out mutants until there is no error. Gives cargo's messages."""
        while True:
            self.write()
            begin = time.monotonic()
            run = subprocess.run(
                ["cargo", *command, "--message-format=json", *FEATURES, *CARGO],
                cwd=TREE,
                env=os.environ | ENVIRONMENT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            messages = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
            print(f"cargo {' '.join(command[:3])}: {time.monotonic() - begin:.0f} s", flush=True)
            if run.returncode == 0:
                return messages
            errors = [
                message["message"]
                for message in messages
                if message["reason"] == "compiler-message" and message["message"]["level"] == "error"
            ]
            blamed = [self.blame(message) for message in errors]
            print(f"  {len(errors)} errors, {blamed.count(True)} of mutants", flush=True)
            if True not in blamed:
                for message in errors:
                    print(message["rendered"], file=sys.stderr)
                sys.exit(run.stderr[-4000:])


class Tests:
    """Test functions: the binary, the name, how long it takes, which mutants it reaches."""

    def __init__(self, messages, mutants):
        self.mutants = mutants
        self.known = Known(WORK / "reach.tsv")
        self.scratch = WORK / "scratch"
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        self.binaries = {}
        for message in messages:
            if message["reason"] == "compiler-artifact" and message["executable"] and message["profile"]["test"]:
                package = pathlib.Path(message["manifest_path"]).parent
                kind = message["target"]["kind"][0]
                name = f"{package.name if package != TREE else 'graven'}:{kind}:{message['target']['name']}"
                self.binaries[name] = (message["executable"], package, {})
        for name, form in itertools.product(BY_FORM, FORMS):
            if name in self.binaries:
                executable, package, _ = self.binaries[name]
                self.binaries[f"{name}:{form}"] = (executable, package, {"GRAVEN_SIMD": form})
        for name, environment in THOROUGH.items():
            if name in self.binaries:
                executable, package, _ = self.binaries[name]
                self.binaries[name] = (executable, package, environment)
        self.kills, self.runs = collections.Counter(), collections.Counter()
        self.recent = {}

    def run(self, binary, test, limit, **environment):
        """Runs one test: "passed", "failed" or "timeout", and seconds of CPU. `limit` counts these,
        since the machine may have other work; a test that sleeps for a minute is over, too."""
        place = self.scratch / f"{os.getpid()}-{threading.get_ident()}"
        place.mkdir(exist_ok=True)
        executable, package, form = self.binaries[binary]
        places = {"TMPDIR": str(place), "CARGO_MANIFEST_DIR": str(package)}
        process = subprocess.Popen(
            [executable, "--exact", test],
            cwd=package,
            env=os.environ | ENVIRONMENT | places | form | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 3))
        asleep = threading.Timer(WALL_SECONDS, self.kill, [process.pid])
        asleep.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        over = process.returncode == -signal.SIGXCPU or not asleep.is_alive()
        asleep.cancel()
        # Its children, too.
        self.kill(process.pid)
        shutil.rmtree(place, ignore_errors=True)
        outcome = "timeout" if over else "failed" if process.returncode else "passed"
        return outcome, usage.ru_utime + usage.ru_stime

    @staticmethod
    def kill(group):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)

    def record(self, jobs):
        """Which test reaches which mutants."""
        tests = []
        woven = digest("\n".join(mutant.name for mutant in self.mutants).encode())
        for binary, (executable, package, environment) in self.binaries.items():
            same = digest(pathlib.Path(executable).read_bytes()) + woven
            same += environment.get("GRAVEN_TEST_SCALE", "")
            lines = output(executable, "--list", "--format=terse", cwd=package).splitlines()
            names = [line.removesuffix(": test") for line in lines if line.endswith(": test")]
            tests += [(binary, name, same) for name in names]

        def one(item):
            binary, name, same = item
            key = f"{binary} {name}"
            row = self.known.rows.get(key)
            if row and row[0] == same:
                return
            file = self.scratch / f"reached-{threading.get_ident()}"
            file.write_bytes(bytes(max(m.number for m in self.mutants) + 1))
            outcome, seconds = self.run(binary, name, TEST_SECONDS, GRAVEN_MUTANTS_REACHED=str(file))
            reached = [str(n) for n, byte in enumerate(file.read_bytes()) if byte]
            self.known.add(key, same, outcome, f"{seconds:.3f}", ",".join(reached))

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, tests))
        self.seconds, self.reaching = {}, collections.defaultdict(list)
        for binary, name, _ in tests:
            _, outcome, seconds, reached = self.known.rows[f"{binary} {name}"]
            if outcome != "passed":
                print(f"left out, since it is {outcome} without a mutant: {binary} {name}")
                continue
            self.seconds[binary, name] = float(seconds)
            for number in filter(None, reached.split(",")):
                self.reaching[int(number)].append((binary, name))
        print(f"{len(self.seconds)} tests, {sum(self.seconds.values()):.0f} s one by one", flush=True)

    def order(self, mutant):
        function = (mutant.file, mutant.function.get("function_name"))

        def key(test):
            near = test in self.recent.get(function, ()), test in self.recent.get(mutant.file, ())
            likely = (self.kills[test] + 0.5) / (self.runs[test] + 1)
            return not near[0], not near[1], (self.seconds[test] + 0.01) / likely

        return sorted(self.reaching[mutant.number], key=key)

    def attempt(self, mutant, most):
        """Tries a mutant for `most` seconds: the outcome, and the test that decided it."""
        spent, count = 0.0, 0
        tests = self.order(mutant)
        thorough = [test for test in tests if test[0] in THOROUGH]
        last = sum(self.seconds[test] for test in thorough)
        left = max(most - last, most / 2)
        for test in [test for test in tests if test not in thorough] + thorough:
            if spent > left and test not in thorough:
                continue
            limit = 3 * self.seconds[test] + 4
            outcome, seconds = self.run(*test, limit, GRAVEN_MUTANT=str(mutant.number))
            spent += seconds
            count += 1
            self.runs[test] += 1
            if outcome != "passed":
                self.kills[test] += 1
                function = (mutant.file, mutant.function.get("function_name"))
                for near in (function, mutant.file):
                    self.recent[near] = [test, *self.recent.get(near, [])[:3]]
                return ("timeout" if outcome == "timeout" else "caught"), " ".join(test)
        if not tests:
            return "missed", "no test reaches it"
        return "missed", f"{count} of {len(tests)} tests"


def rank(mutant):
    for place, prefix in enumerate(ORDER):
        if mutant.file == prefix or mutant.file.startswith(prefix + "/") or mutant.file == prefix + ".rs":
            return place
    return len(ORDER)


def equivalents():
    """Name -> reason."""
    lines = (HERE / "equivalent.tsv").read_text().splitlines()
    return dict(line.split("\t", 1) for line in lines if line and not line.startswith("#"))


def report(sources, known, ledger):
    reasons = equivalents()
    counts = {}
    missed = []
    for file in sources.by_file:
        counts[file] = ledger.counts(sources, known, file)
    for mutant in sources.mutants:
        outcome, why = sources.outcome(mutant, known)
        if outcome == "missed" and mutant.name in reasons:
            counts[mutant.file].update(missed=-1, equivalent=1)
        elif outcome == "missed":
            missed.append(f"{mutant.where} {mutant.name.split(': ', 1)[1]} ({why})")
    columns = "caught timeout unviable equivalent missed alone".split() + ["not run"]
    print("| file | mutants | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * (len(columns) + 1))
    total = collections.Counter()
    for file, count in sorted(counts.items()):
        total += count
        cells = [str(count[column]) for column in columns]
        print(f"| `{file}` | {count.total()} | " + " | ".join(cells) + " |")
    print(f"| all | {total.total()} | " + " | ".join(str(total[c]) for c in columns) + " |")
    print("\n".join(["", *missed]))
    for name in reasons.keys() - {mutant.name for mutant in sources.mutants}:
        print(f"equivalent.tsv names no mutant: {name}")
    return len(missed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--each", type=float, default=MUTANT_SECONDS, help="seconds for each mutant")
    parser.add_argument("--only", action="append", help="files that begin with this")
    parser.add_argument("--again", action="store_true", help="missed ones once more")
    parser.add_argument("--alone", action="store_true", help="those that need a build of their own")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tests", help="of the library alone: lib, bad, model")
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    WORK.mkdir(parents=True, exist_ok=True)
    sources = Sources(options.only)
    known = Known(WORK / "outcomes.tsv")
    ledger = Ledger()
    ledger.teach(sources, known)
    if options.report or options.keep:
        sources.write()
        if options.keep:
            ledger.learn(sources, known)
        sys.exit(report(sources, known, ledger) > 0)
    if options.alone:
        sources.write()
        plain = alone.Plain(ROOT, WORK, ENVIRONMENT, FEATURES)
        for mutant in filter(sources.is_alone, sources.mutants):
            decided = sources.outcome(mutant, known)[0] != "alone" and known.rows[mutant.name][2] != EARLIER
            if time.monotonic() < end and mutant.file.startswith(sources.only) and not decided:
                known.add(mutant.name, sources.digests[mutant.file], *plain.attempt(mutant))
        ledger.learn(sources, known)
        sys.exit(report(sources, known, ledger) > 0)
    sources.compile("check", "-p", "graven", "--lib")
    if options.tests:
        # Of the library alone.
        chosen = [f"--test={name}" for name in options.tests.split(",") if name != "lib"]
        messages = sources.compile("test", "--no-run", "-p", "graven", "--lib", *chosen)
    else:
        sources.compile("check", "-p", "graven", "-p", "graven-cli", "--bin", "graven")
        chosen = [f"--test={name}" for name in LIBRARY + PROGRAM]
        messages = sources.compile("test", "--no-run", "--lib", "--bin=graven", *chosen)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 31, 1 << 31))
    resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))
    tests = Tests(messages, sources.mutants)
    tests.record(options.jobs)
    reasons = equivalents()
    todo = []
    for mutant in sorted(sources.mutants, key=lambda mutant: (rank(mutant), mutant.file)):
        row = known.rows.get(mutant.name)
        done = row and row[0] == sources.digests[mutant.file]
        if not sources.is_tried(mutant) or not mutant.file.startswith(sources.only):
            continue
        if not done or (options.again and row[1] == "missed" and mutant.name not in reasons):
            todo.append(mutant)
    print(f"{len(todo)} of {len(sources.mutants)} mutants to try", flush=True)

    def one(mutant):
        if time.monotonic() < end:
            known.add(mutant.name, sources.digests[mutant.file], *tests.attempt(mutant, options.each))

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, todo))
    if not options.tests:
        ledger.learn(sources, known)
    sys.exit(report(sources, known, ledger) > 0)


if __name__ == "__main__":
    main()
