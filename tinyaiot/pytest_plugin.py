"""A pytest plugin: the same test files on emulated boards and on the boards of a bench.

    pytest --board mps2-an386
    pytest --board nucleo_l4r5zi --port /dev/ttyACM0
    pytest --hardware-map bench.yaml -n 5

Every pytest of an environment loads this module, so what it needs is imported when a board is
asked for. docs/hil.md has the fixtures, the markers and the results.
"""

from __future__ import annotations

import contextlib
import fnmatch
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tinyaiot.hardware_map import Station
    from tinyaiot.hil import BoardUnderTest, DeployedModel

MARKERS = (
    'needs_ram(size): skip boards whose largest RAM has fewer bytes; 65536 or "64K"',
    'core(pattern, ...): skip boards of other cores; "cortex-m4", "rv32*"',
    "real_board: skip emulated boards",
    "emulated_board: skip real boards",
    "needs_fixture(name): skip boards whose hardware map does not name it in `fixtures`",
)
_SIZE = re.compile(r"(\d+)([KM]?)")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20}
_STATION = "tinyaiot_station"

_stations = pytest.StashKey[tuple["Station", ...]]()
_turns = pytest.StashKey[dict[str, int]]()
_board = pytest.StashKey["BoardUnderTest"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tinyaiot", "boards for tests of models (tinyaiot)")
    group.addoption(
        "--board",
        action="append",
        default=[],
        metavar="ID",
        help="run on this board of `tinyaiot boards`; with --hardware-map, on this one of it",
    )
    group.addoption("--port", metavar="PORT", help="serial port of the one --board")
    group.addoption("--hardware-map", type=Path, metavar="FILE", help="the boards on a bench, YAML")
    group.addoption(
        "--board-timeout",
        type=float,
        default=60.0,
        metavar="S",
        help="how long to wait for a board that another process holds; default: 60 s",
    )
    group.addoption(
        "--no-flash",
        action="store_true",
        help="the boards run the images already; others are refused",
    )
    group.addoption(
        "--hil-json", type=Path, metavar="FILE", help="write outcomes and measurements as JSON"
    )
    parser.addini("tinyaiot_model", "the model of the fixture `deployed_model`", type="paths")


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[_turns] = {}
    config.stash[_stations] = stations = _stations_of(config)
    if not stations:
        return
    if not hasattr(config, "workerinput"):
        from tinyaiot.hil_results import Results

        results = Results(stations, config.getoption("hil_json"))
        config.pluginmanager.register(results, "tinyaiot-results")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """In place of what `-n` means by default, any test anywhere: a board stays with one worker."""
    stations = config.stash[_stations]
    if not stations or config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class BoardScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return _station_in(nodeid, stations) or nodeid

    return BoardScheduling(config, log)


def _station_in(nodeid: str, stations: Sequence[Station]) -> str | None:
    """The station's id among the parameters in a test's id, where it may stand with others."""
    parameters = f"-{nodeid.partition('[')[2].removesuffix(']')}-"
    found = [station.id for station in stations if f"-{station.id}-" in parameters]
    return max(found, key=len, default=None)


def _stations_of(config: pytest.Config) -> tuple[Station, ...]:
    """The boards that the command line names; none by default."""
    boards, port, path = (config.getoption(name) for name in ("board", "port", "hardware_map"))
    if not boards and port is None and path is None:
        return ()
    from tinyaiot.errors import TinyaiotError
    from tinyaiot.hardware_map import select_stations

    try:
        return select_stations(boards, port, path)
    except TinyaiotError as error:
        raise pytest.UsageError("\n".join([error.what, *error.details, error.hint])) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test of a board runs once on each platform, on whichever of its stations has turn."""
    stations = metafunc.config.stash[_stations]
    if _STATION not in metafunc.fixturenames or not stations:
        return
    turns = metafunc.config.stash[_turns]
    parameters = []
    for platform in dict.fromkeys(station.platform for station in stations):
        same = [station for station in stations if station.platform == platform]
        station = same[turns.get(platform, 0) % len(same)]
        turns[platform] = turns.get(platform, 0) + 1
        parameters.append(pytest.param(station, id=station.id))
    metafunc.parametrize(_STATION, parameters, indirect=True, scope="session")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        station = _station_of(item)
        if station is not None:
            item.user_properties += [("board", station.platform), ("station", station.id)]
            if station.serial is not None:
                item.user_properties.append(("port", station.serial))
            for reason in _lacks(item, station):
                item.add_marker(pytest.mark.skip(reason=reason))


def _station_of(item: pytest.Item) -> Station | None:
    callspec = getattr(item, "callspec", None)
    station: Station | None = None if callspec is None else callspec.params.get(_STATION)
    return station


def _lacks(item: pytest.Item, station: Station) -> Iterator[str]:
    """What the test's markers ask for and the board does not have."""
    board = station.board
    for mark in item.iter_markers("needs_ram"):
        largest = max(ram.size_bytes for ram in board.ram)
        if largest < (wanted := _size_bytes(mark)):
            yield f"{board.id} has {largest:,} bytes of RAM, {wanted:,} are needed"
    for mark in item.iter_markers("core"):
        if not any(fnmatch.fnmatchcase(board.core, pattern) for pattern in mark.args):
            yield f"{board.id} has a {board.core}, not {' or '.join(mark.args)}"
    for mark in item.iter_markers("needs_fixture"):
        if missing := [name for name in mark.args if name not in station.fixtures]:
            yield f"{station.id} has no {', '.join(missing)}"
    if item.get_closest_marker("real_board") and station.is_emulated:
        yield f"{station.id} is emulated"
    if item.get_closest_marker("emulated_board") and not station.is_emulated:
        yield f"{station.id} is a real board"


def _size_bytes(mark: pytest.Mark) -> int:
    match = _SIZE.fullmatch(str(mark.args[0])) if len(mark.args) == 1 else None
    if match is None:
        raise pytest.UsageError(f"needs_ram takes bytes or a text such as '64K', not {mark.args}")
    return int(match[1]) * _UNITS[match[2]]


@pytest.fixture(scope="session")
def tinyaiot_station(request: pytest.FixtureRequest) -> Station:
    """The entry of the hardware map that the test runs on."""
    if not hasattr(request, "param"):
        pytest.skip("no board is named: use --board or --hardware-map")
    station: Station = request.param
    return station


@pytest.fixture(scope="session")
def board(tinyaiot_station: Station, pytestconfig: pytest.Config) -> Iterator[BoardUnderTest]:
    """The board, held until the session leaves it."""
    from tinyaiot.hil import BoardUnderTest

    with contextlib.ExitStack() as stack:
        with _failing_plainly():
            board = stack.enter_context(
                BoardUnderTest(
                    tinyaiot_station,
                    pytestconfig.getoption("board_timeout"),
                    flash=not pytestconfig.getoption("no_flash"),
                )
            )
        pytestconfig.stash[_board] = board
        yield board
        del pytestconfig.stash[_board]


@pytest.fixture(scope="session")
def deploy(
    board: BoardUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., DeployedModel]:
    """``deploy(path)``: a model on the board, built once a session for the same arguments.

    Options: ``objective``, "balanced", "speed", "ram" or "least"; ``feed``, "ram" or "rows";
    ``keep_input``. A model that does not fit the board skips the test with that reason, or fails
    it if ``must_fit``.
    """
    from tinyaiot.errors import DoesNotFitError
    from tinyaiot.pipeline import PlanOptions
    from tinyaiot.planner import Objective

    built: dict[Any, DeployedModel | DoesNotFitError] = {}

    def deploy_once(
        path: str | Path,
        *,
        objective: str = "balanced",
        feed: str = "ram",
        keep_input: bool = False,
        must_fit: bool = False,
    ) -> DeployedModel:
        model = Path(path).resolve()
        options = PlanOptions(Objective(objective), keep_input, feed == "rows")
        if (model, options) not in built:
            work = tmp_path_factory.mktemp(f"{model.stem}-{board.id}")
            try:
                with _failing_plainly(DoesNotFitError):
                    built[model, options] = board.deploy(model, work, options)
            except DoesNotFitError as error:
                built[model, options] = error
        result = built[model, options]
        if not isinstance(result, DoesNotFitError):
            return result
        reason = f"{model.name} does not fit {board.board.id}: {result.what}"
        if must_fit:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)

    return deploy_once


@pytest.fixture(scope="session")
def model_path(pytestconfig: pytest.Config) -> Path:
    """The model of ``deployed_model``: the ini option `tinyaiot_model`, unless overridden."""
    paths = pytestconfig.getini("tinyaiot_model")
    if len(paths) != 1:
        pytest.skip("no model is named: set tinyaiot_model, or override the fixture model_path")
    return Path(paths[0])


@pytest.fixture(scope="session")
def deployed_model(deploy: Callable[..., DeployedModel], model_path: Path) -> DeployedModel:
    """The model ``model_path`` on the board."""
    return deploy(model_path)


@contextlib.contextmanager
def _failing_plainly(*but: type[Exception]) -> Iterator[None]:
    """A failure that the user can act on, as the message it has, without our call stack."""
    from tinyaiot.errors import TinyaiotError

    try:
        yield
    except TinyaiotError as error:
        if isinstance(error, but):
            raise
        pytest.fail("\n".join([error.what, *error.details, f"hint: {error.hint}"]), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attaches the board, and what was measured on it, to the report; it travels with xdist."""
    station = _station_of(item)
    if station is None:
        return (yield)
    from tinyaiot.hil_results import take_measurements

    measurements = take_measurements(item, item.config.stash.get(_board, None))
    report = yield
    vars(report)["tinyaiot"] = {"station": station.id, "measurements": measurements}
    return report
