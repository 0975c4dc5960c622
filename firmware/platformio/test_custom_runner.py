# SPDX-License-Identifier: Apache-2.0
"""Reads for `pio test` what ``test_model/test_model.c`` says over the serial port."""

import re

import click
from platformio.test.result import TestCase, TestStatus
from platformio.test.runners.base import TestRunnerBase

_RESULT = re.compile(r"test (\w+) (PASSED|FAILED): (.*)")


class CustomTestRunner(TestRunnerBase):
    """One case for each model; an emulated board is ended afterwards."""

    def on_testing_line_output(self, line):
        click.echo(line, nl=False)
        if self.test_suite.is_finished():
            return
        if match := _RESULT.match(line):
            name, status, message = match.groups()
            case = TestCase(name, TestStatus.from_string(status), message=message, stdout=line)
            self.test_suite.add_case(case)
        elif line.startswith("tests done") and self.test_suite.cases:
            self.test_suite.on_finish()

    def teardown(self):
        if str(self.get_test_port()).startswith("socket:"):
            self.run_project_targets(["stop"])
