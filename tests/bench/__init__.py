"""`make bench`: hot paths as ratios beside a floor, measured in turn within one run.
Absolute times of a shared machine mean little; ratios of neighbours do."""
