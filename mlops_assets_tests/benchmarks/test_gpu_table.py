"""benchmarks/gpu.py: what it prints with a GPU and without one."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("benchmark_gpu", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_a_machine_without_a_gpu_has_no_ratio(gpu):
    """A ratio of a machine with itself would be read as a GPU's."""
    table = gpu.table([gpu.Measured("trees", "cpu", 10.0, 0.75, 0.5)])
    assert table.splitlines()[-1] == "| trees | 10.00 | – | – | 0.750 | 0.500 |"


def test_the_ratio_is_of_seconds(gpu):
    found = [
        gpu.Measured("trees", "cpu", 10.0, 0.75, 0.5),
        gpu.Measured("network", "cpu", 3.0, 0.76, 0.5),
        gpu.Measured("trees", "cuda", 2.0, 0.751, 0.499),
    ]
    *_, trees, network = gpu.table(found).splitlines()
    assert trees == "| trees | 10.00 | 2.00 | 5.0 × | 0.750 / 0.751 | 0.500 / 0.499 |"
    assert network.startswith("| network | 3.00 | – | – |")


def test_its_parameters_are_the_pipelines(gpu):
    """Figures of other trees than those that serve would be figures of nothing."""
    from mlops_assets.pipelines.flight_delays import pipeline

    told = dict(pipeline.training.hyperparameters)
    assert told.pop("num_boost_round") == gpu.ROUNDS
    del told["nthread"]
    assert told == gpu.PARAMETERS
