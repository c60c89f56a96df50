"""PostgreSQL killed and restarted in the middle of spends: nothing lost, nothing doubled. `make
chaos` does it at length."""

from tests.chaos.experiment import experiment_on
from tests.chaos.proof import assert_nothing_lost_nothing_doubled
from tests.cluster import server_binaries


def test_spends_survive_a_database_that_is_killed() -> None:
    version = next(version for version in (18, 17, 16, 15) if server_binaries(version))
    with experiment_on(version, seed=4) as experiment:
        users = experiment.prepare(users=2)
        for number in range(3):
            experiment.start_spender(number, users)
        experiment.inject_faults(count=4, pause=0.5)
        results = experiment.answers()
        answers = [answer for spender in results for answer in spender["answers"]]
        assert sum(spender["broken"] for spender in results) > 0, "No fault hit a spender."
        assert_nothing_lost_nothing_doubled(experiment.url, answers)
        experiment.check()
