"""PostgreSQL killed and restarted in the middle of spends: nothing lost, nothing doubled. The storm
at length is `make chaos`."""

from tests.chaos.proof import assert_nothing_lost_nothing_doubled
from tests.chaos.storm import storm_over
from tests.cluster import server_binaries, throwaway_cluster


def test_spends_survive_a_database_that_is_killed() -> None:
    version = next(version for version in (18, 17, 16, 15) if server_binaries(version))
    with throwaway_cluster(version) as cluster, storm_over(cluster, seed=4) as storm:
        users = storm.prepare(users=2)
        for number in range(3):
            storm.start_spender(number, users)
        storm.rage(strikes=4, calm=0.5)
        told = storm.answers()
        answers = [answer for spender in told for answer in spender["answers"]]
        assert sum(spender["broken"] for spender in told) > 0, "The storm hit nobody."
        assert_nothing_lost_nothing_doubled(storm.url, answers)
        storm.check()
