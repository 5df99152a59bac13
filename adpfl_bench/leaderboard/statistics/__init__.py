"""Statistics of how sure a comparison is: tests, intervals and rankings as pure functions of case scores.

Patients, not cases and not cases times seeds, are what is independent; seeds are a second source of chance. So

* `pairwise_tests` averages over seeds and over a patient's cases before it tests, and corrects for all pairs;
* `MeanBootstrap` resamples patients and seeds both;
* `rank_methods` ranks the methods for each patient, and says how the order changes with other patients.
"""
