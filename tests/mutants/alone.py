"""Mutants that need a build of their own: those in constants, and those whose function has an opaque type."""

import itertools
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess

import copying

# Tests of each package: few, since they are linked anew for each mutant. The later ones are for what the first
# ones leave.
TESTS = {
    "graven": [["--lib"], "--test=golden --test=api --test=packed --test=pieces --test=warm".split()],
    "graven-cli": [["--bin=graven"], ["--test=cli"]],
}
TEST_SECONDS = 120


class Plain:
    """A copy of the sources in which one mutant after the other stands."""

    def __init__(self, root, work, environment, features):
        self.root, self.tree = root, work / "plain"
        self.environment = os.environ | environment | {"CARGO_TARGET_DIR": str(work / "alone")}
        self.features = features
        self.scratch = work / "scratch-alone"
        # Package -> names of tests that fail without a mutant here.
        self.skipped = {}
        for file, path, data in copying.tracked(root):
            copying.put(self.tree / file, data, path)

    def put(self, file, data):
        copying.put(self.tree / file, data, self.root / file)

    def attempt(self, mutant):
        """The outcome, and the test that decided it."""
        package = "graven" if mutant.file.startswith("src/") else "graven-cli"
        if package not in self.skipped:
            self.skipped[package] = []
            outcome, why = self.outcome(package, self.skipped[package])
            if outcome == "unviable":
                raise SystemExit(f"{package} does not compile without a mutant: {why}")
            print(f"left out, since it fails without a mutant: {self.skipped[package]}", flush=True)
        source = (self.root / mutant.file).read_bytes()
        self.put(mutant.file, mutant.applied(source))
        try:
            return self.outcome(package)
        finally:
            self.put(mutant.file, source)

    def outcome(self, package, failed=None):
        """What a package's tests say. With `failed`, names of tests that fail are added there."""
        count = 0
        for tests in TESTS[package]:
            why, executables = self.build(package, tests)
            if why:
                return "unviable", why
            for name, executable, place in executables:
                count += 1
                outcome, names = self.run(executable, place, self.skipped[package])
                if failed is not None:
                    failed += names
                elif outcome != "passed":
                    return outcome, f"{package}:{name} {' '.join(names[:1])}".rstrip()
        return "missed", f"{count} of {count} tests"

    def build(self, package, tests):
        """Why a package's tests do not compile, or what is to be run, and where."""
        command = ["cargo", "test", "--no-run", "-p", package, *tests, "--message-format=json"]
        features = self.features if package == "graven" else []
        built = subprocess.run(
            [*command, *features], cwd=self.tree, env=self.environment, capture_output=True, text=True
        )
        messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
        if built.returncode:
            errors = [m["message"] for m in messages if m["reason"] == "compiler-message"]
            codes = [e["code"]["code"] for e in errors if e["level"] == "error" and e["code"]]
            if not codes:
                # The linker's, after a build that was stopped: without target/mutants/alone it goes.
                raise SystemExit(built.stderr[-4000:])
            return codes[0], []
        return None, [
            (message["target"]["name"], message["executable"], pathlib.Path(message["manifest_path"]).parent)
            for message in messages
            if message["reason"] == "compiler-artifact" and message["executable"] and message["profile"]["test"]
        ]

    def run(self, executable, package, skipped):
        """The outcome, and names of tests that failed."""
        self.scratch.mkdir(exist_ok=True)
        places = {"TMPDIR": str(self.scratch), "CARGO_MANIFEST_DIR": str(package)}
        limits = lambda: resource.setrlimit(resource.RLIMIT_CPU, (TEST_SECONDS, TEST_SECONDS + 2))
        try:
            ran = subprocess.run(
                [executable, *itertools.chain.from_iterable(("--skip", name) for name in skipped)],
                cwd=package,
                env=self.environment | places,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=5 * TEST_SECONDS,
                preexec_fn=limits,
            )
        except subprocess.TimeoutExpired:
            return "timeout", []
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)
        names = re.findall(r"(?m)^test (\S+)(?: - should panic)? \.\.\. FAILED", ran.stdout.decode(errors="replace"))
        return ("caught" if ran.returncode else "passed"), names
