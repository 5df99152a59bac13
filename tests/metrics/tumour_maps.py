"""Small random label maps of tumours, and predictions of them: speckle, misses, borders, single voxels and nothing."""

import numpy as np

SPACINGS = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.75, 1.5, 2.0))
TISSUES = ("NETC", "SNFH", "ET", "RC")


def label_maps(seed, shape=(16, 15, 14)):
    """A prediction and a truth with values up to 4, and a spacing, of whatever the seed brings."""
    generator = np.random.default_rng([17, seed])
    truth = paint(generator, shape, [blob(generator, shape) for _ in range(generator.integers(0, 7))])
    kind = seed % 6
    if kind == 0:
        prediction = np.zeros(shape, dtype=np.uint8)  # nothing
        prediction[tuple(generator.integers(0, shape))] = seed % 4  # or one voxel
    elif kind == 1:
        prediction = truth * (generator.random(shape) < 0.6)  # many components
    elif kind == 2:
        prediction = np.where(generator.random(shape) < 0.02, generator.integers(1, 5, shape), 0)  # speckle
    else:
        prediction = np.roll(truth, generator.integers(-1, 2, 3), (0, 1, 2))
        prediction[prediction == generator.integers(1, 5)] = 0
        extra = [blob(generator, shape) for _ in range(generator.integers(0, 3))]
        prediction = np.maximum(prediction, paint(generator, shape, extra))
    return prediction.astype(np.uint8), truth, SPACINGS[seed % 3]


def blob(generator, shape):
    centre = generator.uniform(0, shape)
    grid = np.ogrid[tuple(slice(size) for size in shape)]
    return sum((axis - middle) ** 2 for axis, middle in zip(grid, centre, strict=True)), generator.uniform(0.7, 3.6)


def paint(generator, shape, blobs):
    labels = np.zeros(shape, dtype=np.uint8)
    for distances, radius in blobs:
        labels[distances <= radius**2] = generator.integers(1, 5)
        labels[distances <= (0.6 * radius) ** 2] = generator.integers(0, 5)
    return labels


def region_masks(labels):
    tissues = {name: labels == value for value, name in enumerate(TISSUES, start=1)}
    core = tissues["NETC"] | tissues["ET"]
    return {"WT": core | tissues["SNFH"], "TC": core, **tissues}
