#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Black-box tests of a built server.

    python3 tests/api/run.py --server build/release/stampede [--load build/release/stampede-load] [-k PATTERN] [--full] [-v]

One line a test; last line `N passed, M failed` (and `, K skipped`); exit status 1 if any failed. Test classes run
side by side, so that waiting (deadlines, time-outs) costs little.
"""
import argparse
import faulthandler
import importlib
import sys
import threading
import time
import traceback
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import coverage  # noqa: E402
import harness  # noqa: E402

# Classes at once. Most of their time is waiting; more would only disturb the timing tests on a small machine.
WORKERS = 5
# A run that takes this long hangs: say where, and end.
HANG_SECONDS = 400


class Board:
    """Counts and prints; shared by all workers."""

    def __init__(self, verbose):
        self.verbose = verbose
        self.lock = threading.Lock()
        self.passed = self.failed = self.skipped = 0

    def line(self, outcome, test, seconds, detail=""):
        name = test if isinstance(test, str) else test.id().removeprefix("test_")
        with self.lock:
            if outcome == "ok":
                self.passed += 1
            elif outcome == "skip":
                self.skipped += 1
            else:
                self.failed += 1
            suffix = f": {detail}" if outcome == "skip" else ""
            print(f"{outcome:4} {name} ({seconds:.2f} s){suffix}")
            if outcome == "FAIL":
                text = detail.strip()
                if not self.verbose:
                    text = "\n".join(text.splitlines()[-4:])
                print("     " + text.replace("\n", "\n     "))
            sys.stdout.flush()


class Result(unittest.TestResult):
    def __init__(self, board):
        super().__init__()
        self.board = board

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()
        self.verdict, self.detail = "ok", ""

    def stopTest(self, test):
        super().stopTest(test)
        self.board.line(self.verdict, test, time.monotonic() - self.started, self.detail)

    def _fail(self, test, error):
        detail = "".join(traceback.format_exception(*error))
        if isinstance(test, unittest.TestCase) or hasattr(test, "test_case"):
            self.verdict, self.detail = "FAIL", (self.detail + "\n" + detail).strip()
        else:  # setUpClass: no test was started
            self.board.line("FAIL", str(test), 0.0, detail)

    def addError(self, test, err):
        self._fail(test, err)

    def addFailure(self, test, err):
        self._fail(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.verdict = "FAIL"
            text = "".join(traceback.format_exception(*err)).strip().splitlines()
            parameters = ", ".join(f"{k}={v!r}" for k, v in subtest.params.items())
            self.detail += f"\n[{parameters}] {text[-1]}"

    def addSkip(self, test, reason):
        if isinstance(test, unittest.TestCase):
            self.verdict, self.detail = "skip", reason
        else:
            self.board.line("skip", str(test), 0.0, reason)


def collect(pattern, is_full):
    """One suite a test class; classes that say so (`slow = True`) first, to end together with the rest."""
    loader = unittest.TestLoader()
    classes = []
    for path in sorted(Path(__file__).resolve().parent.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for value in vars(module).values():
            is_test = isinstance(value, type) and issubclass(value, unittest.TestCase)
            is_wanted = is_full or not getattr(value, "only_full", False)
            if is_test and is_wanted and value.__module__ == module.__name__:
                classes.append(value)
    classes.sort(key=lambda cls: not getattr(cls, "slow", False))
    suites = []
    for cls in classes:
        tests = [cls(name) for name in loader.getTestCaseNames(cls)]
        tests = [test for test in tests if pattern is None or pattern in test.id()]
        if tests:
            suites.append(unittest.TestSuite(tests))
    return suites


# Codes that no test here can provoke, and why.
NOT_PROVOKED_HERE = {
    "internal_error": "would be a bug",
    "outcome_unknown": "needs a failing disk: tests/unit and tests/sim provoke it",
}


def check_codes(board, contract):
    """Every code of the OpenAPI document must have come from the server in this run."""
    missing = sorted(set(contract.codes()) - contract.codes_seen - set(NOT_PROVOKED_HERE))
    detail = f"not provoked by any test: {', '.join(missing)}"
    board.line("FAIL" if missing else "ok", "every documented error code was provoked", 0.0, detail)


def check_coverage(board, contract):
    for name, count, missing in coverage.check(contract):
        found = f"{count - len(missing)} of {count} {name}: provoked, or excused by name"
        board.line("FAIL" if missing or count == 0 else "ok", found, 0.0, "not: " + ", ".join(sorted(missing)))


def main():
    parser = argparse.ArgumentParser(description="Black-box tests of a built Stampede server")
    parser.add_argument("--server", required=True, help="path of the stampede binary")
    parser.add_argument("--load", help="path of the stampede-load binary")
    parser.add_argument("-k", metavar="PATTERN", help="only tests whose name contains this")
    parser.add_argument("--full", action="store_true", help="also those that take long (`only_full = True`)")
    parser.add_argument("-v", action="store_true", help="whole tracebacks")
    options = parser.parse_args()
    if not Path(options.server).is_file():
        print(f"there is no server at {options.server}: build it first", file=sys.stderr)
        return 2
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    harness.configure(options.server, options.load)
    board = Board(options.v)
    contract = None
    try:
        contract = harness.load_contract()
    except Exception as error:
        board.line("FAIL", "a server starts and serves /openapi.json", 0.0, repr(error))
    started = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        for future in [pool.submit(suite.run, Result(board)) for suite in collect(options.k, options.full)]:
            future.result()
    if options.k is None and contract is not None:
        check_codes(board, contract)
        check_coverage(board, contract)
    skipped = f", {board.skipped} skipped" if board.skipped else ""
    print(f"took {time.monotonic() - started:.1f} s")
    print(f"{board.passed} passed, {board.failed} failed{skipped}")
    return 1 if board.failed else 0


if __name__ == "__main__":
    sys.exit(main())
