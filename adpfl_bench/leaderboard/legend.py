"""Legend of the tables: how to read them, a sentence or two for each column and statistic."""

from adpfl_bench.leaderboard.comparisons import SIGNIFICANCE
from adpfl_bench.leaderboard.who_benefits import LOCAL_REFERENCE

LEGEND = (
    "Dice, IoU and NSD are percentages, averaged over test cases and seeds. They are scores of the last round's model;"
    " no round is picked.",
    "Scored: whose scores they are. The global model: each test case is scored once. Each client's own model: once, by"
    " the model that its own client would use. The clients' own models on everyone's cases: by each of them, and a case"
    " counts with the mean over the models.",
    "Patients are what the ids of a dataset identify, and headings call them by its word: ISIC has images, HAM10000"
    " lesions. SD over patients: a patient's Dice is first averaged over its own cases and over the seeds; then the"
    " standard deviation over patients (n - 1). SD over seeds: of the seeds' mean Dice (n - 1); empty for one seed.",
    "HD95 (edge voxels): the larger of the two directed 95th percentiles of distances between edge voxels, each"
    " counted once; MONAI's definition. NSD (area): the share of both surfaces, weighted by area, that lies within a"
    " tolerance of the other; the definition of the surface-distance package and of KiTS. The two take surfaces"
    " differently: compare neither with tables that use the other's.",
    "HD95 and NSD count a missed structure, with the image diagonal and with 0. Missed: scores of cases of which"
    " exactly one of prediction and truth is empty, out of cases times seeds (times models).",
    "Worst client: the client with the lowest mean Dice. Spread: best client minus worst client, in points of Dice."
    " Clients that took no part in training count in neither.",
    "Gap closed: (method - dp_fl) / (fedavg - dp_fl) in mean Dice; empty where a reference is missing or fedavg is not"
    " ahead of dp_fl.",
    "Epsilon nominal is what the authors of the method state. Epsilon accounted is what a proof supports for the run"
    " that happened, the largest over clients and seeds. Epsilon audited is a lower bound, with its confidence, from"
    " canaries in a run of its own with the same privacy settings: ! marks a method that its audit contradicts, an en"
    " dash one without an audit, and a low bound proves nothing. None of them means anything without its unit: what"
    " one neighbour differs in, in the word of the dataset: an image, slice, lesion or patient, or a hospital (client);"
    " record and patient id are one example and one id of which no more is known.",
    "Epsilon of a person is that of all units together that one person has at a client, where ids are persons'; a dash"
    " says that nobody knows it, and then it may be many times larger. Noise: seeded noise can be computed by whoever"
    " knows the run's seed, and protects from nobody who does; secret noise is from the operating system.",
    "Wall time is the mean of a run, memory the largest over seeds.",
    "Records are verified where nothing in a run's folder contradicts anything else: digests, chain of rounds, ledger"
    " and epsilon, configuration, partition and scores. Earlier ones have no digests, and are checked by the rest. Runs"
    " whose record contradicts itself or another's are left out. What this proves, and what only a signature or the"
    " data can: docs/records.md.",
    "Definitions, units, tolerances and what counts where a mask is empty: docs/metrics.md. Epsilon: docs/privacy.md"
    " and docs/audit.md.",
    "95 % interval: where the mean Dice lies, over the choice of patients and of training runs: a bootstrap of patients"
    " (with all their cases) and of seeds, widened for few seeds. It is cut at 0 and 100 %.",
    "Comparisons: each cell is the mean Dice of the method in the row minus that of the method in the column, in"
    " points. A test (Wilcoxon's signed-rank test, two-sided, on patients' means over their cases and the seeds,"
    f" corrected for all pairs of the table by Holm's method) is significant at {SIGNIFICANCE:g}: * where the 95 %"
    " interval of the difference, over patients and seeds, also leaves out 0; (*) where only the test says so, which"
    " tells these trained models apart, not the methods; (!) where test and mean point to different methods. No mark:"
    " undecided, which is not the same as equal.",
    "Ranking: for each patient and metric the methods are ranked by their means over seeds and the patient's cases (1"
    " is best), and the mean of these ranks decides. Its 95 % range and the share of first places come from 10,000"
    " resamples of patients; other training runs are not in them. What these statistics can and cannot say:"
    " docs/leaderboard.md.",
    "What adaptivity wins back: an adaptive method beside every fixed threshold C with which it is otherwise the same"
    " (unit, mechanism, noise multiplier, sampling, federation). Gap: the reference, which is the same method without"
    " privacy or, where that is not there, fedavg, minus the fixed method, in points of Dice."
    " Gap closed: (adaptive - fixed) / gap, with its 95 % interval over patients and seeds by Fieller's method; empty"
    " where the gap may be chance. A share that changes with C says where C stood, not how good adaptivity is.",
    "Who benefits: own is the mean Dice on a client's own test cases, by the model that the client would use: the"
    " global model or, where a method leaves clients models of their own, its own. Everyone is the mean Dice of that"
    " same model on the test cases of all clients; empty where it was scored on its own client's only.",
    f"Gain over local is own minus what the method {LOCAL_REFERENCE} reaches for the same client under the same seeds,"
    f" in points of Dice. {LOCAL_REFERENCE} is not private: for private methods too, it is what the client could do"
    " alone and without noise. A gain below the SD over seeds says little.",
    "Worst, best, spread, SD over clients (n - 1), means and gains of who benefits count each client once, however many"
    " test cases it has. Held-out clients took no part in training and count in none of these; they are scored by the"
    " global model or, where there is none to use, by every training client's own model, averaged.",
)
